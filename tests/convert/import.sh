# SPDX-License-Identifier: ISC
# Import of CTF: traces that LTTng-UST 2.13 wrote (golden/lttng.tar.zst), and our own. Count, time, name and losses are babeltrace2's.
# What was traced: 24 events with a field of every kind that tracepoints have; the same with the contexts vpid, vtid and procname, by two
# processes; with buffers for each process; and 36,000 events into two sub-buffers of 4 KiB.
. "${0%/*}/common.bash"
need zstd
zstd -q -dc "$here/golden/lttng.tar.zst" | tar x || flop "tar"
for wanted in "plain 24 0" "ctx 28 0" "perpid 24 0" "lossy 2582 33418"; do
    read -r name count gone <<<"$wanted"
    run 0 import -o $name.evt $name
    says "^evtrail import: $name.evt: $count events in .*; lost $gone$"
    run 0 verify --quiet $name.evt
    equal "$(events $name.evt) $(lost $name.evt)" "$count $gone" "stat of $name"
    run 0 cat --json $name.evt
    grep '"kind"' out >$name.jsonl
done
cmp <(sed -n 7p plain.jsonl | sed 's/.*"level"/"level"/') - <<'E2' || flop "$(sed -n 7p plain.jsonl)"
"level":"warning","kind":"instant","name":"imp:step","fields":{"number":5,"hex":5000015,"port":80,"ratio":1.25,"text":"odd","fixed":"01020304","bytes":"01","chars":"\u0001\u0002\u0003","ints":"[67305985, 134678021]","color":"GREEN"},"cpu":1}
E2
equal "$(sed 's/.*"pid":\([0-9]*\),.*"tid":\([0-9]*\),"thread":"\([^"]*\)".*/\1 \2 \3/' ctx.jsonl | sort | uniq -c | tr -s ' ' | tr '\n' ';')" \
    " 24 15016 15016 prog; 4 15017 15017 prog;" "processes and threads by context"
run 0 import -o all.evt plain ctx perpid lossy
equal "$(events all.evt) $(lost all.evt)" "2658 33418" "all in one"
run 0 import --force -o all.evt .
equal "$(events all.evt)" 2658 "found below"

# what is refused, what is damaged
run 2 import plain
says '-o FILE.evt'
run 2 import -o x.evt
run 2 import -o all.evt plain
says 'all.evt: exists; --force replaces it'
stream=$(find perpid -name 'ch_*' -size +0 | head -n 1)
cp "$stream" kept
run 2 import --force -o "$stream" perpid
says 'is one of the inputs; name another'
cmp "$stream" kept || flop 'a stream was replaced by what was to be made of it'
run 3 import -o x.evt nosuch
mkdir none
run 5 import -o x.evt none
says "none: no CTF trace: no directory here has a file 'metadata'"
cp -r plain bad && printf 'event {' >>"$(find bad -name metadata)" # behind the packets
run 5 import -o x.evt bad
one_line
[ ! -e x.evt ] || flop "a file of nothing"
run 5 import -o some.evt bad ctx
equal "$(events some.evt)" 28 "what is sound beside what is damaged"
mkdir text && printf '/* CTF 1.8 */\ntrace { major = 1;\n byte_order = le; };\nevent { name = ; };\n' >text/metadata
run 5 import -o x.evt text
says "text/metadata: line 4: a number was expected"
printf '\036{"type":"preamble","version":2}' >text/metadata
run 5 import -o x.evt text
says 'it is CTF 2; CTF 1.8 is read here'
# 16,400 classes, an event of each: what cannot be numbered is read past and told
mkdir classes && python3 - <<'E2' || flop "python3"
with open("classes/metadata", "w") as out:
    out.write("/* CTF 1.8 */\ntypealias integer { size = 32; align = 8; signed = false; } := u32;\n"
              "trace { major = 1; minor = 8; byte_order = le; packet.header := struct { u32 magic; }; };\n"
              "stream { event.header := struct { u32 id; u32 timestamp; }; };\n")
    for i in range(16400):
        out.write('event { id = %d; name = "many:e%d"; fields := struct { u32 value; }; };\n' % (i, i))
words = [0xC1FC1FC1]
for i in range(16400):
    words += [i, i, i]
with open("classes/stream", "wb") as out:
    out.write(b"".join(word.to_bytes(4, "little") for word in words))
E2
run 0 import -o classes.evt classes
says 'classes.evt: 16368 events in .*; lost 0; 32 events are left out: of classes beyond the first 16,368, which is all that a trace can have$'
equal "$(events classes.evt)" 16368 'events of 16,400 classes'
stream=$(find lossy -name 'ch_*' -size +20k | head -n 1)
cp -r lossy cut
truncate -s -100 "cut/${stream#lossy/}"
run 5 import -o cut.evt cut
says 'damaged in the packet at byte [0-9]*: its size is wrong, or it is cut off; the rest of it is left out'
[ "$(events cut.evt)" -gt 1000 ] || flop "of a stream that is cut off what is whole is read"

# many classes of events are told apart; so many streams that nobody has them are refused
trace='/* CTF 1.8 */ typealias integer { size = 32; align = 8; signed = false; } := u32; trace { major = 1; byte_order = le; packet.header := struct { u32 magic; }; };'
mkdir many
{
    echo "$trace stream { id = 0; event.header := struct { u32 id; }; };"
    for ((i = 0; i < 1000; i++)); do echo "event { name = \"e$i\"; id = $i; stream_id = 0; fields := struct { u32 x; }; };"; done
} >many/metadata
printf '\301\037\374\301\001\001\0\0\7\0\0\0\001\0\0\0\010\0\0\0\001\003\0\0\011\0\0\0' >many/stream
run 0 import -o many.evt many
run 0 cat --json many.evt
equal "$(sed -n 's/.*"name":"\(e[^"]*\)","fields":{"x":\([0-9]*\)}.*/\1 \2/p' out | tr '\n' ' ')" 'e257 7 e1 8 e769 9 ' "events whose ids have the same low bits"
for ((i = 1; i < 1100; i++)); do echo "stream { id = $i; };"; done >>many/metadata
run 5 import -o x.evt many
says 'many/metadata: line [0-9]*: more than 1024 classes of streams'

# ours, there and back
run 0 convert -o trace.ctf trace.evt
run 0 import -o back.evt trace.ctf
says '39 events in .*; lost 10$'
run 0 cat --json trace.evt
sed 's/.*"ns":\([0-9]*\).*"kind":"\([a-z]*\)","name":"\([a-z.]*\)".*/\1 \2 \3/; t; d' out | grep -v -e counter -e flow >there
run 0 cat --json back.evt
sed 's/.*"ns":\([0-9]*\).*"kind":"\([a-z]*\)","name":"\([a-z.]*\)".*/\1 \2 \3/; t; d' out | grep -v -e ' t.queue' -e ' t.ratio' -e ' t.flow' >back
cmp there back || flop "$(diff there back)"
run 0 stat trace.evt
grep -A3 'p99.9.*SPAN' out >there
run 0 stat back.evt
grep -A3 'p99.9.*SPAN' out >back
cmp there back || flop "spans: $(diff there back)"

need babeltrace2
need python3
python3 - <<'PY' >out 2>err || flop "compare.py"
import json, re, subprocess
for name in "plain", "ctx", "perpid", "lossy":
    ours = sorted((line["ns"], line["name"]) for line in map(json.loads, open(name + ".jsonl")))
    done = subprocess.run(["babeltrace2", "--clock-seconds", "--no-delta", name], capture_output=True, text=True)
    theirs = []
    for line in done.stdout.splitlines():
        time, event = re.match(r"\[([0-9.]+)\] .*?(imp:\w+): ", line).groups()
        theirs.append((int(time.replace(".", "")), event))
    assert ours == sorted(theirs), name
    print(name, len(theirs), sum(map(int, re.findall(r"discarded (\d+) event", done.stderr))))
PY
has '^ctx 28 0$'
has '^lossy 2582 33418$'
finish
