#!/bin/bash
# SPDX-License-Identifier: ISC
# A tree of files is one source; names of collectors are checked.
set -u
evtrail=$EVTRAIL_COMMAND
golden=$(cd "$(dirname "$0")/../golden" && pwd)/format-1.evt
work=$(mktemp -d /tmp/evt-tree.XXXXXX)
trap 'rm -rf "$work"' EXIT
failed=0
bad() { echo "FAILED: $*"; failed=$((failed + 1)); }

mkdir -p "$work/store/web1/server/1-42" "$work/store/web2/server/1-43" "$work/store/.hidden"
cp "$golden" "$work/store/web1/server/1-42/s-a.00001.evt"
cp "$golden" "$work/store/web2/server/1-43/s-b.00001.evt"
cp "$golden" "$work/store/.hidden/no.00001.evt"
echo garbage >"$work/store/web2/server/1-43/s-b.00001.evt.garbage-1"

one=$("$evtrail" cat --json "$golden" | grep '"tid":' | grep -vc '"lost":')
all=$("$evtrail" cat --json "$work/store" | grep '"tid":' | grep -vc '"lost":')
[ "$all" = $((2 * one)) ] || bad "cat of the tree: $all events, wanted twice $one"
"$evtrail" cat --json "$work/store" | grep -q '"host":"here"' || bad "cat --json of a tree has no hosts"
"$evtrail" cat "$work/store" | grep -q 'here/pool:42' || bad "cat of a tree has no hosts"
"$evtrail" stat "$work/store" | grep -q "^$all events in .* from 4 processes" || bad "stat of the tree: $("$evtrail" stat "$work/store" | tail -1)"
"$evtrail" stat "$work/store/web1" | grep -q "^$one events" || bad "stat of one host"
n=$("$evtrail" grep -c 'machine == here' "$work/store")
[ "$n" = "$all" ] || bad "machine == here: $n, wanted $all"
n=$("$evtrail" grep -c 'machine == there' "$work/store")
[ "$n" = 0 ] || bad "machine == there: $n"
"$evtrail" convert --to csv -o "$work/out.csv" "$work/store" 2>"$work/err" || bad "convert of the tree"
grep -q "$all events" "$work/err" || bad "convert: $(cat "$work/err")"
"$evtrail" report -o "$work/out.html" "$work/store" >/dev/null || bad "report of the tree"
"$evtrail" top --once "$work/store" | grep -q 'pool.step0' || bad "top of the tree"

# Each file of it is verified, and one that is damaged hides no other.
"$evtrail" verify "$work/store" >"$work/out" || bad "verify of the tree: exit code $?"
[ "$(grep -c 'intact' "$work/out")" = 2 ] || bad "verify of the tree: $(cat "$work/out")"
mkdir "$work/store/web0"
cp "$golden" "$work/store/web0/torn.evt"
printf 'x' | dd of="$work/store/web0/torn.evt" bs=1 seek=3000 conv=notrunc status=none
"$evtrail" verify "$work/store" >"$work/out"
code=$?
[ $code = 5 ] || bad "verify of a tree with a damaged file: exit code $code"
grep -q 'torn.evt: damaged' "$work/out" || bad "verify of a tree does not name the damaged file: $(cat "$work/out")"
[ "$(grep -c 'intact' "$work/out")" = 2 ] || bad "a damaged file hides others: $(cat "$work/out")"
rm -r "$work/store/web0"

