{{- define "checkout.labels" -}}
app.kubernetes.io/name: {{ .Release.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "checkout.hostname" -}}
{{ .Values.route.hostname | default (printf "%s.%s.example" .Release.Name .Release.Namespace) }}
{{- end }}
