#!/bin/bash
# SPDX-License-Identifier: ISC
# What senders ship is seen by live readers at the collector as it arrives: cat, stat, record, with hosts and clocks; and the store has it as well.
set -u
evtrail=$EVTRAIL_COMMAND
emitter=$EMITTER
work=$(mktemp -d /tmp/evt-watch.XXXXXX)
EVTRAIL_DIR=$(mktemp -d /dev/shm/evt-watch.XXXXXX)
export EVTRAIL_DIR
export ASAN_OPTIONS=verify_asan_link_order=0${ASAN_OPTIONS:+:$ASAN_OPTIONS} # libevtrail is preloaded
unset EVTRAIL
pids=()
leave() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done
    wait
    rm -rf "$work" "$EVTRAIL_DIR"
}
trap leave EXIT
failed=0
bad() { echo "FAILED: $*"; failed=$((failed + 1)); }
give_up() { echo "FAILED: $*"; tail -n 20 "$work"/*.log; exit 1; }
# until WHAT COMMAND...: it becomes true within a minute.
until_true() {
    for _ in $(seq 600); do "${@:2}" >/dev/null 2>&1 && return 0; sleep 0.1; done
    give_up "never: $1"
}
lines() { [ "$(grep -c "$2" "$1")" -ge "$3" ]; }

"$evtrail" collect --listen "unix:$work/socket" --store "$work/store" 2>"$work/collect.log" &
pids+=($!)
collector=$!
until_true 'it listens' lines "$work/collect.log" 'listening on' 1
name=collector://unix:$work/socket

timeout 200 "$evtrail" cat --json --limit 1002 "$name" >"$work/cat.json" 2>"$work/cat.log" &
pids+=($!)
cat=$!
timeout 200 "$evtrail" cat --limit 501 "$name?program=*emitter&host=$(uname -n)" >"$work/cat.txt" 2>"$work/cat.log" &
pids+=($!)
filtered=$!
timeout 200 "$evtrail" cat "$name?host=no-such-host" >"$work/other.txt" 2>"$work/other.log" &
pids+=($!)
timeout 200 "$evtrail" record -o "$work/live.evt" "$name" 2>"$work/record.log" &
recorder=$!
pids+=($recorder)
until_true 'four readers are connected' lines "$work/collect.log" ': connected' 4

# Two programs, one after the other: the second's batches come in the same connections.
for i in 1 2; do
    timeout 100 "$evtrail" send -c "unix:$work/socket" --spool "$work/spool$i" --drain-time 60s -- "$emitter" -n 100 >"$work/send.log" 2>&1 ||
        give_up "send: $(cat "$work/send.log")"
done
wait $cat || bad "cat ended with $?"
[ "$(grep '"tid":' "$work/cat.json" | grep -vc '"lost":')" = 1002 ] || bad "cat saw $(wc -l <"$work/cat.json") lines"
grep -q "\"host\":\"$(uname -n)\"" "$work/cat.json" || bad "cat shows no host"
grep -q '"clock_bound_ns":' "$work/cat.json" || bad "cat does not tell the clock's bound"
wait $filtered || bad "cat with patterns ended with $?"
grep -q "$(uname -n)/emitter:.* t.number " "$work/cat.txt" || bad "cat with patterns shows no host"
[ -s "$work/other.txt" ] && bad "another host's reader got something: $(head -n 1 "$work/other.txt")"

# A sender hears that it is watched, and no longer.
hold() { "$evtrail" send --status --json --spool "$work/spool3" | grep -q "\"hold_ms\":$1"; }
"$evtrail" send --all -c "unix:$work/socket" --spool "$work/spool3" 2>"$work/send.log" &
sender=$!
pids+=($sender)
until_true 'it is watched' hold 3.000

# Both stores have the same: that of the collector, and what was recorded live.
until_true 'all is recorded' sh -c "'$evtrail' cat '$work/live.evt' | grep -c ' t.number ' | grep -qx 200"
kill -INT $recorder
wait $recorder || bad "record ended with $?: $(cat "$work/record.log")"
until_true 'nobody watches it' hold 10.000
kill -TERM $sender
wait $sender || bad "send ended with $?: $(cat "$work/send.log")"
for trace in "$work/store" "$work/live.evt"; do
    "$evtrail" stat "$trace" | tail -n 1 | grep -q '^1,\?002 events .* lost 0$' || bad "$trace: $("$evtrail" stat "$trace" | tail -n 1)"
done
"$evtrail" cat "$work/store" | grep -q 'joined; its clock was .* +- ' || bad "the store does not tell the clock's bound"
for file in $(find "$work/store" -name '*.evt'); do
    "$evtrail" verify --quiet "$file" || bad "verify of $file"
done

# Nobody but send, collect and who reads a collector has OpenSSL. What connects ends with its reader, however that ends.
if command -v readelf >/dev/null; then
    readelf -d "$evtrail" | grep -q 'libzstd' || bad "readelf shows no libraries"
    readelf -d "$evtrail" | grep 'libssl\|libcrypto\|libcares' && bad "evtrail itself needs OpenSSL or c-ares"
fi
for signal in KILL TERM; do
    "$evtrail" cat "$name" >"$work/ended.txt" 2>"$work/ended.log" &
    reader=$!
    pids+=($reader)
    until_true 'it has a helper' pgrep -P $reader
    helper=$(pgrep -P $reader)
    until_true 'it is connected' grep -q "unix:pid $helper .*: connected" "$work/collect.log"
    kill -$signal $reader
    wait $reader
    code=$?
    [ $signal = KILL ] || [ $code = 0 ] || bad "SIG$signal: cat ended with $code: $(cat "$work/ended.log")"
    until_true "the helper has ended, too" grep -q "unix:pid $helper .*: closed by the peer: done" "$work/collect.log"
done

kill "$collector"
wait "$collector" || bad "collect ended with $?"
echo "$failed failed"
[ $failed = 0 ]
