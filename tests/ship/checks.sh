#!/bin/bash
# SPDX-License-Identifier: ISC
# --check of collect and send tells what their start would refuse, and a metrics address is waited for that one who was killed still holds.
set -u
work=$(mktemp -d)
EVTRAIL_DIR=$(mktemp -d /dev/shm/evtrail-checks.XXXXXX)
export EVTRAIL_DIR
unset EVTRAIL
holder=
leave() {
    [ -z "$holder" ] || kill "$holder" 2>/dev/null
    wait
    rm -rf "$work" "$EVTRAIL_DIR"
}
trap leave EXIT
cd "$work" || exit 1
failed=0
refused() { # CODE WORDS COMMAND...
    local code=$1 words=$2
    shift 2
    "$EVTRAIL_COMMAND" "$@" >log 2>&1
    local got=$?
    [ $got = "$code" ] || { echo "FAILED: $*: exit code $got, wanted $code: $(cat log)"; failed=1; }
    grep -qF -- "$words" log || { echo "FAILED: $*: does not say '$words': $(cat log)"; failed=1; }
}
collect=(collect --store store --check)
refused 0 "all is in order" "${collect[@]}" --listen "unix:$work/socket" --metrics "unix:$work/metrics"
refused 4 "on this machine only" "${collect[@]}" --listen localhost:0 --metrics 0.0.0.0:9423
refused 3 "$work/no/socket" "${collect[@]}" --listen "unix:$work/no/socket"
refused 3 "$work/no/metrics" "${collect[@]}" --listen localhost:0 --metrics "unix:$work/no/metrics"
refused 2 "takes no operands" "${collect[@]}" --listen localhost:0 here
send=(send --all -c "unix:$work/nobody" --spool spool)
refused 4 "only on loopback" "${send[@]}" --check --metrics 192.0.2.1:9464
refused 2 "write -- before it" "${send[@]}" --check program
[ ! -e store ] && [ ! -e spool ] || { echo "FAILED: a check made something"; failed=1; }

# It holds the address until the sender is about to ask for it, and a moment longer.
python3 - >port <<'END' &
import os, socket, sys, time
held = socket.create_server(("127.0.0.1", 0))
print(held.getsockname()[1], flush=True)
while not os.path.exists("spool/lock"):
    time.sleep(0.01)
time.sleep(0.2)
END
holder=$!
until [ -s port ]; do sleep 0.05; done
"$EVTRAIL_COMMAND" "${send[@]}" --drain-time 0s --metrics "localhost:$(cat port)" >log 2>&1 &
sender=$!
for ((i = 0; i < 1200; i++)); do
    { [ -S spool/status.sock ] && "$EVTRAIL_COMMAND" send --status --spool spool >status 2>&1; } && break
    kill -0 $sender 2>/dev/null || break
    sleep 0.05
done
kill $sender 2>/dev/null || { echo "FAILED: no sender: $(cat log)"; failed=1; }
wait $sender
wait $holder
holder=
[ $failed = 0 ] && echo "checks: all told"
exit $failed
