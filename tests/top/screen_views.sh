# SPDX-License-Identifier: ISC
# Every view on a recorded file with known answers, and their keys: what is on the screen is what the emitter did and `stat` counts.
. "$(dirname "$0")/common.bash"
run 0 record -o known.evt -- "$EMITTER" -n 1000

# ---- figures are stat's ----
if command -v python3 >/dev/null; then
    "$EVTRAIL_COMMAND" stat -j known.evt >stat.json
    run 0 top --json known.evt
    cat >compare.py <<'END'
import json
top = json.load(open('out'))
faults = []
def same(what, got, wanted):
    if got != wanted:
        faults.append('%s: top %s, stat %s' % (what, got, wanted))
types = {(r['name'], r['kind']): r for r in top['types']['rows']}
spans = {r['name']: r for r in top['spans']['rows']}
classes = {r['class']: r for r in top['entities']['classes']}
seen = 0
for line in open('stat.json'):
    s = json.loads(line)
    name = s.get('name')
    seen += 1
    if s['what'] == 'event':
        same(name + ' count', types[name, s['kind']]['count'], s['count'])
        same(name + ' bytes', types[name, s['kind']]['bytes'], s['bytes'])
        same(name + ' level', types[name, s['kind']]['level'], s['level'])
    elif s['what'] == 'span':
        for mine, its in (('count', 'count'), ('open', 'open'), ('min', 'min_ns'), ('max', 'max_ns'), ('unmatched', 'unmatched_ends')):
            same(name + ' ' + mine, spans[name][mine], s[its])
        for mine, its in (('p50', 'p50_ns'), ('p90', 'p90_ns'), ('p99', 'p99_ns'), ('p999', 'p999_ns')):
            same(name + ' ' + mine + ' within 2 %', abs(spans[name][mine] - s[its]) <= s[its] * 0.02 + 1, True)
    elif s['what'] == 'entity':
        same(name + ' seen', classes[name]['seen'], s['live'] + s['gone'])
    elif s['what'] == 'total':
        same('events', top['events'], s['events'])
        same('bytes', top['bytes'], s['bytes'])
        same('lost', top['lost'], s['lost'])
same('lines of stat', seen >= 9, True)
print('\n'.join(faults))
END
    faults=$(python3 compare.py 2>&1)
    [ -z "$faults" ] || flop "$faults"
    # a filter: the same as stat's
    "$EVTRAIL_COMMAND" stat -j -q 't.number && value < 100' known.evt | grep '"total"' >stat.json
    run 0 top --json -q 't.number && value < 100' known.evt
    equal "$(python3 -c 'import json; print(json.load(open("out"))["events"])')" 100 "events of the filter"
fi

