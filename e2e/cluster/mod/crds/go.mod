// Modules whose manifests are read, and nothing built: apart from the programs' go.mod, so that a new version of one
// of them rebuilds nothing.
module deepseek-operator.local/crds

go 1.24

require github.com/prometheus-operator/prometheus-operator v0.85.0
