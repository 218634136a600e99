# SPDX-License-Identifier: ISC
# evtrail report without a browser: exit codes, the policy, the same bytes for the same input, figures as evtrail stat's.
source=$(cd "$(dirname "$0")/../.." && pwd)
. "$source/tests/cli/common.bash"
command -v python3 >/dev/null && command -v zstd >/dev/null || { echo "skipped: needs python3 and zstd"; exit 77; }

sum=$(sha256sum "$source/consumers/report/third-party/fzstd/fzstd.js" | cut -c 1-64)
grep -q "$sum" "$source/consumers/report/third-party/README.md" || flop 'fzstd.js is not the file that its README.md names'

run 0 record --quiet -o trace.evt -- "$EMITTER" 20000 3
run 0 report -o page.html trace.evt
equal "$(cat out err)" ''
run 6 report -o page.html trace.evt
says 'exists; --force replaces it'
cp page.html first.html
run 0 report --force -o page.html trace.evt
cmp -s first.html page.html || flop 'the same trace makes other bytes'
run 0 report trace.evt
cmp -s out first.html || flop 'standard output is not the file'
run 3 report -o none.html missing.evt
cp trace.evt kept.evt
ln -s trace.evt link.evt
run 0 record --quiet -o other.evt -- "$EMITTER" 200 1
cp other.evt kept-other.evt
run 2 report --force -o trace.evt trace.evt
says 'trace.evt: is one of the inputs; name another'
run 2 report --force -o link.evt --read trace.evt
run 2 report --force -o other.evt --against other.evt trace.evt
run 2 report --force --svg r.request -o trace.evt trace.evt
cmp trace.evt kept.evt && cmp other.evt kept-other.evt || flop 'a trace was replaced by a page of it'
printf 'no trace at all' >no.evt
run 5 report -o none.html no.evt
[ ! -e none.html ] || flop 'a page of nothing was written'
run 2 report -o none.html
run 2 report --svg r.request --against trace.evt trace.evt
run 3 report --svg no.such.name trace.evt
says 'no.such.name'
printf '[1]' >list.json
run 2 report --figures list.json -o none.html trace.evt
says 'no JSON object'
run 3 report --figures missing.json -o none.html trace.evt
run 3 report -o /nowhere/there/page.html trace.evt
[ "$(find . -name '*.tmp' | wc -l)" = 0 ] || flop 'something was left beside it'
[ "$(stat -c %s page.html)" -lt 2000000 ] || flop 'the page is larger than 2 MB'

# Another process's trace that is damaged: what is intact is shown, the code says so.
run 0 record --quiet -o small.evt -- "$EMITTER" 200 1
printf 'xxxx' | dd of=trace.evt bs=1 seek=4000 conv=notrunc 2>/dev/null
run 5 report --force -o torn.html trace.evt
[ -s torn.html ] || flop 'no page of a damaged file'
run 0 record --force --quiet -e '*' -e r.failed+cpu+caller+stack -o trace.evt -- "$EMITTER" 20000 3
run 0 report --force -o page.html trace.evt
run 0 report -o both.html --against small.evt trace.evt
grep -q 'id="against"' both.html || flop 'the other trace is not in the page'
run 0 report --full -o full.html trace.evt
RUN_SECONDS=120 # the thread sanitizer is slow with so many names
run 0 record --quiet --policy block -o wide.evt -- "$EMITTER" 200000 1 wide
run 0 report -o wide.html wide.evt
[ "$(stat -c %s wide.html)" -lt 2000000 ] || flop "a page of $(stat -c %s wide.html) bytes"
run 0 stat --json wide.evt
cp out wide.jsonl
run 0 report -o against.html --against wide.evt wide.evt
[ "$(stat -c %s against.html)" -lt 2100000 ] || flop "a page of two traces of $(stat -c %s against.html) bytes"
run 0 report -o live.html -- "$EMITTER" 2000 1
run 2 report -- "$EMITTER" 2000 1
run 0 report -q 'r.request' -o few.html trace.evt
run 0 report -q 'no.such.event' -o nothing.html trace.evt
run 0 report -q 'no.such.event' --svg events -o nothing.svg trace.evt
run 0 stat --json trace.evt
cp out stat.jsonl
run 0 stat --json -q 'r.request' trace.evt
cp out few.jsonl
for name in r.request r.queue r.conn events; do
    run 0 report --svg "$name" -o "$(tr . _ <<<"$name").svg" trace.evt
done
run 0 report --svg "r.span.</script><script>document.title='broken'</script><img src=x onerror=alert(1)>" -o evil.svg trace.evt

