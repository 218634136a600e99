#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
# evtrail bench --peer lttng: records the helper with a session daemon of its own; prints ns and bytes an event.
set -eu
helpers=$1
work=$(mktemp -d)
export LTTNG_HOME=$work LTTNG_UST_REGISTER_TIMEOUT=3000
lttng-sessiond --no-kernel --quiet >/dev/null 2>&1 &
daemon=$!
trap 'kill "$daemon" 2>/dev/null; wait "$daemon" 2>/dev/null; rm -rf "$work"' EXIT
for _ in $(seq 50); do lttng list >/dev/null 2>&1 && break; sleep 0.1; done
lttng create bench --output="$work/trace" >/dev/null
lttng enable-channel --userspace --num-subbuf=16 --subbuf-size=1M ch >/dev/null
lttng enable-event --userspace --channel=ch 'evtrail_bench:*' >/dev/null
lttng start >/dev/null
ns=$("$helpers/evtrail-bench-lttng")
lttng stop >/dev/null
bytes=$(find "$work/trace" -name 'ch_*' -type f -printf '%s\n' | awk '{s += $1} END {print s}')
lttng destroy >/dev/null
awk -v ns="$ns" -v bytes="$bytes" 'BEGIN {print ns, bytes / 10100000}'
