# SPDX-License-Identifier: ISC
# cat, grep, stat and hist on a recorded file with known answers.
. "${0%/*}/common.bash"

timeout 30 "$EVTRAIL_COMMAND" record --quiet -o a.evt -- "$EMITTER" -n 1000 || flop "record"

run 0 cat a.evt
equal "$(grep -c 't\.' out)" 5010 "lines of cat"
equal "$(grep -c 't.number value=' out)" 1000
has 't.number value=42 text="n42"'
has 'why="it is the \\"hundredth\\"\\n"'
lacks $'\033'
run 0 cat -r a.evt --limit 3
equal "$(grep -c 't\.' out)" 3
run 0 cat --json a.evt
json_lines
equal "$(grep -c '"name":"t' out)" 5010 "lines of cat --json"
for style in relative local utc epoch delta none; do
    run 0 cat --time=$style -n 20 a.evt
    equal "$(grep -c 't\.' out)" 20 "lines with --time=$style"
done
run 0 cat -q 't.fault' a.evt
equal "$(grep -c t.fault out)" 10
run 0 cat - <a.evt
equal "$(grep -c 't\.' out)" 5010 "lines from standard input"
run 2 cat -q 'level <' a.evt
one_line
says 'filter'

run 0 grep 't.number && value == 77' a.evt
equal "$(wc -l <out)" 1
run 0 grep -c 't.number' a.evt
equal "$(cat out)" 1000
run 1 grep 't.number && value == 5000' a.evt
equal "$(cat out)" ""
run 0 grep -c --json 't.fault' a.evt
json_lines

run 0 stat a.evt
has ' 1000 .* info .* t.number'
has ' 10 .* error .* t.fault'
has 'even 5'
has 'odd 5'
has '5010 events in .* from 1 process'
run 0 stat --json a.evt
json_lines
equal "$(grep '"what":"total"' out | value events)" 5010
equal "$(grep '"what":"span"' out | value count)" 1000
equal "$(grep '"what":"span"' out | value open)" 0
equal "$(grep '"what":"counter"' out | value last)" 999
equal "$(grep '"what":"counter"' out | value min)" 0
equal "$(grep '"what":"entity"' out | value live)" 10
cp out by_columns
# the same figures by way of events
run 0 stat --json -q '*' a.evt
json_lines
sed 's/"rate":[^,]*//' by_columns >by_columns.0
sed 's/"rate":[^,]*//' out >by_events.0
cmp -s by_columns.0 by_events.0 || flop "stat by columns and by events differ: $(diff by_columns.0 by_events.0 | head -5)"
# ... also with losses, several processes and rings
timeout 30 "$EVTRAIL_COMMAND" record --quiet --block-size 4K --blocks 2 -o lossy.evt -- "$EMITTER" -n 20000 -c 3
run 0 stat --json lossy.evt
sed 's/"rate":[^,]*//' out >by_columns.0
equal $(($(tail -1 out | value events) + $(tail -1 out | value lost))) 400800 "events that are accounted for"
run 0 stat --json -q '*' lossy.evt
sed 's/"rate":[^,]*//' out >by_events.0
cmp -s by_columns.0 by_events.0 || flop "stat by columns and by events differ: $(diff by_columns.0 by_events.0 | head -5)"
run 0 stat --sort name a.evt
run 0 stat a.evt a.evt

run 0 hist t.number.value a.evt
has '1000 values, least 0'
run 0 hist t.span a.evt
has '1000 values'
run 0 hist --json t.span a.evt
json_lines
run 3 hist t.nothing.here a.evt
says 'evtrail stat lists'

# colour on a terminal only, and not with NO_COLOR
run 0 cat --color=always -n 5 a.evt
has $'\033'
if command -v script >/dev/null; then
    TERM=xterm timeout 20 script -qec "'$EVTRAIL_COMMAND' cat -n 5 a.evt" /dev/null </dev/null >out 2>err
    has $'\033'
    NO_COLOR=1 TERM=xterm timeout 20 script -qec "'$EVTRAIL_COMMAND' cat -n 5 a.evt" /dev/null </dev/null >out 2>err
    lacks $'\033'
fi

# a reader that goes away ends it quietly
timeout 20 "$EVTRAIL_COMMAND" cat a.evt 2>err | head -1 >out
equal "${PIPESTATUS[0]}" 0 "exit code with a broken pipe"
equal "$(cat err)" ""
timeout 20 "$EVTRAIL_COMMAND" cat a.evt >/dev/full 2>err
equal $? 6
one_line

# time ranges
first=$(timeout 20 "$EVTRAIL_COMMAND" cat --json -n 3 a.evt | sed -n 's/.*"ns":\([0-9]*\).*"name".*/\1/p' | head -1)
middle=$(timeout 20 "$EVTRAIL_COMMAND" cat --json -q t.number a.evt | sed -n '500s/.*"ns":\([0-9]*\).*/\1/p')
[ -n "$middle" ] || middle=$first
seconds="@${middle:0:10}.${middle:10}"
run 0 grep -c t.number --from "$seconds" a.evt
after=$(cat out)
run 0 grep -c t.number --to "$seconds" a.evt
before=$(cat out)
[ "$after" -gt 300 ] && [ "$before" -gt 300 ] && [ $((after + before)) -ge 1000 ] && [ $((after + before)) -le 1002 ] ||
    flop "time range: $before before, $after from $seconds on"
finish