python3 - "$source" <<'PYTHON' || flop 'the figures above differ'
import base64, hashlib, json, re, struct, subprocess, sys
import xml.etree.ElementTree as tree

bad = []
def check(what, got, wanted):
    if got != wanted:
        bad.append(f"{what}: {got!r}, wanted {wanted!r}")

def data(page, name="data"):
    text = open(page, encoding="utf-8").read()
    packed = base64.b64decode(re.search(f'id="{name}">([^<]*)<', text).group(1))
    raw = subprocess.run(["zstd", "-dcq"], input=packed, capture_output=True, check=True).stdout
    length = struct.unpack("<I", raw[:4])[0]
    return text, json.loads(raw[4:4 + length]), raw[4 + length:]

def column(columns, ref):
    at, count, planes, delta = ref
    values, last = [], 0
    for i in range(count):
        value = sum(columns[at + p * count + i] << (8 * p) for p in range(planes))
        last = value + last if delta else value
        values.append(last)
    return values

def compare(page, stat):
    text, model, columns = data(page)
    lines = [json.loads(line) for line in open(stat)]
    total = next(one for one in lines if one["what"] == "total")
    for key, of in (("events", "events"), ("bytes", "bytes"), ("lost_events", "lost")):
        check(key, model[key], total[of])
    check("from", int(model["from"]), total["from_ns"])
    check("to", int(model["to"]), total["to_ns"])
    levels = ["?", "critical", "error", "warning", "info", "debug", "trace"]
    rows = {(row["name"], row["kind"]): row for row in model["rows"] if row["count"]}
    events = [one for one in lines if one["what"] == "event"]
    check("rows", len(rows), len(events))
    for one in events:
        row = rows[one["name"], one["kind"]]
        check(one["name"], [row["count"], row["bytes"], levels[row["level"]]], [one["count"], one["bytes"], one["level"]])
        if "series" in row:
            check(one["name"] + " over time", sum(column(columns, row["series"])), one["count"])
    check("all over time", sum(column(columns, model["series"])), total["events"])
    spans = {row["name"]: row["span"] for row in model["rows"] if "span" in row}
    for one in [one for one in lines if one["what"] == "span"]:
        span = spans[one["name"]]
        check(one["name"] + " spans", [span["count"], span["open"], span["unmatched"]], [one["count"], one["open"], one["unmatched_ends"]])
        for key in ("min", "mean", "p50", "p90", "p99", "p999", "max"):
            check(f"{one['name']} {key}", span.get(key), one.get(key + "_ns"))
        check(one["name"] + " histogram", sum(span["histogram"][2::3]), one["count"])
        if one["count"] and "heat" in span:
            check(one["name"] + " heat", sum(span["heat"]["cells"][2::3]), one["count"])
        if one["count"]:
            check(one["name"] + " slowest", span["slow"][0]["duration"], one["max_ns"])
    for one in [one for one in lines if one["what"] == "counter"]:
        counter = next(row["counter"] for row in model["rows"] if row["name"] == one["name"] and "counter" in row)
        got = [counter["count"], counter["unit"]]
        check(one["name"] + " counter", got, [one["count"], one["unit"]])
        if one["last"] is not None:
            check(one["name"] + " values", [float(counter[key]) for key in ("last", "min", "max")], [float(one[key]) for key in ("last", "min", "max")])
    for one in [one for one in lines if one["what"] == "entity"]:
        entity = next(row["entity"] for row in model["rows"] if row["name"] == one["name"] and "entity" in row)
        check(one["name"] + " entities", [entity["live"], entity["gone"]], [one["live"], one["gone"]])
        check(one["name"] + " states", {s["name"]: s["now"] for s in entity["states"] if s["now"]}, one["states"])
        average = sum(s["total"] for s in entity["states"])
        over_time = sum(sum(value or 0 for value in s.get("average", [])) * model["width"] for s in entity["states"])
        if abs(average - over_time) > 1e-6 * max(average, 1) + 1:
            bad.append(f"{one['name']}: {over_time} ns over time, {average} in all")
    slices = sum(column(columns, model["slices"]["count"]))
    wanted = sum(span["count"] + span["open"] for span in spans.values())
    check("slices stand for", slices, wanted)
    return text, model, columns

text, model, columns = compare("page.html", "stat.jsonl")
compare("few.html", "few.jsonl")
if compare("wide.html", "wide.jsonl")[1]["events"] < 500000:
    bad.append("wide.evt has too few events to say anything")
