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
    timeout 100 "$EVTRAIL_COMMAND" "$@" >log 2>&1 </dev/null
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
refused 2 "--memory 1M: less than one batch" "${collect[@]}" --listen localhost:0 --memory 1M
refused 2 "--batch-size 1K: " "${collect[@]}" --listen localhost:0 --batch-size 1K
refused 2 "--keep-size 1M: less than one file" "${collect[@]}" --listen localhost:0 --keep-size 1M
refused 2 "--process-keep-size 1M: less than one file" "${collect[@]}" --listen localhost:0 --process-keep-size 1M
refused 2 "--rotate-size 1K: " "${collect[@]}" --listen localhost:0 --rotate-size 1K
refused 6 "--reserve" "${collect[@]}" --listen localhost:0 --reserve 1000000G
printf '[collect]\nlisten = localhost:0\nmemory = 1M\n' >collect.conf
refused 2 "collect.conf:3: memory = 1M: less than one batch" "${collect[@]}" --config collect.conf
printf '[collct]\nlisten = localhost:0\n' >collect.conf
refused 2 "no section [collct]" "${collect[@]}" --config collect.conf
mkdir dir && echo text >file
refused 3 "file: " collect --check --listen localhost:0 --store file
refused 3 "$work/no/dir" collect --check --listen localhost:0 --store "$work/no/dir"
refused 7 "is no socket: remove it" "${collect[@]}" --listen "unix:$work/file"
refused 7 "named twice" "${collect[@]}" --listen "unix:$work/socket" --metrics "unix:$work/socket"

# Addresses in use; a collector that runs on the store is not taken for another.
python3 - >taken <<'END' &
import socket, threading
held = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)
held[1].bind("taken.sock")
held[1].listen()
print(held[0].getsockname()[1], flush=True)
threading.Event().wait()
END
holder=$!
until [ -s taken ]; do kill -0 $holder || exit 1; sleep 0.05; done
taken=$(cat taken)
refused 7 "--listen 127.0.0.1:$taken: 127.0.0.1:$taken: cannot listen: address already in use" "${collect[@]}" --listen "127.0.0.1:$taken"
refused 7 "--metrics 127.0.0.1:$taken: " "${collect[@]}" --listen localhost:0 --metrics "127.0.0.1:$taken"
refused 7 "--listen unix:$work/taken.sock: " "${collect[@]}" --listen "unix:$work/taken.sock"
refused 7 "--metrics 127.0.0.1:$taken: " send --all -c "unix:$work/nobody" --spool spool --check --metrics "127.0.0.1:$taken"
"$EVTRAIL_COMMAND" collect --store dir/store --listen "unix:$work/own" >collector.log 2>&1 &
collector=$!
until grep -q 'listening on' collector.log; do kill -0 $collector || exit 1; sleep 0.05; done
refused 0 "a collector runs on this store" collect --check --store dir/store --listen "unix:$work/own"
find dir taken.sock file -printf '%p %T@ %i\n' | sort >before
refused 7 "address already in use" collect --check --store dir/other --listen "unix:$work/own"
find dir taken.sock file -printf '%p %T@ %i\n' | sort | cmp -s before - || { echo "FAILED: a check changed something"; failed=1; }
kill $collector $holder
wait $collector $holder 2>/dev/null
holder=

# Something else in the place of a file of the store's or the spool's: named, and neither followed nor waited for.
mkdir -m 700 odd
in_the_way() { # NAME COMMAND...
    local name=$1 kind
    shift
    for kind in link fifo directory; do
        case $kind in
            link) ln -s /dev/null "odd/$name" ;;
            fifo) mkfifo "odd/$name" ;;
            directory) mkdir "odd/$name" ;;
        esac
        refused 7 "odd/$name: is a" "$@" --check
        refused 7 "odd/$name: is a" "$@"
        rm -r "odd/$name"
    done
}
for name in .id .lock .positions; do in_the_way $name collect --listen localhost:0 --store odd; done
rm -f odd/.[a-z]*
for name in state stream stream.copy rings lock spool-000000.000000001.evt; do
    in_the_way $name send --all -c "unix:$work/nobody" --spool odd --drain-time 0s
done

send=(send --all -c "unix:$work/nobody" --spool spool)
refused 4 "on this machine only" "${send[@]}" --check --metrics 192.0.2.1:9464
refused 2 "write -- before it" "${send[@]}" --check program
refused 2 "nothing to read" send -c "unix:$work/nobody" --spool spool --check
refused 3 "--process no-such-program: no-such-program is not traced" send -p no-such-program -c "unix:$work/nobody" --spool spool --check
refused 3 "no-such-program: cannot be run" send -c "unix:$work/nobody" --spool spool --check -- no-such-program
refused 2 "--spool-size 1M: " "${send[@]}" --check --spool-size 1M
refused 2 "--refused-size 1K: " "${send[@]}" --check --refused-size 1K
printf '[send]\ncollector = localhost\nall = yes\nspool-size = 1M\n' >send.conf
refused 2 "send.conf:4: spool-size = 1M: " send --config send.conf --check --spool spool
refused 3 "$work/no: " send --all -c "unix:$work/nobody" --spool "$work/no/spool" --check
refused 6 "/proc" send --all -c "unix:$work/nobody" --spool /proc/evtrail-spool --check
if [ "$(id -u)" != 0 ]; then
    mkdir -m 500 locked
    refused 4 "locked: files cannot be made here" send --all -c "unix:$work/nobody" --spool locked --check
    refused 4 "locked: files cannot be made here" send --all -c "unix:$work/nobody" --spool locked/spool --check
fi
XDG_STATE_HOME=$work/state refused 6 "$work/state/evtrail/send: can be the spool" send --all -c "unix:$work/nobody" --check
[ ! -e state ] || { echo "FAILED: a check made the parents of the spool"; failed=1; }
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
