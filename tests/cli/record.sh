# SPDX-License-Identifier: ISC
# evtrail record -- PROGRAM: everything is recorded, and the program is as it would be without us.
. "${0%/*}/common.bash"

run 0 record -o a.evt -- "$EMITTER" -n 1000
says 'a.evt: 5010 events .*lost 0'
run 0 verify a.evt
has 'a.evt: intact; 5010 events'
if command -v zstd >/dev/null; then zstd -tq a.evt || flop "zstd -t"; fi
equal "$(ls "$EVTRAIL_DIR")" "" "sessions that are left"

# the same input, output, error and exit code
echo hello | timeout 20 "$EVTRAIL_COMMAND" record --quiet -o b.evt -- "$EMITTER" -s -x 7 >out 2>err
equal $? 7 "exit code of the program"
equal "$(cat out)" hello
equal "$(cat err)" ""
run 137 record -o c.evt -- "$EMITTER" -n 500 -k 9
says '2505 events .*lost 0'
run 134 record --quiet -o d.evt -- "$EMITTER" -k 6
equal "$(cat err)" ""
run 127 record -o e.evt -- ./nothing-here
says 'nothing-here: cannot be run: No such file'
[ ! -e e.evt ] || flop 'a file was made for a program that is not there'
touch plain
run 126 record -o f.evt -- ./plain
says 'Permission denied'

# children are recorded as well, however short they live
run 0 record -o g.evt -- "$EMITTER" -n 100 -c 5
says 'g.evt: 3006 events .*lost 0'
run 0 record -o h.evt -- sh -c "'$EMITTER' -n 200; '$EMITTER' -n 100; exit 0"
says 'h.evt: 1503 events .*lost 0'

# signals reach the program; the recording is whole
"$EVTRAIL_COMMAND" record -o i.evt -- "$EMITTER" -l -u 100 -x 3 >out 2>err &
recorder=$!
sleep 0.6
kill -TERM $recorder
wait $recorder
equal $? 3 "exit code after SIGTERM was handed on"
says 'i.evt: [0-9]* events .*lost 0'
run 0 verify i.evt

# rules, levels, filter
run 0 record -e 't.number' -o j.evt -- "$EMITTER" -n 100
says ' 100 events'
run 0 record -e '*:error' -o k.evt -- "$EMITTER" -n 1000
says ' 10 events'
run 0 record -e '*,-t.span' -e '-t.level' -o l.evt -- "$EMITTER" -n 100
says ' 201 events'
EVTRAIL='-t.fault' timeout 20 "$EVTRAIL_COMMAND" record -e 't.number' -e t.fault -o m.evt -- "$EMITTER" -n 100 2>err
says ' 101 events'
run 0 record --filter 't.number && value >= 100 && value < 200 || t.fault' -o o.evt -- "$EMITTER" -n 1000
says ' 110 events .*lost 0'
run 0 verify o.evt
run 0 grep -c 't.number' o.evt
equal "$(cat out)" 100
run 2 record --filter 'value >' -o n.evt -- "$EMITTER"
one_line
[ ! -e n.evt ] || flop "a file was made for a filter that is none"
run 0 record --until 't.number && value == 500' -o t.evt -- "$EMITTER" -n 3000 -u 100
run 0 grep -c 't.number && value == 500' t.evt
recorded=$(run 0 grep -c t.number t.evt && cat out)
[ "$recorded" -gt 500 ] && [ "$recorded" -lt 3000 ] || flop "--until recorded $recorded of 3000"
run 0 record --trigger 't.fault' --snapshots 2 -o u.evt -- "$EMITTER" -n 300 -u 100
run 0 verify u.evt u.00002.evt
run 0 grep -c t.fault u.evt

# context: where and by whom
run 0 record -e 't.fault+cpu+caller+stack' -o v.evt -- "$EMITTER" -n 100
run 0 cat --json v.evt
has '"cpu":[0-9]'
has '"caller":"[a-z_0-9]*+0x'
has '"stack":\['
run 0 cat --lines v.evt
has 'cpu='

# the trace and the program's output would be mixed
run 2 record -o - -- "$EMITTER" -n 10
one_line
says "^evtrail record: -o - would mix the program's output into the trace; name a file"
equal "$(wc -c <out)" 0 "bytes on stdout"

# names, and what exists
run 2 record -o a.evt -- "$EMITTER"
says 'a.evt: exists; --force'
run 0 record --force -o a.evt -- "$EMITTER" -n 100
says ' 501 events'
run 0 record -- "$EMITTER" -n 10
ls evtrail-*-emitter.evt >/dev/null 2>&1 || flop "no file of the default name"
run 3 record --with nothing -o n.evt -- "$EMITTER"
says 'libevtrail-nothing.so'
one_line
run 2 record --block-size 5000 -o n.evt -- "$EMITTER"
run 2 record --blocks 3 -o n.evt -- "$EMITTER"
run 2 record --ring-size 1G -o n.evt -- "$EMITTER"
run 3 record -o nothing/n.evt -- "$EMITTER"

# each policy; small rings must wait or count
for policy in drop block shed overwrite; do
    run 0 record --policy $policy -o p-$policy.evt -- "$EMITTER" -n 20000
    recorded=$(sed -n 's/.*: \([0-9]*\) events.*/\1/p' err)
    lost=$(sed -n 's/.*lost \([0-9]*\).*/\1/p' err)
    equal $((recorded + lost)) 100200 "events that are accounted for, policy $policy"
    run 0 verify p-$policy.evt
done
run 0 record --policy drop --block-size 4K --blocks 2 -o q.evt -- "$EMITTER" -n 50000
recorded=$(sed -n 's/.*: \([0-9]*\) events.*/\1/p' err)
lost=$(sed -n 's/.*lost \([0-9]*\).*/\1/p' err)
equal $((recorded + lost)) 250500 "events that are accounted for, small rings"
if [ "$lost" -gt 0 ]; then run 1 verify --fail-on-loss q.evt; fi

# rotation and retention
run 0 record --rotate-size 50K --keep-files 3 -o r.evt -- "$EMITTER" -n 200000
[ "$(ls r.*.evt | wc -l)" -le 3 ] || flop "more files than --keep-files: $(ls)"
run 0 verify r.*.evt
run 0 record --rotate-size 50K -o s -- "$EMITTER" -n 100000
run 0 stat --json s
equal "$(tail -1 out | value events)" 501000 "events in a rotated set"

# a full disk is an error with a count; what was written stays readable
mkdir small
if mount -t tmpfs -o size=200k none small 2>/dev/null; then
    run 6 record -o small/full.evt -- "$EMITTER" -n 300000
    says 'No space left on device; [0-9]* events were not written'
    run 0 stat --json small/full.evt
    [ "$(tail -1 out | value events)" -gt 0 ] || flop "nothing readable on the full disk"
    umount small
else
    echo "no tmpfs may be mounted here: limits by ulimit instead"
    (ulimit -f 100; timeout 30 "$EVTRAIL_COMMAND" record -o full.evt -- "$EMITTER" -n 300000 2>err; echo $? >code)
    equal "$(cat code)" 6 "exit code at the file size limit"
    run 0 stat --json full.evt
fi
finish