# ---- each view and its keys, in several sizes ----
top_row() { capture | sed -n 's/^[ >]*\(t\.[a-z]*\).*/\1/p' | head -1; }
for size in 80x24 120x40; do
    screen $size tmux-256color known.evt
    wait_for '\[T Types\]'
    wait_for 't.number  *instant .*1,000'
    has 't.fault  *instant .* 10 '
    has 'known.evt'; has 'lost 0'
    equal "$(selected)" t.number
    keys j ; wait_for '^>t.span' ; keys k ; wait_for '^>t.number'
    keys G ; wait_for '^>t.fault' ; keys g g ; wait_for '^>t.number'
    keys Down ; wait_for '^>t.span' ; keys Home ; wait_for '^>t.number' ; keys End ; wait_for '^>t.fault'
    keys NPage PPage C-d C-u
    keys I ; wait_for 'count↑' ; equal "$(top_row)" t.fault "order reversed"
    keys I ; wait_for 'count↓'
    keys '>' ; wait_for 'now/s↓' ; keys '<' ; wait_for 'count↓'
    keys '<' ; wait_for 'by on\|by kind\|by event'
    keys '>' ; wait_for 'count↓'
    keys / ; type_text 'level' ; wait_for '^>t.level'
    keys Enter ; wait_for '/level'
    keys / ; type_text 'zzz' ; keys Enter ; wait_for 'not found'
    keys / Escape
    keys d ; wait_for 'silent hidden' ; keys d ; wait_gone 'silent hidden'
    keys i ; wait_gone 'make_round' ; keys i ; wait_for 'make_round'
    keys Right ; wait_for '^←event\|^ event' ; keys Left
    keys S
    wait_for '\[S Spans\]' ; wait_for '^>t.span  *1,000  *0 '
    keys Enter
    wait_for '→ Span t.span' ; wait_for 't.span 1,000, 0 open' ; wait_for 'slowest'
    fits $size
    keys Escape
    wait_gone '→ Span'
    keys T S Enter # typed at once
    wait_for '→ Span t.span' ; keys Escape
    keys R
    wait_for '\[R Tree\]' ; wait_for '^>t.span  *100%'
    keys E
    wait_for '\[E Entities\]' ; wait_for 'thing 10'
    has 'thing 1 '
    keys Enter ; wait_for '→ Entity thing' ; wait_for 't.thing' ; wait_for '@ t.thing i='
    fits $size
    keys Escape ; wait_gone '→ Entity'
    keys L
    wait_for '\[L Log\]' ; wait_for 'code=999'
    keys g g ; wait_for 'value=0 text="n0"\|value=1 '
    keys G ; wait_for 'code=999' ; wait_for following
    keys m ; wait_for '^>\*'
    keys k m ; wait_for '2 marks'
    keys / ; type_text 'n990' ; keys Enter ; wait_for 'n990'
    fits $size
    keys '!'
    wait_for '\[! Warnings'
    keys p
    wait_for '\[p Processes\]'
    keys Tab ; wait_for '\[T Types\]' ; keys BTab ; wait_for '\[p Processes\]'
    keys T
    # a filter, everywhere; a wrong one is told
    keys f ; type_text 't.fault' ; keys Enter
    wait_for 'filter: t.fault' ; wait_for 't.number .*instant - *0 ' ; wait_for 't.fault .*instant - *10 '
    keys F ; wait_gone 'filter: t.fault' ; wait_for 't.number .*1,000'
    keys f ; type_text 'value ==' ; keys Enter ; wait_for 'filter: ' ; keys j
    keys f Escape
    # what is held, to a file
    keys w C-u ; type_text 'held.evt' ; keys Enter ; wait_for 'events written to held.evt'
    keys w C-u ; type_text 'held.evt' ; keys Enter ; wait_for 'held.evt' ; keys j
    [ "$("$EVTRAIL_COMMAND" cat -j held.evt | grep -c '"kind"')" = 5010 ] || flop "held.evt has not all events"
    "$EVTRAIL_COMMAND" verify held.evt >/dev/null || flop "held.evt is not sound"
    rm -f held.evt
    keys C-n ; wait_for 'a redraw every 0.125 s' ; keys C-p ; wait_for 'a redraw every 0.25 s'
    keys y ; wait_for 'copied'
    tm show-buffer 2>/dev/null | grep -q '^t\.' || flop "the clipboard has '$(tm show-buffer 2>&1 | head -1)'"
    keys q
    ended 0
done

# ---- time: pause, step back, zoom, go on ----
EVTRAIL='*' start -l -n 1000000000 -u 2000
screen 80x24 tmux-256color -p "$pid"
wait_for 't.number'
sleep 2.5
keys Space
wait_for 'PAUSED'
held=$(capture | head -1)
sleep 1
keys [
sleep 0.6
wait_for 'PAUSED'
[ "$(capture | head -1 | sed 's/.* //')" != "$(sed 's/.* //' <<<"$held")" ] || flop "a step back shows the same time"
keys ] { }
keys z ; type_text '-2s -1s' ; keys Enter
wait_for 'ZOOM 1.00s\|ZOOM 1s'
keys Z
wait_gone 'ZOOM\|PAUSED'
keys r ; wait_for 'counting from zero'
# a type is switched off and on from here
keys g g / ; type_text 't.level' ; keys Enter e
wait_for 't.level  *counter off'
keys e
wait_for 't.level  *counter on'
keys V ; sleep 0.2 ; keys v ; sleep 0.2
# killed: the figures stay
kill -9 "$pid"
wait_for 'emitter\[[0-9]*\] ended'
wait_for 't.number'
keys q
ended 0

# ---- replay: a file at a speed ----
run 0 record -o slow.evt -- "$EMITTER" -n 300 -u 10000
screen 80x24 tmux-256color -x 1 slow.evt
wait_for 'MB/s'
keys ')' ; wait_for 'speed 2x' ; keys '(' ; wait_for 'speed 1x'
keys q
ended 0

# ---- a configuration: keys, columns, a view of one's own ----
mkdir -p config/evtrail
cat >config/evtrail/top.conf <<'END'
[general]
view = spans
mouse = off
[keys]
quit = x ^q
down = n
[columns]
types = rate count
types.sort = event
[view things]
entities = t.thing
title = Things
key = g
END
sed -i 's/types.sort = event/types.sort = name/' config/evtrail/top.conf
screen 80x24 tmux-256color known.evt
wait_for '\[S Spans\]'
has 'Things'
keys T
wait_for 'event↑ *now/s  *count'
equal "$(selected)" t.fault
keys n ; wait_for '^>t.level'
keys q ; sleep 0.2
[ ! -s code ] || flop "q leaves although another key was given to it"
keys x
ended 0
rm -r config

# ---- hostile: names and strings with control characters come as escapes ----
if command -v python3 >/dev/null; then
    screen 80x24 tmux-256color -v log -- "$EMITTER" -n 200
    wait_for 'ended with code 0' ; wait_for 't.fault' ; keys j
    wait_for 'why="it is the'
    keys q
    ended 0
fi
finish
