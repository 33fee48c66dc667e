# shellcheck shell=bash
# The quickstart's phases from the programs to the answer, and the way back. Source it after target.sh.
# shellcheck disable=SC2154

kc() { command kubectl "$@"; }

build_programs() {
  cmake --preset release && cmake --build --preset release -j "${JOBS:-$(nproc)}" --target deepseek-agent deepseek-operator
}

install_operator() {
  local operator agent
  operator=$(image_of operator) agent=$(image_of agent)
  printf '%s\n' "$KUBECONFIG" "$context" "$target" >"$RUN/target"
  [ -f "$RUN/crd-was-there" ] || [ -f "$RUN/crd-is-ours" ] ||
    if kc get crd deepseekdeployments.serving.deepseek-operator.io >/dev/null 2>&1; then : >"$RUN/crd-was-there"; else : >"$RUN/crd-is-ours"; fi
  kc create namespace "$OPERATOR_NS" --dry-run=client -o yaml | kc apply -f -
  kc label --overwrite namespace "$OPERATOR_NS" pod-security.kubernetes.io/enforce=restricted
  if ! helm upgrade --install deepseek-operator charts/deepseek-operator --namespace "$OPERATOR_NS" \
    --set replicas=1 --set "image.repository=${operator%:*}" --set "image.tag=${operator##*:}" \
    --set "agent.image=$agent" --wait --timeout 180s; then
    kc -n "$OPERATOR_NS" get pods -o wide
    kc -n "$OPERATOR_NS" get events --sort-by=.lastTimestamp | tail -n 10
    kc -n "$OPERATOR_NS" logs deployment/deepseek-operator --tail=15
    return 1
  fi
}

dsd() { kc -n "$DEMO_NS" get deepseekdeployment demo -o json; }
conditions() { jq -r '.status.conditions[]? | "\(.type)=\(.status)  \(.reason)  \(.message)"'; }
# What to do about a reason of a condition.
advice() {
  case "$1" in
    ImagePullFailed) echo "the node could not get the image: run make quickstart again, or set IMAGE_REGISTRY to a registry that the nodes reach" ;;
    Unschedulable | InsufficientGPU) echo "no node has room: kubectl describe nodes shows what is taken" ;;
    ModelInvalid | ModelNotFound) echo "the agent refused the weights: its line is in the message above" ;;
    QuotaExceeded) echo "a ResourceQuota of the namespace is used up" ;;
    PodSecurityRefused) echo "the namespace's Pod Security level refuses the pod: kubectl get namespace $DEMO_NS --show-labels" ;;
    NameConflict) echo "an object of that name belongs to somebody else: rename or remove it" ;;
    CrashLooping) echo "kubectl -n $DEMO_NS logs -l serving.deepseek-operator.io/deployment=demo --previous" ;;
    *) echo "kubectl -n $DEMO_NS describe dsd demo" ;;
  esac
}

serve_model() {
  local deadline=$((SECONDS + 300)) json reason last=
  kc create namespace "$DEMO_NS" --dry-run=client -o yaml | kc apply -f -
  kc label --overwrite namespace "$DEMO_NS" pod-security.kubernetes.io/enforce=restricted
  kc -n "$DEMO_NS" apply -f e2e/samples/demo.yaml
  while :; do
    json=$(dsd)
    if jq -e '(.status.observedGeneration // 0) == .metadata.generation and
              any(.status.conditions[]?; .type == "Ready" and .status == "True")' <<<"$json" >/dev/null; then return 0; fi
    state=$(jq -r '[.status.conditions[]? | select(.type == "Ready" or .type == "ModelReady") | "\(.type)=\(.status) \(.reason): \(.message)"] | join("; ")' <<<"$json")
    [ "$state" = "$last" ] || { echo "${state:-no status yet}"; last=$state; }
    reason=$(jq -r 'first(.status.conditions[]? | select(.type == "Stalled" and .status == "True") | .reason) // ""' <<<"$json")
    if [ -n "$reason" ] || [ "$SECONDS" -ge "$deadline" ]; then
      echo; echo "The model is not served$([ -n "$reason" ] && echo " and will not be until the spec changes" || echo " after 5 minutes"). Its conditions:"
      conditions <<<"$json"
      kc -n "$DEMO_NS" get pods -o wide
      kc -n "$DEMO_NS" get events --sort-by=.lastTimestamp | tail -n 10
      [ -n "$reason" ] || reason=$(jq -r 'first(.status.conditions[]? | select(.type == "Ready") | .reason) // ""' <<<"$json")
      echo "what to do: $(advice "$reason")"
      return 1
    fi
    sleep 0.5
  done
}

