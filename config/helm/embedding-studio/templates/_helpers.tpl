{{- define "studio.image" -}}
{{ .image.repository }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{- define "studio.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "studio.labels" -}}
{{ include "studio.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "studio.pod" -}}
serviceAccountName: {{ .Release.Name }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: { type: RuntimeDefault }
{{- with .Values.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "studio.locked" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{- define "studio.environment" -}}
envFrom:
  - configMapRef: { name: {{ .Release.Name }} }
  - secretRef: { name: {{ required "secret: name the Secret that holds addresses and passwords" .Values.secret }} }
{{- end }}

{{- define "studio.worker" -}}
ports:
  - { name: metrics, containerPort: 9400 }
# It shows its metrics while it lives.
startupProbe:
  httpGet: { path: /metrics, port: metrics }
  periodSeconds: 2
  failureThreshold: 90
livenessProbe:
  httpGet: { path: /metrics, port: metrics }
  periodSeconds: 15
  timeoutSeconds: 10
  failureThreshold: 6
{{- end }}

{{- define "studio.mounts" -}}
- { name: data, mountPath: /data }
- { name: tmp, mountPath: /tmp }
{{- if .Values.authority }}
- { name: authority, mountPath: /etc/embedding-studio/authority, readOnly: true }
{{- end }}
{{- if .Values.plugins }}
- { name: plugins, mountPath: /etc/embedding-studio/plugins, readOnly: true }
{{- end }}
{{- end }}

{{- define "studio.volumes" -}}
- { name: data, emptyDir: { sizeLimit: {{ .Values.scratch }} } }
- { name: tmp, emptyDir: { sizeLimit: 1Gi } }
{{- with .Values.authority }}
- { name: authority, configMap: { name: {{ . }} } }
{{- end }}
{{- with .Values.plugins }}
- { name: plugins, configMap: { name: {{ . }} } }
{{- end }}
{{- end }}
