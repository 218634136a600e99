#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
# evtrail bench --peer lttng: runs the helper under a session daemon of its own and under evtrail record, which leaves
# WORK/peer.evt. Prints the helper's lines, then LTTng's bytes on disk, the events it recorded and those it discarded. On failure: why, in one line.
set -eu
helper=$1 evtrail=$2 work=$3 ns_per_tick=$4
export LTTNG_HOME=$work/lttng LTTNG_UST_REGISTER_TIMEOUT=3000
common=/dev/shm/lttng-ust-wait-8
[ "$(id -u)" = 0 ] && own=/var/run/lttng || own=$LTTNG_HOME/.lttng
made=()
for path in "$own" "$common" "$common-$(id -u)"; do [ -e "$path" ] || made+=("$path"); done
daemon=

give_up() { echo "$1"; exit 1; }
gone() { for _ in $(seq "$1"); do kill -0 "$daemon" 2>/dev/null || return 0; sleep 0.1; done; return 1; }
clean() {
    if [ -n "$daemon" ] && kill "$daemon" 2>/dev/null; then
        gone 100 || kill -9 "$daemon"
        wait "$daemon" 2>/dev/null || :
        rm -rf "${made[@]}" # as they were not there before
    fi
    rm -rf "$LTTNG_HOME"
}
trap clean EXIT
trap 'exit 1' INT TERM

lttng() { command timeout 20 lttng --no-sessiond "$@"; }
lttng list >/dev/null 2>&1 && give_up "a session daemon is running already, and LTTng takes only one"
mkdir "$LTTNG_HOME"
lttng-sessiond --no-kernel --quiet >/dev/null 2>&1 &
daemon=$!
for _ in $(seq 50); do lttng list >/dev/null 2>&1 && break; sleep 0.1; done
kill -0 "$daemon" 2>/dev/null && lttng list >/dev/null 2>&1 || give_up "its session daemon did not start"
{
    lttng create bench --output="$LTTNG_HOME/trace"
    lttng enable-channel --userspace --num-subbuf=16 --subbuf-size=1M ch
    lttng enable-event --userspace --channel=ch 'evtrail_bench:*'
    lttng start
} >/dev/null 2>&1 || give_up "its session could not be made"
lines=$(timeout 300 "$evtrail" record --quiet --force -o "$work/peer.evt" -e bench.peer -- "$helper" "$ns_per_tick") ||
    give_up "the helper failed, or its events were not switched on"
lttng stop >/dev/null 2>&1
discarded=$(lttng list bench | awk '/Discarded events:/ {s += $3} END {print s + 0}')
bytes=$(find "$LTTNG_HOME/trace" -name 'ch_*' -type f -printf '%s\n' | awk '{s += $1} END {print s + 0}')
lttng destroy >/dev/null 2>&1 || :
echo "$lines"
echo "$bytes $discarded"
