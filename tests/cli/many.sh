# SPDX-License-Identifier: ISC
# Many short processes, one recorder: none costs it memory after its end.
. "${0%/*}/common.bash"

anonymous_kb() { sed -n 's/^RssAnon:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status"; }
# processes COUNT: so many, one after the other, each there long enough to be found
processes() {
    local i
    for i in $(seq "$1"); do "$EMITTER" -n 10 -u 300 >/dev/null 2>&1; done
    sleep 0.4
}

warm_up=300 more=300 measured=1
if grep -q -e __asan_init -e __tsan_init "$EVTRAIL_COMMAND"; then
    echo "memory is not compared: built with a sanitizer"
    warm_up=70 more=10 measured=0 # types of 64 ended processes are kept
fi
for how in "record --quiet -o a.evt" "cat --json"; do
    "$EVTRAIL_COMMAND" $how --all -e '*' >out 2>err &
    reader=$!
    pids+=("$reader")
    sleep 0.3
    processes $warm_up
    # by then the heap has the holes it needs; 28 kB stayed of each process when nothing was freed
    before=$(anonymous_kb $reader)
    processes $more
    after=$(anonymous_kb $reader)
    kill -TERM $reader
    wait $reader
    equal $? 0 "$how: exit code"
    if [ $measured = 1 ]; then
        [ "$after" -lt $((before + 900)) ] || flop "$how: $before kB, and $after kB after 300 more processes"
    fi
done
run 0 verify a.evt
finish