# Whole files: merged, repaired, and split after that.
"$evtrail" merge --force -o "$work/merged.evt" "$work/store" 2>"$work/err" || bad "merge of the tree: $(cat "$work/err")"
n=$("$evtrail" cat --json "$work/merged.evt" | grep '"tid":' | grep -vc '"lost":')
[ "$n" = "$all" ] || bad "merge of the tree: $n events, wanted $all"
"$evtrail" verify --quiet "$work/merged.evt" || bad "verify of the merged tree"
"$evtrail" split --time 1ms "$work/store" 2>"$work/err" && bad "a tree is split"
grep -q "evtrail merge makes one file" "$work/err" || bad "split of a tree: $(cat "$work/err")"
cp -r "$work/store" "$work/broken"
printf 'x' | dd of="$work/broken/web1/server/1-42/s-a.00001.evt" bs=1 seek=3000 conv=notrunc status=none
"$evtrail" repair "$work/broken/" 2>"$work/err" || bad "repair of a tree: $(cat "$work/err")"
[ "$(grep -c 'damaged place' "$work/err")" = 1 ] || bad "repair of a tree: $(cat "$work/err")"
"$evtrail" verify "$work/broken.repaired" >"$work/out" || bad "the repaired tree: $(cat "$work/out")"
(cd "$work/store" && find . -name '*.evt' -not -path './.*/*' | sort) >"$work/names"
(cd "$work/broken.repaired" && find . -name '*.evt' | sort) | cmp -s - "$work/names" || bad "the repaired tree has another shape"
"$evtrail" repair --quiet -o "$work/sound" "$work/store/web2" || bad "repair -o of a tree"
[ -f "$work/sound/server/1-43/s-b.00001.evt" ] || bad "repair -o: $(find "$work/sound")"
mkdir "$work/none"
for command in "verify" "merge -o $work/x.evt" "repair"; do
    # shellcheck disable=SC2086
    "$evtrail" $command "$work/none" 2>"$work/err" && bad "$command of an empty tree"
    grep -q "no trace files in this directory or below it" "$work/err" || bad "$command of an empty tree: $(cat "$work/err")"
done

# Collectors, where they cannot be read.
for command in verify repair "merge -o $work/x.evt" "split --time 1s" "prune --keep-files 1" "import -o $work/x.evt"; do
    # shellcheck disable=SC2086
    "$evtrail" $command collector://localhost 2>"$work/err"
    [ $? = 2 ] || bad "$command collector://: exit code"
    grep -q "no collector can be read here" "$work/err" || bad "$command collector://: $(cat "$work/err")"
done
"$evtrail" record --all -o collector://localhost 2>"$work/err"
grep -q "evtrail send ships" "$work/err" || bad "record -o collector://: $(cat "$work/err")"
for command in cat "grep 1" stat "hist a.b" "top --once" "record -o $work/x.evt" "convert --to csv -o $work/x.csv" "report -o $work/x.html" gc web; do
    # shellcheck disable=SC2086
    timeout 100 "$evtrail" $command collector://unix:/nonexistent/socket >/dev/null 2>"$work/err"
    grep -q "unix:/nonexistent/socket: .*no such file" "$work/err" || bad "$command collector://: $(cat "$work/err")"
done

# Who follows it gets what appears later, too.
timeout 100 "$evtrail" cat --json --follow --limit $((3 * one)) "$work/store" >"$work/follow" &
follower=$!
for _ in $(seq 600); do [ "$(grep -c '"tid":' "$work/follow")" -ge "$all" ] && break; sleep 0.1; done
mkdir -p "$work/store/web3/server/1-44"
cp "$golden" "$work/store/web3/server/1-44/.part"
mv "$work/store/web3/server/1-44/.part" "$work/store/web3/server/1-44/s-c.00001.evt"
wait $follower || bad "cat --follow of the tree: exit code $?"

mkdir -p "$work/empty/a/b"
"$evtrail" cat "$work/empty" 2>"$work/err" && bad "an empty tree is read"
grep -q "no trace files in this directory or below it" "$work/err" || bad "an empty tree: $(cat "$work/err")"
"$evtrail" verify "$work/empty" 2>"$work/err" && bad "an empty tree is verified"
grep -q "no trace files in this directory or below it" "$work/err" || bad "verify of an empty tree: $(cat "$work/err")"

# Names of collectors.
if "$evtrail" send --help >/dev/null 2>&1; then :; fi
for name in 'collector://unix:/nonexistent/socket' 'collector://h?nosuch=1' 'collector://h?ca' 'collector://'; do
    timeout 100 "$evtrail" cat "$name" >/dev/null 2>"$work/err" && bad "$name is read"
    [ "$(wc -l <"$work/err")" = 1 ] || bad "$name: not one line: $(cat "$work/err")"
done
timeout 100 "$evtrail" cat 'collector://h?nosuch=1' 2>&1 | grep -q "no such key: 'nosuch'" || bad "a wrong key is not named"

echo "$failed failed"
[ $failed = 0 ]
