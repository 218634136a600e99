# SPDX-License-Identifier: ISC
# Chrome's JSON: the golden file; slices nest in their threads; nothing is missing; parts can be opened alone.
. "${0%/*}/common.bash"
run 0 convert --to chrome trace.evt
says '39 events, .*, chrome; lost 10; 1 spans had not ended; 1 ends of spans had no begin'
golden out trace.json
need python3
cat >check.py <<'PY'
import collections, json, sys
spans = begun = points = counters = flows = lost = pieces = 0
total = 0
for name in sys.argv[1:]:
    with open(name, encoding="utf-8") as file:
        trace = json.load(file)
    slices, named, waiting = collections.defaultdict(list), set(), {}
    for event in trace["traceEvents"]:
        ph, thread = event["ph"], (event["pid"], event["tid"])
        if ph == "M":
            named.add(thread if event["name"] == "thread_name" else event["pid"])
            continue
        assert event["pid"] in named, event
        assert thread in named or event["name"] == "process ended", event
        if ph == "X":
            slices[thread].append((event["ts"], -event["dur"], event["name"]))
            flow = event["dur"] == 0 and "parent" not in event["args"]
            spans += not flow and "goes_on" not in event["args"]
            pieces += "goes_on" in event["args"]
            total += event["dur"]
        elif ph == "b":
            waiting[event["cat"], event["id"]] = event["ts"]
            spans += 1
        elif ph == "e":
            total += event["ts"] - waiting.pop((event["cat"], event["id"]))
        elif ph == "C" and event["name"] != "events lost so far":
            counters += 1
        elif ph in "st":
            flows += 1
        elif ph == "i" and event["name"] == "events lost":
            lost += event["args"]["lost"]
        elif ph == "i" and event["name"] != "process ended":
            points += 1
        elif ph == "B":
            begun += 1
    assert not waiting, waiting
    for thread, list_ in slices.items():
        open_ = []
        for begin, length, name in sorted(list_):
            end = begin - length
            while open_ and open_[-1] <= begin:
                open_.pop()
            assert not open_ or end <= open_[-1] + 1e-6, (thread, begin, end, name, open_)
            open_.append(end)
    assert trace["otherData"]["start_ns"].isdigit()
print("events", 2 * spans + begun + points + counters + flows, "spans", spans, "lost", lost, "us", round(total), "pieces", pieces)
PY
check() { python3 check.py "$@" >out 2>err || flop "check.py $*"; }
cp out all.json
check all.json
has '^events 39 spans 5 lost 10 us 37 pieces 0$'

big 3000
run 0 convert -o big.json big.evt
check big.json
has "^events $(events big.evt) spans 3000 lost 0 "
run 0 convert --split-size 300K -o parts.json big.evt
check parts.0*.json
has "^events $(events big.evt) spans 3000 lost 0 "
[ -e parts.00002.json ] || flop "one part"

# a span that is open when a part ends is in both, cut there
run 0 convert --split-size 1K -o cut.json trace.evt
check cut.0*.json
has '^events 39 spans 5 lost 10 us 59 pieces [1-9]' # the 22 us of the one that never ends, too
finish
