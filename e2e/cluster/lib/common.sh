# shellcheck shell=bash
# shellcheck disable=SC2034,SC2016
# Settings and small helpers shared by every cluster script. Source it; do not run it.

CLUSTER_HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CLUSTER_CACHE=${CLUSTER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/deepseek-operator}
CLUSTER_BIN=${CLUSTER_BIN:-$CLUSTER_CACHE/bin}
CLUSTER_STATE=${CLUSTER_STATE:-$CLUSTER_CACHE/cluster}
CLUSTER_ARCHIVER=$(cd "$CLUSTER_HERE/../.." && pwd)/scripts/oci_archive.py

# Names and addresses. None may overlap with a network that this machine already uses.
CLUSTER_NODE=${CLUSTER_NODE:-deepseek-node}
CLUSTER_DOMAIN=cluster.local
CLUSTER_POD_CIDR=${CLUSTER_POD_CIDR:-10.88.0.0/24}
CLUSTER_POD_GW=${CLUSTER_POD_GW:-10.88.0.1}
CLUSTER_SVC_CIDR=${CLUSTER_SVC_CIDR:-10.89.0.0/16}
CLUSTER_SVC_API=${CLUSTER_SVC_API:-10.89.0.1}
CLUSTER_SVC_DNS=${CLUSTER_SVC_DNS:-10.89.0.10}
CLUSTER_NODE_IP=${CLUSTER_NODE_IP:-10.88.1.1}    # sits on the bridge, so it is the same on every machine
CLUSTER_BRIDGE=dsop0
CLUSTER_API_PORT=${CLUSTER_API_PORT:-16443}
CLUSTER_ETCD_PORT=${CLUSTER_ETCD_PORT:-12379}
CLUSTER_ETCD_PEER_PORT=${CLUSTER_ETCD_PEER_PORT:-12380}
CLUSTER_KCM_PORT=${CLUSTER_KCM_PORT:-11257}
CLUSTER_SCHED_PORT=${CLUSTER_SCHED_PORT:-11259}
CLUSTER_KUBELET_PORT=${CLUSTER_KUBELET_PORT:-11250}
CLUSTER_KUBELET_HEALTHZ=${CLUSTER_KUBELET_HEALTHZ:-11248}
CLUSTER_PROXY_HEALTHZ=${CLUSTER_PROXY_HEALTHZ:-11256}
CLUSTER_PROXY_METRICS=${CLUSTER_PROXY_METRICS:-11249}
CLUSTER_NODEPORT_RANGE=${CLUSTER_NODEPORT_RANGE:-31000-31999}
CLUSTER_GPUS=${CLUSTER_GPUS:-2}                  # fake nvidia.com/gpu devices; 0 = no device plugin
CLUSTER_NETPOL=${CLUSTER_NETPOL:-1}              # 1 = run the NetworkPolicy enforcer

CLUSTER_KUBECONFIG=$CLUSTER_STATE/kubeconfig
CLUSTER_PKI=$CLUSTER_STATE/pki
CLUSTER_LOGS=$CLUSTER_STATE/logs
CLUSTER_RUN=$CLUSTER_STATE/run
CLUSTER_CONTAINERD_SOCK=$CLUSTER_RUN/containerd.sock
CLUSTER_CNI_BIN=${CLUSTER_CNI_BIN:-/usr/lib/cni}
CLUSTER_PAUSE_IMAGE=deepseek-operator.local/pause:1

cluster_t0=$(date +%s.%N)
cluster_elapsed() { awk -v a="$cluster_t0" -v b="$(date +%s.%N)" 'BEGIN{printf "%.1f", b-a}'; }
say() { printf '[%7ss] %s\n' "$(cluster_elapsed)" "$*"; }
warn() { printf '[%7ss] warning: %s\n' "$(cluster_elapsed)" "$*" >&2; }
die() { printf '[%7ss] error: %s\n' "$(cluster_elapsed)" "$*" >&2; exit 1; }
# shellcheck disable=SC2154
trap 'rc=$?; [ "$BASH_SUBSHELL" != 0 ] || printf "error: %s line %s ended with %s: %s\n" "$0" "$LINENO" "$rc" "$BASH_COMMAND" >&2' ERR
# as_root ARGS...: runs the calling script again through sudo when the user is not root (it makes network links, mounts
# and containers). HOME changes under sudo, so the folders are handed over.
as_root() {
  [ "$(id -u)" != 0 ] || return 0
  command -v sudo >/dev/null || die "$0 makes network links, mounts and containers: run it as root (there is no sudo here)"
  local passed=("CLUSTER_CACHE=$CLUSTER_CACHE") v
  for v in $(compgen -v CLUSTER_); do [ "$v" = CLUSTER_CACHE ] || [ "$v" = CLUSTER_COMPONENTS ] || passed+=("$v=${!v}"); done
  exec sudo env "${passed[@]}" "$0" "$@"
}
# for_the_user FILE...: what root made on behalf of a sudo user belongs to that user
for_the_user() { [ -z "${SUDO_UID:-}" ] || chown "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" "$@"; }