# The question goes to the Service. On our own node its address can be called directly; elsewhere the API server
# carries the request to the Service.
ask_question() {
  local body reply text deadline=$((SECONDS + 60)) ip
  body=$(jq -cn --arg q "$QUESTION" '{model: "demo-v3", messages: [{role: "user", content: $q}], max_tokens: 32, temperature: 0}')
  while :; do
    if [ "$target" = local ]; then
      ip=$(kc -n "$DEMO_NS" get service demo -o 'jsonpath={.spec.clusterIP}')
      echo "the Service demo.$DEMO_NS at http://$ip:8000" >"$RUN/route"
      reply=$(curl -sS -m 30 -H 'content-type: application/json' -d "$body" "http://$ip:8000/v1/chat/completions" 2>&1) && break
    else
      echo "the API server to the Service demo.$DEMO_NS" >"$RUN/route"
      reply=$(kc create --raw "/api/v1/namespaces/$DEMO_NS/services/http:demo:8000/proxy/v1/chat/completions" -f - <<<"$body" 2>&1) && break
    fi
    [ "$SECONDS" -lt "$deadline" ] || { echo "no answer within a minute: $reply"; return 1; }
    sleep 0.5
  done
  echo "$reply"
  text=$(jq -er '.choices[0].message.content' <<<"$reply") || { echo "that is not a chat completion"; return 1; }
  echo "$text" >"$RUN/answer"
  case "$text" in *"$EXPECTED"*) ;; *) echo "the answer should have been $EXPECTED"; return 1 ;; esac
}

print_next() {
  local env='' url
  if [ "$target" = local ]; then
    env="  export KUBECONFIG=$CLUSTER_KUBECONFIG PATH=$CLUSTER_BIN:\$PATH"
    url=http://$(kc -n "$DEMO_NS" get service demo -o 'jsonpath={.spec.clusterIP}'):8000
    printf 'Next:\n%s\n\n' "$env"
    printf '  chat       build/release/bin/deepseek-agent chat --url %s\n' "$url"
  else
    printf 'Next:\n'
    printf '  chat       kubectl -n %s port-forward service/demo 8000 & build/release/bin/deepseek-agent chat --url http://127.0.0.1:8000\n' "$DEMO_NS"
  fi
  printf '  scale      kubectl -n %s scale dsd/demo --replicas=2\n' "$DEMO_NS"
  printf '  tear down  make quickstart-down\n'
}

take_down() {
  local kubeconfig context_was target_was=none
  if [ -f "$RUN/target" ]; then
    { read -r kubeconfig; read -r context_was; read -r target_was; } <"$RUN/target"
    if [ "$target_was" != local ]; then
      export KUBECONFIG=$kubeconfig
      need_client_tools
      echo "removing deepseek-operator from $context_was ($kubeconfig)"
      local on=(--context "$context_was")
      kc "${on[@]}" delete namespace "$DEMO_NS" --ignore-not-found --timeout=180s
      helm --kube-context "$context_was" uninstall deepseek-operator --namespace "$OPERATOR_NS" --ignore-not-found --wait
      kc "${on[@]}" delete namespace "$OPERATOR_NS" --ignore-not-found --timeout=180s
      if [ -f "$RUN/crd-is-ours" ]; then
        if [ -z "$(kc "${on[@]}" get dsd -A -o name 2>/dev/null)" ]; then
          kc "${on[@]}" delete crd deepseekdeployments.serving.deepseek-operator.io --ignore-not-found
        else
          echo "the CRD stays: there are other DeepSeekDeployments in the cluster"
        fi
      fi
    fi
  fi
  # Only the local cluster that the quickstart started: it takes everything in it along, and checks that nothing is
  # left on the machine. Next to a cluster of KUBECONFIG it may be up for somebody else.
  if [ "$target_was" = local ] || [ -f "$RUN/local-cluster" ]; then
    e2e/cluster/down
  elif [ "$target_was" = none ]; then
    echo "no quickstart has run here (a local cluster of other make goes down with: e2e/cluster/down)"
  fi
  rm -rf "$RUN"
  rmdir "$ROOT/.run" 2>/dev/null || true
  echo "Kept for the next start: the built programs in $CLUSTER_CACHE (remove them with: rm -rf $CLUSTER_CACHE) and build/ (make clean)."
}
