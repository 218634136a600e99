# SPDX-License-Identifier: ISC
# Perfetto's protobuf: the golden file; what protoc decodes has all events, slices that nest, names for all numbers.
. "${0%/*}/common.bash"
run 0 convert --to perfetto trace.evt
says '39 events, .*, perfetto; lost 10; 7 bytes of strings .* became U+FFFD; 1 spans had not ended; 1 ends of spans had no begin'
golden out trace.pftrace
need protoc
need python3
cat >check.py <<'PY'
import collections, re, subprocess, sys

def parse(lines):
    message = collections.defaultdict(list)
    for line in lines:
        line = line.strip()
        if line == "}":
            return message
        if line.endswith(" {"):
            name, value = line[:-2], parse(lines)
        else:
            name, value = line.split(": ", 1)
        assert not name.isdigit(), "a field that the schema lacks: " + line
        message[name].append(value)
    return message

def one(message, name, default=None):
    assert len(message[name]) <= 1, (name, message)
    return message[name][0] if message[name] else default

points = counters = lost = spans = unended = flows = crossing = 0
total = 0
for path in sys.argv[2:]:
    text = subprocess.run(["protoc", "--decode=Trace", "-I", sys.argv[1], "perfetto.proto"], stdin=open(path, "rb"),
                          capture_output=True, check=True, text=True).stdout
    packets = parse(iter(text.splitlines()))["packet"]
    first = packets[0]
    assert one(first, "sequence_flags") == "1" and one(one(first, "clock_snapshot"), "primary_trace_clock") == "REALTIME"
    assert one(one(first, "trace_packet_defaults"), "timestamp_clock_id") == "1"
    tracks, names, notes, categories, events = {}, set(), set(), set(), []
    for packet in packets:
        assert one(packet, "trusted_packet_sequence_id") == "1"
        for data in packet["interned_data"]:
            names |= {one(n, "iid") for n in data["event_names"]}
            notes |= {one(n, "iid") for n in data["debug_annotation_names"]}
            categories |= {one(n, "iid") for n in data["event_categories"]}
        for track in packet["track_descriptor"]:
            parent = one(track, "parent_uuid")
            assert parent is None or parent in tracks, track
            assert ("process" in track) == (parent is None), track
            tracks[one(track, "uuid")] = track
        for event in packet["track_event"]:
            assert one(event, "track_uuid") in tracks, event
            assert set(event["category_iids"]) <= categories, event
            assert all(one(n, "name") or one(n, "name_iid") in notes for n in event["debug_annotations"]), event
            if one(event, "type") not in ("TYPE_SLICE_END", "TYPE_COUNTER"):
                assert one(event, "name") or one(event, "name_iid") in names, event
            events.append((int(one(packet, "timestamp")), len(events), event))
    stacks = collections.defaultdict(list)
    for time, _, event in sorted(events, key=lambda e: e[:2]): # as trace_processor goes through them
        kind, stack = one(event, "type"), stacks[one(event, "track_uuid")]
        track = tracks[one(event, "track_uuid")]
        if kind == "TYPE_SLICE_BEGIN":
            stack.append((time, event))
            crossing += "thread" not in track
        elif kind == "TYPE_SLICE_END":
            begin, event = stack.pop()
            if not any(one(n, "name") == '"evtrail.goes_on"' for n in event["debug_annotations"]):
                spans += 1
            total += time - begin
        elif kind == "TYPE_COUNTER":
            assert "counter" in track
            counters += one(track, "name") != '"events lost so far"'
        elif one(event, "name") == '"events lost"':
            lost += int(next(one(n, "uint_value") for n in event["debug_annotations"] if one(n, "name") == '"lost"'))
        elif one(event, "name") != '"process ended"':
            points += 1
            flows += len(event["flow_ids"])
    unended += sum(map(len, stacks.values()))
print("events", 2 * spans + unended + points + counters, "spans", spans, "lost", lost, "ns", total, "flows", flows, "crossing", crossing)
PY
check() { python3 check.py "$here" "$@" >out 2>err || flop "check.py $*"; }
cp out all.pftrace
check all.pftrace
has '^events 39 spans 5 lost 10 ns 36875 flows 2 crossing 3$'

big 2000
run 0 convert -o big.pftrace big.evt
check big.pftrace
has "^events $(events big.evt) spans 2000 lost 0 ns [0-9]* flows 0 crossing 0$"
run 0 convert --split-size 60K -o parts.pftrace big.evt
check parts.0*.pftrace
has "^events $(events big.evt) spans 2000 lost 0 "
run 0 convert --split-size 1200 -o cut.pftrace trace.evt
check cut.0*.pftrace
has '^events 39 spans 5 lost 10 ns 57875 '
finish
