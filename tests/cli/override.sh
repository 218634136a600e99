# SPDX-License-Identifier: ISC
# What a recorder sets in others' sessions ends with it, also when it is killed or stopped; and many processes cost it little.
. "${0%/*}/common.bash"

policy_of() { # in the control file itself: no tool tidies up
    od -An -tu4 -j28 -N12 "$EVTRAIL_DIR/$1"-*.ctl | tr -s ' ' ' '
}
normal=" 0 65536 16"
wait_for_policy() { # PID WANTED SECONDS
    local i
    for i in $(seq $(($3 * 20))); do
        [ "$(policy_of "$1")" = "$2" ] && return
        sleep 0.05
    done
    flop "policy, block size, blocks: '$(policy_of "$1")', wanted '$2'"
}

# killed: a writer that needs room throws it out after its lease, and is a flight recorder again
start -l
emitter=$pid
run 0 set -p $emitter lease=300ms
"$EVTRAIL_COMMAND" record --quiet -p $emitter --block-size 8K --blocks 4 -o a.evt >out 2>err &
recorder=$!
wait_for_policy $emitter " 1 8192 4" 5
kill -9 $recorder
wait $recorder 2>/dev/null
wait_for_policy $emitter "$normal" 5
sleep 0.3
run 0 record --quiet --snapshot -p $emitter -o b.evt
run 0 stat --json b.evt
first=$(tail -1 out | value events)
[ "${first:-0}" -gt 0 ] || flop "nothing in the rings after the recorder was killed"
kill -TERM $emitter

# killed while the process is quiet: the next tool puts it right
start -l -u 20000
run 0 set -p $pid lease=300ms
"$EVTRAIL_COMMAND" record --quiet -p $pid -o c.evt >out 2>err &
recorder=$!
wait_for_policy $pid " 1 262144 64" 5
kill -9 $recorder
wait $recorder 2>/dev/null
sleep 0.8
run 0 ls
wait_for_policy $pid "$normal" 1

# stopped for a while: evicted, back again, a warning and no failure; two recorders, the first one ends first
"$EVTRAIL_COMMAND" record -p $pid -o d.evt >out2 2>err2 &
second=$!
wait_for_policy $pid " 1 262144 64" 5
"$EVTRAIL_COMMAND" record --quiet --policy block -p $pid -o e.evt >out 2>err &
recorder=$!
wait_for_policy $pid " 2 262144 64" 5
kill -TERM $second
wait $second
equal $? 0 "exit code of the first recorder"
wait_for_policy $pid " 2 262144 64" 1
kill -TERM $recorder
wait $recorder
wait_for_policy $pid "$normal" 1
start -l -u 50
run 0 set -p $pid lease=200ms
"$EVTRAIL_COMMAND" record --block-size 4K --blocks 2 -p $pid -o f.evt >out 2>err &
recorder=$!
wait_for_policy $pid " 1 4096 2" 5
sleep 0.3
kill -STOP $recorder
wait_for_policy $pid "$normal" 8
kill -CONT $recorder
wait_for_policy $pid " 1 4096 2" 8
sleep 0.2
kill -TERM $recorder
wait $recorder
equal $? 0 "exit code after an eviction that was recovered from"
says 'did not run for longer than its lease'
run 0 verify f.evt
wait_for_policy $pid "$normal" 1

# Processes one after the other, all kept until the end: four times as many take about four times as long, not sixteen times. On a disk
# making the files is what takes time.
memory=$(mktemp -d /dev/shm/evtrail-cli.XXXXXX 2>/dev/null)
if [ -d "$memory" ]; then
    few=${EPOCHREALTIME/./}
    EVTRAIL_DIR=$memory run 0 record -o few.evt -- sh -c 'i=0; while [ $i -lt 200 ]; do "$0" -n 10; i=$((i + 1)); done' "$EMITTER"
    many=${EPOCHREALTIME/./}
    EVTRAIL_DIR=$memory run 0 record -o h.evt -- sh -c 'i=0; while [ $i -lt 800 ]; do "$0" -n 10; i=$((i + 1)); done' "$EMITTER"
    few=$((many - few)) many=$((${EPOCHREALTIME/./} - many))
    [ $many -lt $((10 * few)) ] || flop "200 processes took $few us, 800 took $many us"
    says ' 40000 events .*lost 0'
    rm -rf "$memory"
else
    echo "no /dev/shm: the time of many processes is not looked at"
fi
finish
