{{- define "deepseek-operator.fullname" -}}
{{- if contains "deepseek-operator" .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-deepseek-operator" .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- /* Of the Service: a name with its ending is a label of DNS, 63 characters at most. */ -}}
{{- define "deepseek-operator.metricsName" -}}
{{- printf "%s-metrics" (include "deepseek-operator.fullname" . | trunc 55 | trimSuffix "-") -}}
{{- end -}}

{{- /* Of what belongs to no namespace: with the release's in front where other namespaces may have such a release. */ -}}
{{- define "deepseek-operator.clusterName" -}}
{{- if .Values.watchNamespaces }}{{ .Release.Namespace }}:{{ end }}{{ include "deepseek-operator.fullname" . -}}
{{- end -}}

{{- /* Of two releases with one lease one would stand by for ever, and its DeepSeekDeployments wait. */ -}}
{{- define "deepseek-operator.checkLease" -}}
{{- if .Values.leaderElection -}}
{{- range (lookup "apps/v1" "Deployment" .Release.Namespace "").items -}}
{{- $labels := default dict .metadata.labels -}}
{{- $release := index $labels "app.kubernetes.io/instance" -}}
{{- if and (eq (default "" (index $labels "app.kubernetes.io/name")) "deepseek-operator") (ne (default "" $release) $.Release.Name) -}}
{{- $args := (first .spec.template.spec.containers).args -}}
{{- $theirs := "deepseek-operator" -}}
{{- range $args }}{{ if hasPrefix "--lease-name=" . }}{{ $theirs = trimPrefix "--lease-name=" . }}{{ end }}{{ end -}}
{{- if and (has "--leader-elect" $args) (eq $theirs $.Values.leaseName) -}}
{{- fail (printf "leaseName: %s is the lease of the release %s in this namespace: only one of the two would act (--set leaseName=%s-deepseek-operator)" $theirs $release $.Release.Name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "deepseek-operator.selector" -}}
app.kubernetes.io/name: deepseek-operator
app.kubernetes.io/instance: {{ toYaml .Release.Name }}
{{- end -}}

{{- define "deepseek-operator.labels" -}}
{{ include "deepseek-operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "deepseek-operator.serviceAccount" -}}
{{- default (ternary (include "deepseek-operator.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name -}}
{{- end -}}

{{- /* [context, name of an image]: with global.imageRegistry in place of the registry that the name begins with. */ -}}
{{- define "deepseek-operator.fromRegistry" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- with (default dict $root.Values.global).imageRegistry -}}
{{- printf "%s/%s" (trimSuffix "/" .) (regexReplaceAll "^(localhost|[^/]*[.:][^/]*)/" $name "") -}}
{{- else -}}
{{- $name -}}
{{- end -}}
{{- end -}}

{{- define "deepseek-operator.image" -}}
{{- $repository := include "deepseek-operator.fromRegistry" (list . .Values.image.repository) -}}
{{- if .Values.image.digest -}}
{{ $repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ $repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "deepseek-operator.agentImage" -}}
{{- $name := default (printf "deepseek-operator.local/agent:%s" .Chart.AppVersion) .Values.agent.image -}}
{{- include "deepseek-operator.fromRegistry" (list . $name) -}}
{{- end -}}

{{- /* The chart's and the parent chart's, each once; empty without any. */ -}}
{{- define "deepseek-operator.imagePullSecrets" -}}
{{- with concat (default list .Values.imagePullSecrets) (default list (default dict .Values.global).imagePullSecrets) | uniq -}}
{{- toYaml . -}}
{{- end -}}
{{- end -}}

{{- /* What the values say, and, where they say nothing of it, replicas on different nodes if there is room. */ -}}
{{- define "deepseek-operator.affinity" -}}
{{- $affinity := deepCopy (default dict .Values.affinity) -}}
{{- if not $affinity.podAntiAffinity -}}
{{- $term := dict "topologyKey" "kubernetes.io/hostname" "labelSelector" (dict "matchLabels" (include "deepseek-operator.selector" . | fromYaml)) -}}
{{- $_ := set $affinity "podAntiAffinity" (dict "preferredDuringSchedulingIgnoredDuringExecution" (list (dict "weight" 100 "podAffinityTerm" $term))) -}}
{{- end -}}
{{- toYaml $affinity -}}
{{- end -}}

{{- /* The namespace of the test hook: one that the operator looks after. */ -}}
{{- define "deepseek-operator.testNamespace" -}}
{{- if or (not .Values.watchNamespaces) (has .Release.Namespace .Values.watchNamespaces) -}}
{{- .Release.Namespace -}}
{{- else -}}
{{- first .Values.watchNamespaces -}}
{{- end -}}
{{- end -}}
