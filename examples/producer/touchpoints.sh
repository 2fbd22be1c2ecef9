#!/bin/sh
# Sends touchpoints to `journeys listen`, an object a line, packed; again under the same ids until they are in the topic.
#
#     sh touchpoints.sh http://127.0.0.1:8047
#
# JOURNEYS_LISTEN_KEY is the key, where one is asked for; curl reads it from a pipe, so that no list of processes shows it.
set -eu
gzip <<'LINES' | curl --silent --show-error --fail-with-body --retry 10 --retry-connrefused --header @/dev/fd/3 \
  --header 'Content-Type: application/x-ndjson' --header 'Content-Encoding: gzip' --data-binary @- "$1/records" 3<<HEADER
{"journey_id": "journey-125", "touchpoint_id": "click-1", "occurred_at": "2026-01-31T12:00:02Z", "state": "INTENT", "cost": "0.40"}
{"kind": "signal", "journey_id": "journey-126", "command_id": "sale-1", "occurred_at": "2026-01-31T12:00:03Z", "signal": "competitor_conversion"}
LINES
${JOURNEYS_LISTEN_KEY:+Authorization: Bearer $JOURNEYS_LISTEN_KEY}
HEADER