# cluster_alive NAME: true when the process that `up` started under NAME still runs.
# The pid file holds "pid starttime", so a recycled pid is never taken for ours.
cluster_starttime() { sed -e 's/.*) //' "/proc/$1/stat" 2>/dev/null | awk '{print $20}'; }
cluster_alive() {
  local pid st
  [ -s "$CLUSTER_RUN/$1.pid" ] || return 1
  read -r pid st <"$CLUSTER_RUN/$1.pid"
  [ -n "$st" ] && [ "$(cluster_starttime "$pid")" = "$st" ] && ! cluster_dead "$pid"
}
# A killed process is a zombie before the last of its threads has let go of its files and ports.
cluster_dead() { awk '/^State:/ {z = $2 == "Z"} /^Threads:/ {t = $2} END {exit !(z && t <= 1)}' "/proc/$1/status" 2>/dev/null; }
cluster_pid() { local pid _; read -r pid _ <"$CLUSTER_RUN/$1.pid"; echo "$pid"; }

# cluster_start NAME COMMAND...: starts COMMAND in a session of its own, with a log and a pid file.
cluster_start() {
  local name=$1 pid
  shift
  if cluster_alive "$name"; then say "$name already runs (pid $(cluster_pid "$name"))"; return 0; fi
  printf '\n==== %s start %s\n' "$(date -u +%FT%TZ)" "$name" >>"$CLUSTER_LOGS/$name.log"
  printf '%q ' "$@" >"$CLUSTER_RUN/$name.cmd"
  setsid --fork bash -c 'echo $$ >"$0.tmp"; exec "${@:1}"' "$CLUSTER_RUN/$name.pid" "$@" \
    >>"$CLUSTER_LOGS/$name.log" 2>&1 </dev/null 9>&-   # 9 is the lock of up and down
  for _ in $(seq 100); do [ -s "$CLUSTER_RUN/$name.pid.tmp" ] && break; sleep 0.02; done
  [ -s "$CLUSTER_RUN/$name.pid.tmp" ] || die "$name did not start"
  pid=$(cat "$CLUSTER_RUN/$name.pid.tmp")
  echo "$pid $(cluster_starttime "$pid")" >"$CLUSTER_RUN/$name.pid"
  rm -f "$CLUSTER_RUN/$name.pid.tmp"
}

# cluster_stop NAME [SECONDS]: TERM, then KILL after SECONDS (15).
cluster_stop() {
  local name=$1 limit=${2:-15} pid i
  if ! cluster_alive "$name"; then rm -f "$CLUSTER_RUN/$name.pid"; return 0; fi
  pid=$(cluster_pid "$name")
  kill -TERM "$pid" 2>/dev/null || true
  for ((i = 0; i < limit * 20; i++)); do cluster_alive "$name" || break; sleep 0.05; done
  if cluster_alive "$name"; then warn "$name (pid $pid) ignored TERM for ${limit}s: KILL"; kill -KILL "$pid" 2>/dev/null || true; sleep 0.2; fi
  rm -f "$CLUSTER_RUN/$name.pid"
}

# cluster_wait SECONDS WHAT COMMAND...: polls until COMMAND succeeds.
cluster_wait() {
  local limit=$1 what=$2 end
  shift 2
  end=$(($(date +%s) + limit))
  until "$@" >/dev/null 2>&1; do
    [ "$(date +%s)" -lt "$end" ] || { warn "not within ${limit}s: $what"; return 1; }
    sleep 0.2
  done
}

kubectl() { "$CLUSTER_BIN/kubectl" --kubeconfig "$CLUSTER_KUBECONFIG" "$@"; }
CLUSTER_COMPONENTS=(etcd kube-apiserver kube-controller-manager kube-scheduler containerd kubelet kube-proxy netpol gpu-plugin)
