{{- define "journeys.labels" -}}
app.kubernetes.io/name: journeys
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "journeys.metadata" -}}
labels:
  {{- include "journeys.labels" . | nindent 2 }}
  app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
  helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "journeys.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "journeys.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "journeys.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Names a secret's file in the pod: the setting, the secret, its key. Nothing where no secret is named. */}}
{{- define "journeys.secretEnvironment" -}}
{{- $kafka := .Values.kafka }}
{{- if eq $kafka.securityProtocol "SASL_SSL" }}
- {name: JOURNEYS_SASL_USERNAME, value: {{ $kafka.username | quote }}}
- {name: JOURNEYS_SASL_PASSWORD_FILE, value: /secrets/kafka-password/{{ $kafka.password.key }}}
{{- end }}
{{- if and $kafka.ca.secret (ne $kafka.securityProtocol "PLAINTEXT") }}
- {name: JOURNEYS_TLS_CA_FILE, value: /secrets/kafka-ca/{{ $kafka.ca.key }}}
{{- end }}
{{- if eq $kafka.securityProtocol "SSL" }}
- {name: JOURNEYS_TLS_CERT_FILE, value: /secrets/kafka-certificate/{{ $kafka.certificate.certificateKey }}}
- {name: JOURNEYS_TLS_KEY_FILE, value: /secrets/kafka-certificate/{{ $kafka.certificate.keyKey }}}
{{- end }}
{{- if .Values.metrics.token.secret }}
- {name: JOURNEYS_METRICS_TOKEN_FILE, value: /secrets/metrics-token/{{ .Values.metrics.token.key }}}
{{- end }}
{{- end }}

{{- define "journeys.secretNames" -}}
{{- $kafka := .Values.kafka }}
{{- $names := dict }}
{{- if eq $kafka.securityProtocol "SASL_SSL" }}{{ $_ := set $names "kafka-password" $kafka.password.secret }}{{ end }}
{{- if eq $kafka.securityProtocol "SSL" }}{{ $_ := set $names "kafka-certificate" $kafka.certificate.secret }}{{ end }}
{{- if and $kafka.ca.secret (ne $kafka.securityProtocol "PLAINTEXT") }}{{ $_ := set $names "kafka-ca" $kafka.ca.secret }}{{ end }}
{{- if .Values.metrics.token.secret }}{{ $_ := set $names "metrics-token" .Values.metrics.token.secret }}{{ end }}
{{- $names | toJson }}
{{- end }}

{{- define "journeys.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- range $name, $_ := include "journeys.secretNames" . | fromJson }}
- {name: {{ $name }}, mountPath: /secrets/{{ $name }}, readOnly: true}
{{- end }}
{{- end }}

{{- define "journeys.volumes" -}}
- {name: tmp, emptyDir: {}}
{{- range $name, $secret := include "journeys.secretNames" . | fromJson }}
- name: {{ $name }}
  secret:
    secretName: {{ required (printf "the secret of %s has no name" $name) $secret }}
    defaultMode: 0440
{{- end }}
{{- end }}

{{- define "journeys.probes" -}}
livenessProbe:
  httpGet: {path: /live, port: metrics}
  periodSeconds: 10
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /ready, port: metrics}
  periodSeconds: 10
{{- end }}
