#!/bin/sh
# Runs `journeys worker` and starts it again when it ends by an error that a restart helps against. Docker's own restart
# policies know no exit codes: they would start it for ever after code 2, which says that somebody has to look.
worker=
stopping=
trap 'stopping=yes; [ -z "$worker" ] || kill -TERM "$worker"' TERM INT
while [ -z "$stopping" ]; do
    journeys worker "$@" &
    worker=$!
    wait "$worker"
    code=$?
    # A signal ends `wait`, and not the worker: it flushes, and ends with its own code.
    while kill -0 "$worker" 2>/dev/null; do
        wait "$worker"
        code=$?
    done
    case $code in
        0 | 2) exit "$code" ;;
    esac
    [ -n "$stopping" ] || sleep 0.1
done
exit "${code:-0}"
