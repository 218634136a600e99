# SPDX-License-Identifier: ISC
# JSON lines and CSV: the golden files, python's and sqlite's readers, parts, and what is refused.
. "${0%/*}/common.bash"
for format in jsonl csv; do
    run 0 convert --to $format trace.evt
    says '39 events'
    says 'lost 10'
    golden out trace.$format
    run 0 convert -o by_suffix.$format trace.evt
    says "^evtrail convert: by_suffix.$format: 39 events, .*, $format; lost 10"
    cmp -s out by_suffix.$format && flop "-o also wrote to standard output"
    cmp by_suffix.$format "$here/golden/trace.$format" || flop "$format by suffix differs"
done
run 0 cat --json trace.evt
cmp out by_suffix.jsonl || flop "JSON lines are not what cat --json says"

# totals
big 3000
run 0 convert --quiet -o big.csv big.evt
equal "$(cat err)" ""
run 0 convert -o big.jsonl big.evt
if command -v python3 >/dev/null; then
    python3 - <<'PY' >out 2>err || flop "python"
import csv, json, sys
csv.field_size_limit(1 << 24)
for name in "by_suffix", "big":
    rows = list(csv.DictReader(open(name + ".csv", newline="", encoding="utf-8")))
    lines = [json.loads(line) for line in open(name + ".jsonl", encoding="utf-8")]
    assert len(rows) == len(lines)
    for row, line in zip(rows, lines):
        assert None not in row and None not in row.values(), row
        what = line.get("source") or ("lost" if "lost" in line else "event")
        assert row["what"] == what and int(row["ns"]) == line["ns"] and row["process"] == line["process"], row
        if what == "event":
            assert row["name"] == line.get("name", ""), row
            fields = json.loads(row["fields"])
            assert fields == (line["fields"] if "fields" in line else {"id": line["id"], "words": line["words"]}), row
            assert row["dur_ns"] == str(line.get("dur", "")), row
        elif what == "lost":
            assert int(row["lost"]) == line["lost"] and row["cause"] == line["cause"], row
    print(name, sum(row["what"] == "event" for row in rows), sum(int(row["lost"] or 0) for row in rows))
PY
    has '^by_suffix 39 10$'
    has "^big $(events big.evt) 0$"
fi
if command -v sqlite3 >/dev/null; then
    sqlite3 :memory: '.mode csv' '.import big.csv t' "select count(*), count(distinct fields), sum(dur_ns > 0) from t where what = 'event'" \
        "select sum(json_extract(fields, '\$.value')) from t where name = 't.number'" >out 2>err || flop "sqlite3"
    has "^15030,"
    has "^4498500$"
fi

# choices of events
run 0 convert --to csv -q 't.number && value < 10' big.evt
equal "$(grep -c ,event, out)" 10
run 0 convert --to jsonl -n 7 big.evt
equal "$(grep -c '"name"' out)" 7
run 0 convert --to csv --from '2023-11-14T22:13:20.000050Z' --before '2023-11-14T22:13:20.000054Z' trace.evt
equal "$(grep -c ,event, out)" 4
"$EVTRAIL_COMMAND" convert --to jsonl - <trace.evt >out 2>err
cmp out by_suffix.jsonl || flop "standard input"
run 0 convert --to jsonl --quiet -- "$EMITTER" -n 100
equal "$(grep -c '"name"' out)" 501

# parts
run 0 convert --split-size 100K -o parts.csv big.evt
[ -e parts.00003.csv ] && [ ! -e parts.csv ] || flop "parts: $(ls)"
equal "$(head -qn 1 parts.*.csv | sort -u | wc -l)" 1 "each part has the heading"
equal "$(tail -qn +2 parts.*.csv | cmp - <(tail -n +2 big.csv) && echo same)" same "parts together"

# what is refused
run 2 convert -o by_suffix.csv trace.evt
says 'by_suffix.csv: exists; --force replaces it'
run 0 convert --force -o by_suffix.csv trace.evt
run 2 convert --force --to csv -o trace.evt trace.evt
says 'trace.evt: is one of the inputs'
cp trace.evt set.00001.evt
run 2 convert --force --to csv -o set.00001.evt set
says 'is one of the inputs'
run 0 verify trace.evt set.00001.evt
run 2 convert trace.evt
says '^evtrail convert: to what?'
run 2 convert -o trace.xyz trace.evt
says 'add --to FORMAT'
run 2 convert --to cvs trace.evt
run 2 convert --to csv --split-size 1M trace.evt
says 'needs -o'
run 2 convert --to csv --split-size 1023 -o parts.csv trace.evt
says 'a part has at least 1K'
run 2 convert --to csv
run 3 convert -o none.csv nosuch.evt
[ ! -e none.csv ] || flop "an output was made for an input that is not there"
run 3 convert -o nosuch/x.csv trace.evt

# bad ends
"$EVTRAIL_COMMAND" convert --to csv big.evt 2>err | head -n 2 >out
equal "${PIPESTATUS[0]}" 0 "exit code when the reader of a pipe went away"
equal "$(cat err)" ""
if [ -w /dev/full ]; then
    "$EVTRAIL_COMMAND" convert --to csv big.evt >/dev/full 2>err
    equal $? 6 "exit code for a full device"
    says '^evtrail convert: standard output: No space left on device'
    one_line
    run 6 convert --to csv -o /dev/full big.evt
    says '^evtrail convert: /dev/full: No space left on device'
    one_line
fi
printf 'no trace' >>big.evt # what is intact is converted
run 5 convert --to csv -o damaged.csv big.evt
says 'damaged at byte'
equal "$(grep -c ,event, damaged.csv)" 15030
finish
