{{- define "weighbridge.name" -}}
{{- if contains "weighbridge" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-weighbridge" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "weighbridge.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- define "weighbridge.selector" -}}
app.kubernetes.io/name: weighbridge
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "weighbridge.labels" -}}
{{ include "weighbridge.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "weighbridge.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "weighbridge.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "weighbridge.healthcheck" -}}
- /weighbridge
- healthcheck
{{- if .Values.gateway.tls.secretName }}
- --proxy-url=https://127.0.0.1:8080
{{- with .Values.gateway.tls.caKey }}
- --ca-file=/etc/weighbridge/tls/{{ . }}
{{- end }}
- --server-name={{ include "weighbridge.serverName" . }}
{{- end }}
{{- end }}

{{- define "weighbridge.serverName" -}}
{{ .Values.gateway.tls.serverName | default (printf "%s.%s.svc" (include "weighbridge.name" .) .Release.Namespace) }}
{{- end }}

{{- define "weighbridge.metricsSecret" -}}
{{ required "serviceMonitor.tokenSecret.name: without a token Prometheus is refused" .Values.serviceMonitor.tokenSecret.name }}
{{- end }}
