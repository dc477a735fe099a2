{{- /* What names of objects begin with: lvs for the releases lvs and lvs-operator. */ -}}
{{- define "lvs-operator.fullname" -}}
{{ .Values.fullnameOverride | default (trimSuffix "-operator" .Release.Name) }}
{{- end }}

{{- define "lvs-operator.selector" -}}
app.kubernetes.io/name: lvs-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* Without managed-by, which Helm adds itself: the manifest for those without Helm is made of the same templates. */ -}}
{{- define "lvs-operator.labels" -}}
{{ include "lvs-operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- /* The reference of an image, from a list: the root, and the part that it belongs to. */ -}}
{{- define "lvs-operator.image" -}}
{{- $root := index . 0 -}}
{{- $image := (index . 1).image -}}
{{- with $root.Values.image.registry }}{{ . }}/{{ end -}}
{{- $image.repository -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default $root.Chart.AppVersion }}{{ end -}}
{{- end }}

{{- define "lvs-operator.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{- /* Where the pods of a part may run. */ -}}
{{- define "lvs-operator.scheduling" -}}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* What pods that only talk to the API server get along with. */ -}}
{{- define "lvs-operator.unprivilegedPod" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
{{- end }}

{{- define "lvs-operator.unprivilegedContainer" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}
