# The front door. `make help` lists what is behind it; the work is done by CMake, Ninja and scripts/.
.DEFAULT_GOAL := help
JOBS ?= $(shell nproc)
.PHONY: help deps build test tokenizers coverage lint fmt verify fuzz bench bench-kernels bench-operator tsan faults e2e crash-e2e upgrade-e2e pictures quickstart quickstart-down image sbom manifests crd clean

##@ Begin here

quickstart: ## from a bare machine to an answer of the demo model out of a real cluster
	scripts/quickstart

quickstart-down: ## remove all that quickstart started
	scripts/quickstart --down

help: ## this list
	@awk -F':.*## ' '/^##@ /{printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Build

deps: ## install the Debian or Ubuntu packages that the rest needs (root or sudo)
	scripts/deps
	scripts/fetch-prometheus

build: ## the programs, optimised: build/release/bin
	cmake --preset release
	cmake --build --preset release -j $(JOBS)

clean: ## remove build/ (the cluster's programs stay in ~/.cache/deepseek-operator)
	rm -rf build

##@ Test

test: ## every lane of CI, timed (LANES="deps cluster unit asan lint e2e" picks some)
	scripts/test $(LANES)

e2e: ## the end-to-end tests on a real cluster (started if need be; E2E=NAME picks one)
	scripts/test e2e

lint: ## format, clang-tidy on changed files, shellcheck, layering
	scripts/lint

fmt: ## format every C++ source in place
	git ls-files -z '*.h' '*.cc' | xargs -0 -r clang-format-14 -i

verify: ## what is costly to check and rarely breaks: each header compiles alone, the layers hold
	cmake --preset release
	scripts/verify-headers
	python3 scripts/check_layers.py .
	python3 tests/charts/chart_test.py

coverage: ## lines of operator/decide and operator/render that their tests run; fails below 95 %
	scripts/coverage

##@ Test for longer

fuzz: ## the parsers under libFuzzer, 60 s each (FUZZ=NAME picks one, FUZZ_SECONDS=600 runs longer)
	scripts/fuzz $(FUZZ)

TSAN_TESTS = operator_kube_test operator_reconcile_test engine_serving_engine_test engine_cancel_test engine_kernels_host_test gpu_metrics_test openai_api_test http_server_test http_client_test operator_test
tsan: ## operator and agent under ThreadSanitizer: caches, queue, step thread, servers
	cmake --preset tsan
	cmake --build --preset tsan -j $(JOBS) --target $(TSAN_TESTS)
	set -e; for t in $(TSAN_TESTS); do TSAN_OPTIONS=halt_on_error=1 build/tsan/bin/$$t --gtest_brief=1; done

faults: ## every fault at every point of 22 stories, leaders stopped, transitions by chance (an hour)
	cmake --preset release
	cmake --build --preset release -j $(JOBS) --target fault_enumeration_test fencing_test random_transitions_test
	build/release/bin/fault_enumeration_test
	build/release/bin/fencing_test
	build/release/bin/random_transitions_test

crash-e2e: ## operators that die or are stopped, an API server that is away, slow or cut (25 minutes)
	cmake --preset release
	cmake --build --preset release -j $(JOBS) --target deepseek-operator deepseek-agent faulty-operator
	e2e/fixture up
	cd e2e && python3 -m unittest -v faults/crash_test.py faults/stopped_leader_test.py faults/api_server_test.py; rc=$$?; ./fixture down; exit $$rc

upgrade-e2e: ## from a real earlier version, built from its own tree, to this one (FROM=COMMIT, default v0.1.0)
	cmake --preset release
	cmake --build --preset release -j $(JOBS) --target deepseek-operator deepseek-agent
	e2e/fixture up
	e2e/upgrade/build $(FROM) && cd e2e && python3 -m unittest -v upgrade/previous_test.py; rc=$$?; $(CURDIR)/e2e/fixture down; exit $$rc

pictures: ## draw what the dashboards show of a real Prometheus anew: docs/pictures (4 minutes)
	scripts/fetch-prometheus
	cmake --preset release
	cmake --build --preset release -j $(JOBS) --target deepseek-operator deepseek-agent
	e2e/fixture up
	cd e2e && ANSWERS=600 PANELS=$(CURDIR)/build/panels python3 -m unittest -v tests/dashboards_test.py; rc=$$?; ./fixture down; exit $$rc
	scripts/draw-panels build/panels docs/pictures

tokenizers: ## get the real models' tokenizer files (110 MB) and run every vector over them
	scripts/fetch-tokenizers
	cmake --preset release
	cmake --build --preset release -j $(JOBS) --target tokenizer_vectors_test chat_vectors_test hostile_test
	ctest --test-dir build/release -L tokenizers --output-on-failure

##@ Measure

bench: ## our speed beside llama.cpp's and the machine's limits (MODEL=DIR BENCH_ARGS="--json FILE")
	cmake --preset release
	cmake --build --preset release -j $(JOBS) --target deepseek-agent
	bench/run $(addprefix --model ,$(MODEL)) $(BENCH_ARGS)

bench-kernels: ## kernels as shares of the machine's limits (BENCH_ARGS="--benchmark_filter=..")
	cmake --preset release
	cmake --build --preset release -j $(JOBS) --target kernel_bench
	build/release/bin/kernel_bench $(BENCH_ARGS)

bench-operator: ## CPU, memory and requests of the operator over an in-memory API server (N=1000 objects)
	cmake --preset release
	cmake --build --preset release -j $(JOBS) --target operator_bench
	build/release/bin/operator_bench $(N)

##@ Ship

image: ## container images of agent and operator as OCI archives: build/images
	cmake --preset release
	cmake --build --preset release -j $(JOBS) --target deepseek-agent deepseek-operator
	scripts/image
	cd build/images && sha256sum *.tar > SHA256SUMS

sbom: ## what is inside the images, as CycloneDX: build/images/*.cdx.json
	cmake --preset release
	cmake --build --preset release -j $(JOBS) --target deepseek-agent deepseek-operator
	scripts/sbom

manifests: ## an installation as plain YAML, without Helm: build/manifests (NAMESPACE=.. IMAGE_REGISTRY=..)
	scripts/manifests --namespace $(or $(NAMESPACE),deepseek-system) $(if $(IMAGE_REGISTRY),--registry $(IMAGE_REGISTRY)) -- $(MANIFESTS_ARGS)

crd: ## write the CRD, its reference page and the chart's copy anew from operator/api
	cmake --preset release
	cmake --build --preset release --target crdgen
	build/release/bin/crdgen crds/serving.deepseek-operator.io_deepseekdeployments.yaml
	build/release/bin/crdgen docs/reference/deepseekdeployment.md
	cp crds/serving.deepseek-operator.io_deepseekdeployments.yaml charts/deepseek-operator/files/deepseekdeployments.yaml
