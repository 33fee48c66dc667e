# shellcheck shell=bash
# Which cluster the quickstart uses: its own (target=local), or the user's (kind, k3d, minikube or registry). Source it.

find_target() { # sets target, context, KUBECONFIG
  local server
  if [ -z "${KUBECONFIG:-}" ] || [ "$KUBECONFIG" = "$CLUSTER_KUBECONFIG" ]; then
    target=local context=deepseek-local
    export KUBECONFIG=$CLUSTER_KUBECONFIG PATH=$CLUSTER_BIN:$PATH
    return 0
  fi
  need_client_tools
  context=$(command kubectl config current-context 2>/dev/null) ||
    fail "KUBECONFIG=$KUBECONFIG has no current context" "the file is missing, unreadable or names none" "kubectl config use-context NAME, or unset KUBECONFIG to have a cluster started here"
  server=$(command kubectl config view --minify -o 'jsonpath={.clusters[0].cluster.server}')
  echo "Using the cluster of KUBECONFIG: context $context, server $server"
  case "$context" in
    kind-*) target=kind ;;
    k3d-*) target=k3d ;;
    *)
      if command kubectl get nodes -l minikube.k8s.io/name -o name 2>/dev/null | grep -q .; then target=minikube; else target=registry; fi ;;
  esac
  if [ -n "${IMAGE_REGISTRY:-}" ]; then target=registry; fi
  if [ "$target" = registry ] && [ -z "${IMAGE_REGISTRY:-}" ]; then
    fail "IMAGE_REGISTRY is not set" "$context is not kind, k3d or minikube, so its nodes must pull the images from a registry" "IMAGE_REGISTRY=registry.example.com/you make quickstart"
  fi
  if [ "${YES:-}" != 1 ]; then
    [ -t 0 ] || fail "nobody to ask" "the cluster $context would be changed and there is no terminal" "YES=1 make quickstart, or unset KUBECONFIG"
    printf 'Install deepseek-operator there (namespaces %s and %s)? [y/N] ' "$OPERATOR_NS" "$DEMO_NS"
    read -r answer
    case "$answer" in y | Y | yes) ;; *) echo "nothing was changed"; exit 1 ;; esac
  fi
}

need_client_tools() {
  PATH=$PATH:$CLUSTER_BIN  # kubectl and helm of an earlier local cluster do as well
  local tool
  for tool in kubectl helm; do
    command -v "$tool" >/dev/null || fail "$tool is missing" "KUBECONFIG names your own cluster, so none of our tools were built" "install $tool, or: e2e/cluster/build kubectl helm"
  done
}

start_cluster() {
  if [ "$target" = local ]; then : >"$RUN/local-cluster" && e2e/cluster/up; else command kubectl get --raw /readyz --request-timeout=20s; fi
}

# Makes both images and brings them where the cluster's nodes find them. Leaves their names in $RUN/images.
give_images() {
  local made name tar
  rm -rf "$RUN/archives"
  made=$(scripts/image --tag content --out "$RUN/archives" ${IMAGE_REGISTRY:+--registry "$IMAGE_REGISTRY"})
  echo "$made"
  awk '{print $1}' <<<"$made" >"$RUN/images"
  while read -r name _ _ _ tar; do
    case "$target" in
      local) e2e/cluster/load-image "$tar" ;;
      kind) kind load image-archive "$tar" --name "${context#kind-}" ;;
      k3d) k3d image import "$tar" --cluster "${context#k3d-}" ;;
      minikube) minikube -p "$context" image load "$tar" ;;
      registry) scripts/push_image.py "$tar" "$name" ;;
    esac
  done <<<"$made"
}
image_of() { sed -n "\\#/$1:#p" "$RUN/images"; }
