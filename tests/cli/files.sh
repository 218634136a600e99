# SPDX-License-Identifier: ISC
# verify, repair, merge, split, prune.
. "${0%/*}/common.bash"
total() { run 0 stat --json "$@" && tail -1 out | value events; }

timeout 30 "$EVTRAIL_COMMAND" record --quiet -o a.evt --flush 50ms -- "$EMITTER" -n 2000 -u 300 || flop "record"
timeout 30 "$EVTRAIL_COMMAND" record --quiet -o b.evt -- "$EMITTER" -n 1000 || flop "record"

run 0 verify a.evt b.evt
equal "$(grep -c intact out)" 2
run 0 verify --json a.evt
json_lines
run 0 verify --quiet a.evt
equal "$(cat out)" ""
run 2 verify

run 0 merge -o m.evt a.evt b.evt
says '15030 events'
equal "$(total m.evt)" 15030
run 0 verify m.evt
run 2 merge a.evt b.evt
run 2 merge -o m.evt a.evt
says 'exists'
run 3 merge -o x.evt a.evt nothing.evt
for command in merge repair; do
    run 2 $command --force -o a.evt a.evt
    says 'a.evt: the output is one of the inputs'
    one_line
done

run 0 split --time 200ms a.evt
parts=(a.0*.evt)
[ ${#parts[@]} -ge 2 ] || flop "split by time made ${#parts[@]} parts"
run 0 verify "${parts[@]}"
sum=0
for part in "${parts[@]}"; do sum=$((sum + $(total "$part"))); done
equal $sum 10020 "events of all parts by time"
times() { run 0 cat --json "$1" && grep '"name":"t\.' out | sed 's/.*"ns":\([0-9]*\).*/\1/' | sort -n; }
start_ns=$(times a.evt | head -1)
for i in "${!parts[@]}"; do
    times "${parts[$i]}" >times
    first=$(head -1 times) last=$(tail -1 times)
    equal $(((first - start_ns) / 200000000)) $(((last - start_ns) / 200000000)) "the fifth of a second of ${parts[$i]}"
done
run 0 verify --fail-on-loss "${parts[@]}"
run 0 merge --from "@${start_ns:0:10}.$(printf %09d $((10#${start_ns:10} + 1)))" -o late.evt a.evt
equal "$(times late.evt | wc -l)" 10019 "events behind the first"
run 0 verify --fail-on-loss late.evt
run 0 split --size 20K -o s.evt a.evt
sum=0
for part in s.0000*.evt; do sum=$((sum + $(total "$part"))); done
equal $sum 10020 "events of all parts by size"
run 2 split a.evt

# torn: the end is missing
head -c $(($(stat -c %s a.evt) * 2 / 3)) a.evt >torn.evt
run 0 repair torn.evt
run 0 verify torn.evt.repaired
has intact
[ "$(total torn.evt.repaired)" -gt 1000 ] || flop "little was repaired"
run 2 repair torn.evt
says exists
run 0 repair -o again.evt torn.evt

# damage in the middle: repaired once, sound, and it says what is gone
cp a.evt flip.evt
printf '\377\377\377\377' | dd of=flip.evt bs=1 seek=$(($(stat -c %s a.evt) / 2)) conv=notrunc 2>/dev/null
run 5 verify flip.evt
run 0 repair -o mended.evt flip.evt
run 0 verify mended.evt
has 'intact.* (torn [1-9][0-9]*; torn before it was repaired)$'
run 0 cat mended.evt
has 'lost .* events (torn)'

# what follows a closed file ends with it
cp a.evt closed.evt
run 0 cat --follow closed.evt
equal "$(grep -c . out)" "$("$EVTRAIL_COMMAND" cat closed.evt | grep -c .)"
: >early.evt
run 5 cat early.evt
says 'empty: its recorder has written nothing yet'
(
    sleep 0.3
    cat closed.evt >>early.evt
) &
run 0 cat --follow early.evt
wait
equal "$(grep -c . out)" "$("$EVTRAIL_COMMAND" cat closed.evt | grep -c .)"
mkdir empty
run 3 stat empty
says 'in this directory'

# prune
mkdir old
for i in 1 2 3 4; do cp b.evt old/$i.evt; touch -d "$i days ago" old/$i.evt; done
echo text >old/notes
run 0 prune --dry-run --older 60h old/*.evt
equal "$(ls old/*.evt | wc -l)" 4
run 0 prune --older 60h old/*.evt
equal "$(cd old && echo *.evt)" "1.evt 2.evt"
run 0 prune --keep-files 1 old/*.evt
equal "$(cd old && echo *.evt)" "1.evt"
run 5 prune --keep-files 0 old/notes
[ -e old/notes ] || flop "prune removed what is no trace"
run 2 prune old/1.evt
exec 5>>old/1.evt
run 0 prune --keep-files 0 old/1.evt
[ -e old/1.evt ] || flop "prune removed a file that is being written"
exec 5>&-
run 0 prune --keep-files 0 old/1.evt
[ ! -e old/1.evt ] || flop "prune left the file"

# a dead process's session stays until it is pruned
start -l -u 1000
kill -9 "$pid"
wait "$pid" 2>/dev/null
run 0 ls
has dead
run 0 prune
run 0 ls --json --directory "$EVTRAIL_DIR" # other tests' OCaml programs are elsewhere
equal "$(cat out)" ""
finish
