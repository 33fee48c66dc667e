# shellcheck shell=bash
# How each process of the cluster is configured and started. Used by up and restart.

sysctls=(net.ipv4.ip_forward net.bridge.bridge-nf-call-iptables net.bridge.bridge-nf-call-ip6tables vm.overcommit_memory
  vm.panic_on_oom kernel.panic kernel.panic_on_oops kernel.keys.root_maxkeys kernel.keys.root_maxbytes
  net.ipv4.conf.all.route_localnet net.netfilter.nf_conntrack_max net.netfilter.nf_conntrack_tcp_be_liberal
  net.netfilter.nf_conntrack_tcp_timeout_close_wait net.netfilter.nf_conntrack_tcp_timeout_established
  net.ipv4.neigh.default.gc_thresh1 net.ipv4.neigh.default.gc_thresh2 net.ipv4.neigh.default.gc_thresh3)
# folders outside the state directory that the kubelet, containerd or CNI make (their paths cannot be configured)
side_paths=(/var/lib/kubelet /var/lib/cni /var/log/containers /var/log/pods /run/containerd /run/nri /var/run/nri /opt/containerd /run/cni /run/xtables.lock)

cluster_links() { ip -o link | awk -F': ' '{print $2}' | sed 's/@.*//' | sort; }
cluster_mounts() { awk '{print $5}' /proc/self/mountinfo | sort; }
cluster_nft() { { nft list tables 2>/dev/null; iptables-save 2>/dev/null | grep -E '^(-A|:KUBE|:CNI)' || true; } | sort; }
cluster_cgroups() { find /sys/fs/cgroup -mindepth 1 -maxdepth 3 -type d \( -name 'kubepods*' -o -name 'k8s.io*' \) 2>/dev/null | sort || true; }
cluster_snapshot() { # DIR: what `down` must restore or leave alone
  mkdir -p "$1"
  cluster_links >"$1/links"; cluster_mounts >"$1/mounts"; cluster_nft >"$1/nft"; cluster_cgroups >"$1/cgroups"
  ip netns list 2>/dev/null | awk '{print $1}' | sort >"$1/netns" || true
  for s in "${sysctls[@]}"; do v=$(sysctl -n "$s" 2>/dev/null) && echo "$s=$v"; done >"$1/sysctl" || true
  for p in "${side_paths[@]}"; do [ -e "$p" ] && echo "$p"; done >"$1/paths" || true
}

