#!/bin/bash
# SPDX-License-Identifier: ISC
# evtrail send with a real collector: what is stored is what was emitted, over kills of either side, outages, a drain with a deadline, and whoever asks how it is.
EMITTER=$SHIP_BINARY_DIR/tests/cli/emitter
. "$(dirname "$0")/../cli/common.bash"
mkdir -m 700 "$EVTRAIL_DIR"
address=unix:$folder/collector
spool=$folder/spool

wait_for() { # SECONDS COMMAND...: until it succeeds
    local i limit=$(($1 * 20))
    shift
    for i in $(seq "$limit"); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.05
    done
    flop "not in time: $*"
}
collector_start() {
    "$EVTRAIL_COMMAND" collect --listen "$address" --store "$folder/store" 2>>collect.log &
    collector=$!
    pids+=("$collector")
    wait_for 60 "$EVTRAIL_COMMAND" send --all -c "$address" --spool "$folder/none" --check
}
sender_start() { # ARGUMENT...
    "$EVTRAIL_COMMAND" send -c "$address" --spool "$spool" "$@" 2>>send.log &
    sender=$!
    pids+=("$sender")
    wait_for 60 status_has '"running":true'
}
status() { "$EVTRAIL_COMMAND" send --status --json --spool "$spool" 2>/dev/null; }
status_has() { status | grep -q -- "$1"; }
all_acked() { status | grep -q '"unacked_batches":0,' && [ "$(status | value acked_events)" -ge "$1" ]; }
# What the store has, and says is lost: "EVENTS LOST"
stored() {
    local file events=0 lost=0 line
    for file in $(find "$folder/store" -name '*.00001.evt' | sed 's/\.00001\.evt$//'); do
        line=$("$EVTRAIL_COMMAND" verify --json "$file")
        events=$((events + $(value events <<<"$line")))
        for line in $(grep -o '"lost":{[^}]*}' <<<"$line" | grep -o '[0-9]*'); do lost=$((lost + line)); done
    done
    echo "$events $lost"
}

# --check touches nothing, and says what is wrong
run 6 send --all -c "$address" --spool "$folder/none" --check
says 'collector'
[ ! -e "$folder/none" ] || flop "--check made the spool"
collector_start
run 0 send --all -c "$address" --spool "$folder/none" --check
has 'reached'
[ ! -e "$folder/none" ] || flop "--check made the spool"

# a program: all of it is stored, and the spool is empty
run 0 send -c "$address" --spool "$spool" -- "$EMITTER" -n 20000
says '100200 events sent and acknowledged; lost in rings 0, in the spool 0'
equal "$(stored)" "100200 0"
equal "$(find "$spool" -name '*.evt' | wc -l)" 0

# the collector is killed and comes back while a program runs; so is the sender
sender_start --all
EVTRAIL='*,keep=1' "$EMITTER" -n 20000 -u 50 & # what no sender has read when it ends stays to be read
program=$!
wait_for 60 all_acked 1
for round in 1 2; do
    kill -9 "$collector"
    wait "$collector" 2>/dev/null
    kill -9 "$sender"
    wait "$sender" 2>/dev/null
    sender_start --all
    wait_for 60 status_has '"last_error":"[^"]'
    collector_start
    wait_for 60 status_has '"connected":true'
done
wait "$program"
wait_for 90 all_acked 0

# who asks
run 0 send --status --spool "$spool"
has 'acknowledged'
run 0 send --status --json --spool "$spool"
json_lines
run 7 send -c "$address" --spool "$spool" --all
says 'another evtrail send'

# SIGHUP with a configuration that is wrong changes nothing; SIGTERM drains
kill -HUP "$sender"
wait_for 60 grep -q 'were read again' send.log
kill -TERM "$sender"
wait "$sender"
equal $? 0 "exit code of send"
read -r events lost <<<"$(stored)"
equal "$((events + lost))" $((100200 + 100200)) "$events stored, $lost lost"

# no collector: the spool keeps all of it, as a trace; with the next start it goes
kill "$collector"
wait "$collector"
run 0 send -c "$address" --spool "$spool" --drain-time 100ms -- "$EMITTER" -n 2000
says 'wait for the next start'
run 0 stat "$spool"
has '10020 events'
run 2 send -c "$address" --spool "$spool" --spool-full bug=block --all
says 'no such level'
run 3 send --status --spool "$spool"
collector_start
run 0 send -c "$address" --spool "$spool" --quiet -- true
equal "$(cat err)" "" "what --quiet says when nothing is wrong"
read -r after more <<<"$(stored)"
equal "$((after - events))" 10020

# the configuration: every key is a flag; what is wrong has its line
printf '[send]\ncollector = %s\nspool = %s\nspool-size = 64M\nall = yes\n' "$address" "$spool" >send.conf
run 0 send --config send.conf --check
printf '[send]\ncolector = x\n' >wrong.conf
run 2 send --config wrong.conf --check
says 'wrong.conf:2'
says 'did you mean collector'
printf '[send]\nspool-size = lots\n' >wrong.conf
run 2 send --config wrong.conf --check
says 'wrong.conf:2'

# metrics
"$EVTRAIL_COMMAND" send --config send.conf --metrics "unix:$folder/metrics" 2>>send.log &
sender=$!
pids+=("$sender")
wait_for 60 status_has '"connected":true'
if command -v curl >/dev/null; then
    curl -s --unix-socket "$folder/metrics" http://localhost/metrics >out
    has '^evtrail_send_connected 1'
    has '^evtrail_send_dropped_events_total{cause="spool-oldest"'
fi
kill "$sender"
wait "$sender"
finish
