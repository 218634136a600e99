# SPDX-License-Identifier: ISC
# CTF: the golden directory; babeltrace2 finds the same events, types, fields, times and losses as `stat` and `cat`.
. "${0%/*}/common.bash"
run 0 convert -o trace.ctf trace.evt
says '39 events, .*, ctf; lost 10; 9 bytes of strings .* became U+FFFD'
[ -z "${EVTRAIL_WRITE_GOLDEN-}" ] || { rm -rf "$here/golden/trace.ctf" && cp -r trace.ctf "$here/golden"; }
diff -r trace.ctf "$here/golden/trace.ctf" >&2 || flop "trace.ctf is not as it was"

# what is refused, and what --force removes
run 2 convert -o trace.ctf trace.evt
says 'trace.ctf: exists'
touch trace.ctf/notes
run 2 convert --force -o trace.ctf trace.evt
says 'trace.ctf: has something in it that evtrail convert did not write'
[ -e trace.ctf/notes ] || flop "--force removed what is not ours"
rm trace.ctf/notes
mkdir linked && cp -r trace.ctf elsewhere && ln -s ../elsewhere/first-42 linked/first-42
run 2 convert --to ctf --force -o linked trace.evt
[ -e elsewhere/first-42/metadata ] || flop "--force removed what a link leads to"
run 0 convert --force -o trace.ctf trace.evt
diff -r trace.ctf "$here/golden/trace.ctf" >&2 || flop "trace.ctf differs the second time"
run 2 convert --to ctf trace.evt
says 'ctf is a directory; name one with -o'
run 2 convert --split-size 1M -o other.ctf trace.evt
mkdir empty.ctf
run 0 convert -o empty.ctf trace.evt
if [ "$(id -u)" = 0 ] && mkdir small && mount -t tmpfs -o size=64k none small 2>/dev/null; then
    "$EVTRAIL_COMMAND" record --quiet -o big.evt -- "$EMITTER" -n 20000
    run 6 convert -o small/full.ctf big.evt
    says 'small/full.ctf/emitter-[0-9]*/ring-[0-9]*: No space left on device'
    one_line
    umount small
fi

need babeltrace2
need python3
cat >check.py <<'PY'
import collections, json, re, subprocess, sys
directory, lines = sys.argv[1], [json.loads(line) for line in open(sys.argv[2], encoding="utf-8")]
done = subprocess.run(["babeltrace2", "--clock-seconds", "--no-delta", directory], capture_output=True, text=True)
assert done.returncode == 0, done.stderr
lost = sum(map(int, re.findall(r"Tracer discarded (\d+) event", done.stderr)))
assert len(re.findall("WARNING", done.stderr)) == len(re.findall("Tracer discarded", done.stderr)), done.stderr
assert lost == sum(line.get("lost", 0) for line in lines), (lost, done.stderr)
theirs = []
for line in done.stdout.splitlines():
    time, host, process, pid, name, rest = re.fullmatch(r"\[([0-9.]+)\] ([^:]*):(.*?):\((\d+)\) (.*?): (\{ discarded_because.*)", line).groups()
    tid = int(re.search(r"\{ vtid = (\d+) \}", rest).group(1))
    theirs.append((int(time.replace(".", "")), int(pid), tid, name, rest))
ours = []
named = ("begin", "end", "state", "name", "gone")
for line in lines:
    if "kind" in line:
        name = line["name"].replace('"', "'").replace("\n", " ") + (":" + line["kind"] if line["kind"] in named else "")
        ours.append((line["ns"], line["pid"], line["tid"], name, line["fields"]))
    elif "words" in line:
        ours.append((line["ns"], line["pid"], line["tid"], "not in the schema", {}))
assert len(ours) == len(theirs), (len(ours), len(theirs))
key = lambda event: event[:4]
values = 0
for a, b in zip(sorted(ours, key=key), sorted(theirs, key=key)): # sorted() keeps the order of equal ones
    assert a[:4] == b[:4], (a, b)
    if sys.argv[2] == "trace.jsonl" or a[3].startswith("t.number"):
        for field, value in a[4].items():
            if type(value) is int and re.fullmatch(r"\w+", field):
                seen = re.search(r"\b%s = (?:0x([0-9A-F]+)|(-?\d+)|\( .*?container = (-?\d+))" % field, b[4])
                assert seen and value == (int(seen[1], 16) if seen[1] else int(seen[2] or seen[3])), (field, value, b)
                values += 1
            elif type(value) is str and value.isalnum() and value.isascii():
                assert f"\"{value}\"" in b[4] or field in ("blob", "address"), (field, value, b)
                values += 1
print("events", len(theirs), "types", len({e[3] for e in theirs}), "lost", lost, "values", values)
PY
check() { python3 check.py "$@" >out 2>err || flop "check.py $*"; }
"$EVTRAIL_COMMAND" cat --json trace.evt >trace.jsonl
check trace.ctf trace.jsonl
has '^events 39 types 15 lost 10 values [5-9][0-9]$'

# a real recording, with losses and several threads of processes
EVTRAIL='' "$EVTRAIL_COMMAND" record --quiet --policy drop --block-size 4K --blocks 2 -o big.evt --force -- "$EMITTER" -n 8000 -c 2
run 0 convert -o big.ctf big.evt
"$EVTRAIL_COMMAND" cat --json big.evt >big.jsonl
check big.ctf big.jsonl
has "^events $(events big.evt) "
equal "$(ls big.ctf | wc -l)" 3 "one trace a process"
finish