# ---- certificates (openssl only)
cluster_cert() { # NAME CN O CA EKU [SAN]
  local n=$CLUSTER_PKI/$1 subj="/CN=$2" conf
  [ -s "$n.crt" ] && return 0
  [ -z "$3" ] || subj="/O=$3/CN=$2"
  conf=$(mktemp)
  { printf '[req]\ndistinguished_name=dn\nx509_extensions=x\n[dn]\n[x]\nkeyUsage=critical,digitalSignature,keyEncipherment\n'
    printf 'basicConstraints=critical,CA:FALSE\nextendedKeyUsage=%s\n' "$5"
    [ -z "${6:-}" ] || printf 'subjectAltName=%s\n' "$6"; } >"$conf"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 3650 -subj "$subj" -config "$conf" \
    -CA "$CLUSTER_PKI/$4.crt" -CAkey "$CLUSTER_PKI/$4.key" -keyout "$n.key" -out "$n.crt" 2>/dev/null || { rm -f "$conf"; die "openssl could not make $1"; }
  rm -f "$conf"
}
cluster_ca() { # NAME CN
  [ -s "$CLUSTER_PKI/$1.crt" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 3650 -subj "/CN=$2" \
    -config <(printf '[req]\ndistinguished_name=dn\nx509_extensions=x\n[dn]\n[x]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign,digitalSignature\nsubjectKeyIdentifier=hash\n') \
    -keyout "$CLUSTER_PKI/$1.key" -out "$CLUSTER_PKI/$1.crt" 2>/dev/null || die "openssl could not make the CA $1"
}
cluster_kubeconfig() { # FILE CERT
  [ -s "$1" ] && return 0
  cat >"$1" <<K
apiVersion: v1
kind: Config
clusters: [{name: deepseek-local, cluster: {server: "https://$CLUSTER_NODE_IP:$CLUSTER_API_PORT", certificate-authority-data: $(base64 -w0 "$CLUSTER_PKI/ca.crt")}}]
users: [{name: $2, user: {client-certificate-data: $(base64 -w0 "$CLUSTER_PKI/$2.crt"), client-key-data: $(base64 -w0 "$CLUSTER_PKI/$2.key")}}]
contexts: [{name: deepseek-local, context: {cluster: deepseek-local, user: $2}}]
current-context: deepseek-local
K
  chmod 600 "$1"
}
cluster_pki() {
  mkdir -p "$CLUSTER_PKI"; chmod 700 "$CLUSTER_PKI"
  cluster_ca ca deepseek-local-ca; cluster_ca front-proxy-ca deepseek-local-front-proxy-ca; cluster_ca etcd-ca deepseek-local-etcd-ca
  local local_san="DNS:localhost,IP:127.0.0.1"
  cluster_cert etcd etcd "" etcd-ca serverAuth,clientAuth "$local_san"
  cluster_cert apiserver-etcd kube-apiserver "" etcd-ca clientAuth
  cluster_cert apiserver kube-apiserver "" ca serverAuth "$local_san,IP:$CLUSTER_NODE_IP,IP:$CLUSTER_SVC_API,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.$CLUSTER_DOMAIN"
  cluster_cert apiserver-kubelet kube-apiserver-kubelet-client system:masters ca clientAuth
  cluster_cert front-proxy front-proxy-client "" front-proxy-ca clientAuth
  cluster_cert admin deepseek-local-admin system:masters ca clientAuth
  cluster_cert kcm system:kube-controller-manager "" ca clientAuth
  cluster_cert scheduler system:kube-scheduler "" ca clientAuth
  cluster_cert kube-proxy system:kube-proxy "" ca clientAuth
  cluster_cert netpol deepseek-local:netpol "" ca clientAuth
  cluster_cert node "system:node:$CLUSTER_NODE" system:nodes ca clientAuth
  cluster_cert kubelet "$CLUSTER_NODE" "" ca serverAuth "$local_san,DNS:$CLUSTER_NODE,IP:$CLUSTER_NODE_IP"
  [ -s "$CLUSTER_PKI/sa.key" ] || openssl genrsa -out "$CLUSTER_PKI/sa.key" 2048 2>/dev/null
  [ -s "$CLUSTER_PKI/sa.pub" ] || openssl rsa -in "$CLUSTER_PKI/sa.key" -pubout -out "$CLUSTER_PKI/sa.pub" 2>/dev/null
  chmod 600 "$CLUSTER_PKI"/*.key
  cluster_kubeconfig "$CLUSTER_KUBECONFIG" admin
  for u in kcm scheduler kube-proxy netpol node; do cluster_kubeconfig "$CLUSTER_PKI/$u.kubeconfig" "$u"; done
}

# ---- configuration files
cluster_configs() {
  local c=$CLUSTER_STATE/conf snap=overlayfs probe=$CLUSTER_STATE/.ovl
  mkdir -p "$c/cni"
  # overlayfs does not stack on every file system (for example on another overlay): try it.
  mkdir -p "$probe"/{l,u,w,m}
  if mount -t overlay overlay -o "lowerdir=$probe/l,upperdir=$probe/u,workdir=$probe/w" "$probe/m" 2>/dev/null; then umount "$probe/m"; else snap=native; warn "overlayfs does not work here: using the slower 'native' snapshotter"; fi
  rm -rf "$probe"
  cat >"$c/containerd.toml" <<T
version = 3
root = "$CLUSTER_STATE/containerd"
state = "$CLUSTER_RUN/containerd"
oom_score = 0
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.snapshotter.v1.blockfile", "io.containerd.snapshotter.v1.erofs", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
[grpc]
  address = "$CLUSTER_CONTAINERD_SOCK"
[ttrpc]
  address = "$CLUSTER_CONTAINERD_SOCK.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
  path = "$CLUSTER_STATE/containerd-opt"
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "$snap"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "$CLUSTER_PAUSE_IMAGE"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  enable_unprivileged_ports = true
  enable_unprivileged_icmp = true
  netns_mounts_under_state_dir = true
  tolerate_missing_hugetlb_controller = true
  disable_apparmor = true
  [plugins."io.containerd.cri.v1.runtime".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["$CLUSTER_CNI_BIN"]
    conf_dir = "$c/cni"
T
  cat >"$c/cni/10-bridge.conflist" <<J
{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "$CLUSTER_BRIDGE", "isGateway": true, "hairpinMode": true, "ipMasq": false,
   "ipam": {"type": "host-local", "dataDir": "$CLUSTER_STATE/cni-ipam", "ranges": [[{"subnet": "$CLUSTER_POD_CIDR", "gateway": "$CLUSTER_POD_GW"}]],
            "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}, "snat": true}]}
J
  echo "nameserver $CLUSTER_SVC_DNS" >"$c/resolv.conf"
  cat >"$c/kubelet.yaml" <<Y
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $CLUSTER_NODE_IP
port: $CLUSTER_KUBELET_PORT
healthzPort: $CLUSTER_KUBELET_HEALTHZ
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $CLUSTER_PKI/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $CLUSTER_PKI/kubelet.crt
tlsPrivateKeyFile: $CLUSTER_PKI/kubelet.key
containerRuntimeEndpoint: unix://$CLUSTER_CONTAINERD_SOCK
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
oomScoreAdj: 0
maxOpenFiles: $(ulimit -Hn | sed 's/unlimited/1000000/')
makeIPTablesUtilChains: false
clusterDomain: $CLUSTER_DOMAIN
clusterDNS: [$CLUSTER_SVC_DNS]
resolvConf: $c/resolv.conf
podLogsDir: $CLUSTER_STATE/podlogs
volumePluginDir: $CLUSTER_STATE/kubelet-plugins
serializeImagePulls: false
syncFrequency: ${CLUSTER_KUBELET_SYNC:-1m0s}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
shutdownGracePeriod: 0s
registerNode: true
logging: {verbosity: 1}
Y
  # What the programs of the product ask of the API server, for the story that compares it with their rights.
  cat >"$c/audit.yaml" <<Y
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: Metadata, userGroups: ["system:serviceaccounts:deepseek-system"]}
- {level: None}
Y
  cat >"$c/kube-proxy.yaml" <<Y
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clusterCIDR: $CLUSTER_POD_CIDR
hostnameOverride: $CLUSTER_NODE
clientConnection: {kubeconfig: $CLUSTER_PKI/kube-proxy.kubeconfig}
healthzBindAddress: 127.0.0.1:$CLUSTER_PROXY_HEALTHZ
metricsBindAddress: 127.0.0.1:$CLUSTER_PROXY_METRICS
oomScoreAdj: 0
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
nftables: {syncPeriod: 30s, minSyncPeriod: 100ms}
Y
}

# ---- processes
start_etcd() {
  cluster_start etcd "$CLUSTER_BIN/etcd" --name node --data-dir "$CLUSTER_STATE/etcd" --unsafe-no-fsync \
    --listen-client-urls "https://127.0.0.1:$CLUSTER_ETCD_PORT" --advertise-client-urls "https://127.0.0.1:$CLUSTER_ETCD_PORT" \
    --listen-peer-urls "https://127.0.0.1:$CLUSTER_ETCD_PEER_PORT" --initial-advertise-peer-urls "https://127.0.0.1:$CLUSTER_ETCD_PEER_PORT" \
    --initial-cluster "node=https://127.0.0.1:$CLUSTER_ETCD_PEER_PORT" \
    --client-cert-auth --trusted-ca-file "$CLUSTER_PKI/etcd-ca.crt" --cert-file "$CLUSTER_PKI/etcd.crt" --key-file "$CLUSTER_PKI/etcd.key" \
    --peer-client-cert-auth --peer-trusted-ca-file "$CLUSTER_PKI/etcd-ca.crt" --peer-cert-file "$CLUSTER_PKI/etcd.crt" --peer-key-file "$CLUSTER_PKI/etcd.key" \
    --auto-compaction-retention 10m --log-level warn
}
start_kube-apiserver() {
  # shellcheck disable=SC2086
  cluster_start kube-apiserver "$CLUSTER_BIN/kube-apiserver" --bind-address "$CLUSTER_NODE_IP" --advertise-address "$CLUSTER_NODE_IP" --secure-port "$CLUSTER_API_PORT" \
    --etcd-servers "https://127.0.0.1:$CLUSTER_ETCD_PORT" --etcd-cafile "$CLUSTER_PKI/etcd-ca.crt" \
    --etcd-certfile "$CLUSTER_PKI/apiserver-etcd.crt" --etcd-keyfile "$CLUSTER_PKI/apiserver-etcd.key" \
    --client-ca-file "$CLUSTER_PKI/ca.crt" --tls-cert-file "$CLUSTER_PKI/apiserver.crt" --tls-private-key-file "$CLUSTER_PKI/apiserver.key" \
    --service-account-issuer "https://kubernetes.default.svc.$CLUSTER_DOMAIN" \
    --service-account-key-file "$CLUSTER_PKI/sa.pub" --service-account-signing-key-file "$CLUSTER_PKI/sa.key" \
    --service-cluster-ip-range "$CLUSTER_SVC_CIDR" --service-node-port-range "$CLUSTER_NODEPORT_RANGE" \
    --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction --allow-privileged=true \
    --kubelet-certificate-authority "$CLUSTER_PKI/ca.crt" --kubelet-preferred-address-types InternalIP \
    --kubelet-client-certificate "$CLUSTER_PKI/apiserver-kubelet.crt" --kubelet-client-key "$CLUSTER_PKI/apiserver-kubelet.key" \
    --requestheader-client-ca-file "$CLUSTER_PKI/front-proxy-ca.crt" --requestheader-allowed-names front-proxy-client \
    --requestheader-username-headers X-Remote-User --requestheader-group-headers X-Remote-Group --requestheader-extra-headers-prefix X-Remote-Extra- \
    --proxy-client-cert-file "$CLUSTER_PKI/front-proxy.crt" --proxy-client-key-file "$CLUSTER_PKI/front-proxy.key" \
    --audit-policy-file "$CLUSTER_STATE/conf/audit.yaml" --audit-log-path "$CLUSTER_LOGS/audit.log" --audit-log-maxsize 100 --audit-log-maxbackup 2 \
    --profiling=false ${CLUSTER_APISERVER_FLAGS:-}
}
start_kube-controller-manager() {
  # The grace period: when an API server comes back after two minutes, the only node, which could not say that it lives, would
  # be called lost for some seconds and all its pods taken out of their Services: Kubernetes' doing, which no test is about.
  # shellcheck disable=SC2086
  cluster_start kube-controller-manager "$CLUSTER_BIN/kube-controller-manager" --kubeconfig "$CLUSTER_PKI/kcm.kubeconfig" \
    --authentication-kubeconfig "$CLUSTER_PKI/kcm.kubeconfig" --authorization-kubeconfig "$CLUSTER_PKI/kcm.kubeconfig" \
    --bind-address 127.0.0.1 --secure-port "$CLUSTER_KCM_PORT" --cert-dir "$CLUSTER_STATE/kcm-certs" --leader-elect=false --profiling=false \
    --cluster-signing-cert-file "$CLUSTER_PKI/ca.crt" --cluster-signing-key-file "$CLUSTER_PKI/ca.key" --root-ca-file "$CLUSTER_PKI/ca.crt" \
    --service-account-private-key-file "$CLUSTER_PKI/sa.key" --use-service-account-credentials=true \
    --cluster-cidr "$CLUSTER_POD_CIDR" --service-cluster-ip-range "$CLUSTER_SVC_CIDR" --allocate-node-cidrs=false \
    --node-monitor-grace-period=5m ${CLUSTER_KCM_FLAGS:-}
}
start_kube-scheduler() {
  cluster_start kube-scheduler "$CLUSTER_BIN/kube-scheduler" --kubeconfig "$CLUSTER_PKI/scheduler.kubeconfig" \
    --authentication-kubeconfig "$CLUSTER_PKI/scheduler.kubeconfig" --authorization-kubeconfig "$CLUSTER_PKI/scheduler.kubeconfig" \
    --bind-address 127.0.0.1 --secure-port "$CLUSTER_SCHED_PORT" --cert-dir "$CLUSTER_STATE/scheduler-certs" --leader-elect=false --profiling=false
}
start_containerd() { PATH="$CLUSTER_BIN:$PATH" cluster_start containerd "$CLUSTER_BIN/containerd" --config "$CLUSTER_STATE/conf/containerd.toml" --log-level warn; }
start_kubelet() {
  cluster_start kubelet "$CLUSTER_BIN/kubelet" --config "$CLUSTER_STATE/conf/kubelet.yaml" --kubeconfig "$CLUSTER_PKI/node.kubeconfig" \
    --hostname-override "$CLUSTER_NODE" --node-ip "$CLUSTER_NODE_IP" --root-dir "$CLUSTER_STATE/kubelet" --cert-dir "$CLUSTER_STATE/kubelet-certs"
}
start_kube-proxy() { cluster_start kube-proxy "$CLUSTER_BIN/kube-proxy" --config "$CLUSTER_STATE/conf/kube-proxy.yaml"; }
start_netpol() { [ "$CLUSTER_NETPOL" = 0 ] || cluster_start netpol "$CLUSTER_BIN/netpol" -kubeconfig "$CLUSTER_PKI/netpol.kubeconfig" -table deepseek_netpol; }
start_gpu-plugin() { [ "$CLUSTER_GPUS" = 0 ] || cluster_start gpu-plugin "$CLUSTER_BIN/fake-gpu-plugin" -n "$CLUSTER_GPUS"; }

api_ready() { kubectl get --raw /readyz --request-timeout=3s >/dev/null 2>&1; }
cri_ready() { "$CLUSTER_BIN/crimini" -sock "$CLUSTER_CONTAINERD_SOCK" version >/dev/null 2>&1; }
kubelet_ok() { curl -fsS -m 2 "http://127.0.0.1:$CLUSTER_KUBELET_HEALTHZ/healthz" >/dev/null 2>&1; }
proxy_ok() { curl -fsS -m 2 "http://127.0.0.1:$CLUSTER_PROXY_HEALTHZ/livez" >/dev/null 2>&1; }
node_ready() { [ "$(kubectl get node "$CLUSTER_NODE" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}' 2>/dev/null)" = True ]; }
# node_fresh EPOCH: Ready, and the kubelet said so after EPOCH (the stored status of a stopped cluster says Ready too)
node_fresh() {
  local t
  node_ready || return 1
  t=$(kubectl get node "$CLUSTER_NODE" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].lastHeartbeatTime}' 2>/dev/null) && [ -n "$t" ] && [ "$(date -d "$t" +%s)" -ge "$1" ]
}
# the cluster's DNS really answers a question that was asked at the Service address
dns_answers() {
  python3 - "$CLUSTER_SVC_DNS" "kubernetes.default.svc.$CLUSTER_DOMAIN" "$CLUSTER_SVC_API" <<'P'
import socket, sys
srv, name, want = sys.argv[1:]
q = b"\x12\x34\x01\x00\x00\x01" + bytes(6) + b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\x00\x00\x01\x00\x01"
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(1)
s.sendto(q, (srv, 53))
r = s.recv(512)
sys.exit(0 if r[:2] == q[:2] and r[3] & 15 == 0 and r.endswith(socket.inet_aton(want)) else 1)
P
}
