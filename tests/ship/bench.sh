#!/bin/bash
# SPDX-License-Identifier: ISC
# The cases of evtrail bench with send, collect and a live reader do run, in small; and what comes live beside an outage's backlog arrives.
. "$(dirname "$0")/../cli/common.bash"
RUN_SECONDS=300

measure() { # CASE OPTION...: it was measured
    run 0 bench --json "${@:2}" "$1"
    has "\"case\":\"$1\""
    lacks skipped
    has '"seen_p99_ms":'
}
measure ship/latency --scale 0.05
has '"acked_p99_ms":'
measure ship/backlog --events 13000000 # more than 32 MiB
finish
