#!/bin/bash
# SPDX-License-Identifier: ISC
# The spool's disk runs full while evtrail send runs, and is read-only at its start: each is told with what to do, the first ends by itself, nothing is uncounted.
if [ -z "${SHIP_INSIDE:-}" ]; then
    unshare -rm true 2>/dev/null || { echo "no mount namespace may be made here" >&2; exit 77; }
    SHIP_INSIDE=1 exec unshare -rm bash "$0"
fi
EMITTER=$SHIP_BINARY_DIR/tests/cli/emitter
. "$(dirname "$0")/../cli/common.bash"
mkdir -m 700 "$EVTRAIL_DIR" disk
mount -t tmpfs -o size=6m none disk || { echo "no tmpfs may be mounted here" >&2; exit 77; }
trap 'for pid in "${pids[@]}"; do kill -9 "$pid" 2>/dev/null; done; wait 2>/dev/null; umount -l "$folder/disk"; cd /; rm -rf "$folder"' EXIT
address=unix:$folder/collector
wait_for() {
    local i limit=$(($1 * 20))
    shift
    for i in $(seq "$limit"); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.05
    done
    flop "not in time: $*"
}
status_has() { "$EVTRAIL_COMMAND" send --status --json --spool disk/spool 2>/dev/null | grep -q -- "$1"; }

"$EVTRAIL_COMMAND" send --all --spool disk/spool --spool-size 64M -c "$address" 2>send.log &
sender=$!
pids+=("$sender")
wait_for 60 status_has '"running":true'
EVTRAIL='*,keep=1' "$EMITTER" -l >/dev/null &
emitter=$!
pids+=("$emitter")
wait_for 90 status_has '"spool_state":"disk-full"'
wait_for 60 status_has '"blocked":true'
grep -q 'free space' send.log || flop "the log does not say what to do"
kill -TERM "$emitter"
wait "$emitter"
"$EVTRAIL_COMMAND" collect --listen "$address" --store store 2>collect.log &
collector=$!
pids+=("$collector")
wait_for 90 status_has '"spool_state":"ok"'
wait_for 90 status_has '"blocked":false'
kill -TERM "$sender"
wait "$sender"
equal $? 0 "exit code of send"
file=$(find store -name '*.00001.evt' | sed 's/\.00001\.evt$//')
"$EVTRAIL_COMMAND" verify --json "$file" >out
lacks '"torn":[1-9]'
has '"faults":0'

mount -o remount,ro disk
run 6 send --all --spool disk/spool -c "$address"
says 'remount it writable'
finish
