#!/bin/bash
# SPDX-License-Identifier: ISC
# Figures of a synthetic trace with known answers, its JSON and its page; hostile names; damaged and empty traces.
# Usage: stress_model.sh BUILD SOURCE
set -euo pipefail
build=$1 source=$2
here=$source/pool-integration/tests/stress
stress=$build/pool-integration/pool-stress
folder=$(mktemp -d)
EVTRAIL_DIR=$(mktemp -d /dev/shm/evt-stress.XXXXXX)
export EVTRAIL_DIR
# evtrail record preloads libevtrail.so, before the sanitizer where there is one
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0
trap 'rm -rf "$folder" "$EVTRAIL_DIR"' EXIT
cd "$folder"

fail() {
    echo "stress_model: $*" >&2
    exit 1
}

for kind in plain hostile; do
    "$build/evtrail" record -o $kind.evt --policy block -- "$build/tests/stress_generate" $kind >$kind.expected 2>$kind.log ||
        fail "record: $(cat $kind.log)"
    "$stress" --from $kind.evt --json --html $kind.html >$kind.json || fail "$kind: exit code $?"
    python3 "$here/page_check.py" $kind.html $kind.json || fail "$kind: the page"
    python3 - $kind <<'PYTHON' || fail "$kind: the figures"
import json, sys
kind = sys.argv[1]
want = json.load(open(f"{kind}.expected"))
got = json.load(open(f"{kind}.json", encoding="utf-8"))
flat = dict(got["pool"])
for part in ("closed", "errors", "acquires"):
    flat.update(got["pool"][part])
flat.update(got["loop"])
flat.update(got["loop"]["operations"])
flat.update(got["messages"])
bad = {name: (value, flat.get(name)) for name, value in want.items() if flat.get(name, 0) != value}
times = got["times_ns"]
if not 300e3 < times["round_trip"]["p50"] < 700e3:
    bad["round trip"] = times["round_trip"]
if not times["round_trip"]["p50"] <= times["round_trip"]["p99"] <= times["round_trip"]["max"]:
    bad["order"] = times["round_trip"]
if abs(times["resolve"]["max"] - 2390e3) > 5e3:
    bad["resolve"] = times["resolve"]
if abs(got["run"]["seconds"] - 4) > 0.01 or got["lost"] or not got["well"] or got["agreement"] is not None:
    bad["run"] = got["run"]
if kind == "hostile" and got["addresses"][0]["address"] != "</script><script>alert(1)</script>":
    bad["label"] = got["addresses"][0]
for address in got["addresses"]:
    if address["created"] != address["closed"]:
        bad[address["address"]] = address
if sum(address["created"] for address in got["addresses"]) != got["pool"]["created"]:
    bad["addresses"] = got["addresses"]
print(bad) if bad else None
sys.exit(bool(bad))
PYTHON
done
grep -q '<script>alert' hostile.html && fail "a hostile name is markup"
"$stress" --from plain.evt >text || fail "text: $?"
grep -q 'connect_refused' text || fail "text has no errors"

# Half a file, a file with a hole, one that is none, one without any event of a pool: said, never a crash.
head -c $(($(stat -c %s plain.evt) / 2)) plain.evt >half.evt
r=0; "$stress" --from half.evt --html half.html >half.txt 2>&1 || r=$?
[ $r -le 6 ] && [ $r -ne 2 ] || fail "half a file: $r"
cp plain.evt hole.evt
dd if=/dev/zero of=hole.evt bs=1 seek=$(($(stat -c %s plain.evt) / 3)) count=4000 conv=notrunc status=none
r=0; "$stress" --from hole.evt --html hole.html >hole.txt 2>&1 || r=$?
[ $r = 1 ] || fail "a file with a hole: $r"
python3 "$here/page_check.py" hole.html || fail "the page of a damaged file"
r=0; "$stress" --from "$0" 2>/dev/null || r=$?
[ $r = 6 ] || fail "no trace file: $r"
"$build/evtrail" record -o other.evt -- "$build/examples/shop" 5 >/dev/null 2>&1
"$stress" --from other.evt --json --html other.html >other.json || fail "another program's trace: $?"
python3 "$here/page_check.py" other.html other.json || fail "the page of another program"
python3 -c 'import json; assert json.load(open("other.json"))["pool"]["created"] == 0'
echo "stress_model: good"