check("live", data("live.html")[1]["events"] > 2000, True)
check("a page of nothing", data("nothing.html")[1]["events"], 0)
_, full, full_columns = compare("full.html", "stat.jsonl")
# The parents of spans, and what events have beside their fields.
names = {row["number"]: row["name"] for row in full["rows"]}
slice_names = [names[number] for number in column(full_columns, full["slices"]["name"])]
parents = column(full_columns, full["slices"]["parent"])
check("a query's parent", {slice_names[parent - 1] if parent else None for name, parent in zip(slice_names, parents) if name == "r.query"}, {"r.request"})
check("a request's parent", {parent for name, parent in zip(slice_names, parents) if name == "r.request"}, {0})
ends, heap = column(full_columns, full["sample"]["text_ends"]), full["sample"]["texts"][0]
def text_of(number):
    return full_columns[heap + (ends[number - 2] if number > 1 else 0):heap + ends[number - 1]].decode("utf-8", "replace") if number else ""
contexts = [(full["sample"]["types"][kind]["name"], text_of(number)) for kind, number in zip(column(full_columns, full["sample"]["type"]), column(full_columns, full["sample"]["context"]))]
check("labels", [one for one in contexts if "label." in one[1]], [("r.bytes", " label.request=<b>42")])
check("callers", {bool(re.fullmatch(r" cpu=\d+ caller=\S+ stack=.+", one[1])) for one in contexts if one[0] == "r.failed"}, {True})
check("all events in the full page", len(column(full_columns, full["sample"]["time"])), full["events"])

# The policy names exactly what is in the page; nothing else could run, and nothing points outside.
policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text).group(1)
for tag, end in (("style", "style"), ("script", "script")):
    body = text[text.index(f"<{tag}>") + len(tag) + 2:]
    body = body[:body.index(f"</{end}>")]
    check(tag + " hash", "'sha256-" + base64.b64encode(hashlib.sha256(body.encode()).digest()).decode() + "'" in policy, True)
check("policy", policy.startswith("default-src 'none'; ") and "unsafe" not in policy and "http" not in policy, True)
# Taking spaces out of the script leaves its texts as they are: those of the sources, but for the spaces in a selector.
def texts(script):
    tokens = re.findall(r'//[^\n]*|"(?:\\.|[^"\\\n])*"|\x27(?:\\.|[^\x27\\\n])*\x27|(?:(?<=return )|(?<=[=(:,!&|?\[;{}\n])|(?<=[=(:,!&|?\[;{}] ))/(?![/*])(?:\\.|\[(?:\\.|[^\]])*\]|[^/\n\\])+/[gimuy]*|.', script, re.S)
    return [one.replace("<\\/script", "</script").replace(" > ", ">") for one in tokens if one[0] == '"' and len(one) > 1]
page = sys.argv[1] + "/consumers/report/"
cmake = open(page + "CMakeLists.txt").read()
names = re.search(r"foreach\(name ([^)]*)\)", cmake).group(1).split() + ["figures", "start"]
sources = [open(page + "third-party/fzstd/fzstd.js").read()] + [open(f"{page}page/{name}.js").read() for name in names]
script = re.search(r"<script>(.*)</script>", text, re.S).group(1)
wanted = ['"use strict"'] + [one for source in sources for one in texts(source)]
if len(wanted) < 1000 or texts(script) != wanted:
    bad.append(f"the script's texts: {[pair for pair in zip(texts(script), wanted) if pair[0] != pair[1]][:3]}")
shell = re.sub(r'id="data">[^<]*<', "", text)
if len(shell.encode()) > 102400:
    bad.append(f"script, style and shell: {len(shell.encode())} bytes, more than 100 KiB")
check("addresses", set(re.findall(r'https?://[^"\' )]*', shell)) <= {"http://www.w3.org/2000/svg"}, True)
check("hostile text outside the data", "onerror" in shell or "broken'" in shell, False)
for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "fetch(", "XMLHttpRequest", "WebSocket", "import("):
    check(word, word in shell, False)
check("</script>", text.count("</script>"), 2)

for name in ("r_request", "r_queue", "r_conn", "events", "evil", "nothing"):
    figure = open(name + ".svg", encoding="utf-8").read()
    root = tree.fromstring(figure)
    check(name, [root.tag, bool(root.get("viewBox"))], ["{http://www.w3.org/2000/svg}svg", True])
    check(name + " harmless", [e.tag for e in root.iter() if e.tag.endswith(("script", "img", "image", "foreignObject"))], [])
    check(name + " title", root[0].tag.endswith("title"), True)
print("\n".join(bad[:20]))
sys.exit(bool(bad))
PYTHON
finish
