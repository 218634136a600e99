# SPDX-License-Identifier: ISC
# Event types, spans and their tree: figures are those of stat, types are switched, what was open when a process was killed is shown.
. "$(dirname "$0")/common.bash"
run 0 record -o known.evt -- "$EMITTER" -n 1000

# the same figures as stat, for every span and every type
run 0 stat --json known.evt
cp out stat.json
run 0 top --json known.evt
cp out top.json
if command -v python3 >/dev/null; then
    python3 - <<'END' || flop "figures differ from stat's"
import json
stat = [json.loads(line) for line in open("stat.json")]
top = json.load(open("top.json"))
types = {(r["name"], r["kind"]): r for r in top["types"]["rows"]}
spans = {r["name"]: r for r in top["spans"]["rows"]}
seen = 0
for s in stat:
    if s["what"] == "event":
        t = types[s["name"], s["kind"]]
        assert (t["count"], t["bytes"], t["level"]) == (s["count"], s["bytes"], s["level"]), (s, t)
        assert abs(t["average"] - s["rate"]) <= 0.001 * s["rate"] + 0.001, (s, t)
        seen += 1
    if s["what"] == "span":
        t = spans[s["name"]]
        assert t["count"] == s["count"] and t["open"] + t["abandoned"] == s["open"], (s, t)
        for name in "p50", "p90", "p99", "p999", "max", "min":
            assert t[name] == s[name + "_ns"], (name, s, t)
        assert abs(t["mean"] - s["mean_ns"]) < 0.06, (s, t)
        assert t["unmatched"] == s["unmatched_ends"], (s, t)
        seen += 1
assert seen >= 6, seen
assert sum(r["self"] for r in top["tree"]["rows"]) == top["tree"]["self_ns"] == top["tree"]["roots_ns"] + top["tree"]["beyond_ns"]
detail = {d["name"]: d for d in top["spans"]["details"]}["t.span"]
assert sum(b["count"] for b in detail["histogram"]) == 1000
assert len(detail["slowest"]) == 10 and detail["slowest"][0]["duration_ns"] == spans["t.span"]["max"]
assert "i" in detail["slowest"][0]["begin"], detail["slowest"][0]
END
fi

for size in 80x24 132x50; do
    screen $size tmux-256color known.evt
    wait_for 'Types' && fits $size
    keys T
    wait_for 't.span.*begin.*1,000' && fits $size
    keys / ; type_text t.level ; keys Enter
    wait_for '999widgets'
    keys S
    wait_for '>t.span.*1,000' && fits $size
    keys Enter
    wait_for 'last minute: 1000' && fits $size
    wait_for 'slowest'
    keys t
    wait_for 'all time'
    keys Escape R
    wait_for '>t.span.*100%' && fits $size
    keys q
    ended 0
done

# switched on and off in the living process, and off again for who comes later
EVTRAIL='*' start -l -n 1000000000 -u 1000
emitter=$pid
screen 100x30 tmux-256color -p "$emitter" --view types
wait_for 't.span'
keys / ; type_text t.number ; keys Enter
wait_for '>t.number.* on '
keys e
wait_for 'off: 1 event type changed in 1 process'
wait_for '>t.number.* off '
run 0 enable -l -p "$emitter" t.number
has '^off'
keys e
wait_for 'on: 1 event type changed'
wait_for '>t.number.* on '
keys v # of t: the level of the most verbose that is on, less one
wait_for 't up to level info'
run 0 enable -l -p "$emitter" t.span
has '^off'
keys V
wait_for 't up to level debug'
run 0 enable -l -p "$emitter" t.span
lacks '^off'

# killed: what was known stays
kill -9 "$emitter"
keys S
wait_for 't.span'
wait_for 'ended'
keys q
ended 0
finish
