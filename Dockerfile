# Images of the agent and the operator, for users with Docker (without it: make image).
#   docker build --target agent    -t REGISTRY/agent:0.1.0 .
#   docker build --target operator -t REGISTRY/operator:0.1.0 .
# The final stages hold what scripts/image puts there: the program, the libraries that ldd lists, the loader, the demo
# model (agent) and a few files of /etc. Linked dynamically, so that a GPU driver's libcuda.so can be loaded.
FROM debian:12 AS build
ENV DEBIAN_FRONTEND=noninteractive
WORKDIR /src
COPY scripts/deps scripts/deps
RUN apt-get update && scripts/deps && rm -rf /var/lib/apt/lists/*
COPY . .
RUN cmake --preset release && cmake --build --preset release --target deepseek-agent deepseek-operator
# The same file trees as `make image`, unpacked from its archives.
RUN scripts/image --tag docker --out /images && python3 scripts/oci_archive.py --unpack /images/agent-docker.tar /rootfs/agent \
 && python3 scripts/oci_archive.py --unpack /images/operator-docker.tar /rootfs/operator

FROM scratch AS agent
COPY --from=build /rootfs/agent/ /
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/deepseek-agent"]
CMD ["serve", "--model", "/models/demo-v3"]

FROM scratch AS operator
COPY --from=build /rootfs/operator/ /
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/deepseek-operator"]
CMD ["run"]
