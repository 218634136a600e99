# SPDX-License-Identifier: ISC
# Rings that real programs wrote decode to what is committed, and every command works on them: of OCaml 5.3 with Eio 1.5 (emit, eio), and of OCaml 5.4 with
# Eio 1.6 on both of its loops and Lwt 6.1 (eio16-posix, eio16-linux, lwt6; tests/ocaml/programs/fibers.ml and promises.ml).
# EVTRAIL_TEST_UPDATE=1 writes what is expected anew.
here=$(cd "$(dirname "$0")" && pwd)
golden=$here/../golden
. "$here/common.bash"
command -v zstd >/dev/null || { echo "no zstd"; exit 77; }
export LC_ALL=C.UTF-8 # trees are drawn with its lines
for name in ocaml-emit ocaml-eio ocaml-eio16-posix ocaml-eio16-linux ocaml-lwt6; do
    zstd -dq --sparse "$golden/$name.events.zst" -o "$name.events"
    touch -d 2001-01-01T00:00:00Z "$name.events" # before this boot: then that is when its last event was
    run 0 cat "$name.events"
    [ -z "${EVTRAIL_TEST_UPDATE:-}" ] || cp out "$golden/$name.txt"
    cmp -s out "$golden/$name.txt" || { diff "$golden/$name.txt" out | head -20 >&2; flop "$name is decoded otherwise"; }
    grep -q . err && flop "$name: $(head -1 err)"
done
# Found by what is in it, too.
ln -s ocaml-eio.events eio-ring
run 0 cat --json --limit 1 eio-ring
has '"joined"\|ring_start'
run 0 stat ocaml-emit.events
has 'demo.span'
has 'ocaml.minor_promoted'
run 0 stat --json ocaml-eio.events
has '"eio.fiber"'
run 0 grep -c 'eio.error' ocaml-eio.events
has '^3$'
run 0 grep 'eio.suspend.* && dur > 5ms' ocaml-eio.events
has 'Stream.take'
run 0 hist eio.suspend_domain ocaml-eio.events
run 0 top --once --view entities ocaml-eio.events
has 'my-promise'
has 'root'
run 0 top --config "$here/../../examples/top-eio.conf" --once --view fibers ocaml-eio.events
has '^ └─ root  *gone'
has '^    └─ fiber 1  *gone'
has '^       ├─ main  *gone'
has '^       │  ├─ fiber 7  *gone'
# Of Eio 1.6: all that was made has gone, nothing is anybody's, cancellation is no error.
for loop in posix linux; do
    run 0 cat "ocaml-eio16-$loop.events"
    for class in fiber cc; do
        made=$(grep -oE "@ eio.$class $class=[0-9]+ parent" out | sort -u | wc -l)
        [ "$made" = "$(grep -cE -- "- eio.$class $class=" out)" ] || flop "$loop: not as many eio.$class made as gone"
    done
    across=$(sed -n 's/.*@ eio.promise promise=\([0-9]*\) name="across"/\1/p' out)
    grep -qE "domain 1:1 .* eio.promise promise=$across .*state=resolved" out || flop "$loop: the promise across is not resolved in domain 1"
    run 1 grep -c 'eio.object* || eio.exit_* || state == unknown' "ocaml-eio16-$loop.events"
    run 0 grep -c 'eio.error' "ocaml-eio16-$loop.events"
    has '^5$'
    run 0 gc "ocaml-eio16-$loop.events"
done
run 0 report -o r.html ocaml-eio.events
run 0 report --svg ocaml.minor ocaml-emit.events
for format in jsonl csv chrome perfetto folded; do
    run 0 convert --to $format -o "x.$format" ocaml-eio.events
done
run 0 convert --to ctf -o x.ctf ocaml-emit.events
run 0 cat --ocaml-version 5.2 ocaml-emit.events
has 'ocaml.major_mark_opportunistic\|ocaml.major_mark'
run 0 gc ocaml-emit.events
has '14 minor collections, 4 major cycles; asked for: 1 major, 0 compactions'
has '12 pauses'
run 0 gc --json ocaml-emit.events
json_lines
has '"gc_ns":416'
# What is no ring.
echo nothing >1.events
run 5 cat 1.events
one_line
says '1.events'
run 3 cat 2.events
one_line
says '2.events'
for version in abc 4.14 6.0 5.03 ''; do
    run 2 cat --ocaml-version "$version" ocaml-emit.events
    says "'$version' is none of 5.0|5.1"
done

# What killed programs and a killed reader left is pruned: not what a living process may still write.
mkdir -p "$EVTRAIL_DIR/run-999999998-x"
chmod 700 "$EVTRAIL_DIR"
cp --sparse=always ocaml-emit.events "$EVTRAIL_DIR/999999999.events"
cp --sparse=always ocaml-emit.events "$EVTRAIL_DIR/run-999999998-x/999999997.events"
cp --sparse=always ocaml-emit.events "$EVTRAIL_DIR/$$.events"
touch -d 2001-01-01T00:00:00Z "$EVTRAIL_DIR"/*.events "$EVTRAIL_DIR"/*/*.events
: >"$EVTRAIL_DIR/run-999999998-x/.watch"
run 0 prune --dry-run
says '2 removed'
[ -e "$EVTRAIL_DIR/999999999.events" ] || flop "a dry run removed a ring"
run 0 prune --older 1h
says '2 removed'
[ ! -e "$EVTRAIL_DIR/999999999.events" ] || flop "a dead program's ring is left"
[ ! -e "$EVTRAIL_DIR/run-999999998-x" ] || flop "a dead recorder's directory is left: $(ls -A "$EVTRAIL_DIR/run-999999998-x")"
[ -e "$EVTRAIL_DIR/$$.events" ] || flop "a living process's ring was removed"
rm -rf "$EVTRAIL_DIR"

# The rings of a program that is started are made for the room that there is: all its domains' are half of it at most.
cat >small.sh <<'E2'
mkdir shm && mount -t tmpfs -o "size=$1,mode=700" tmpfs shm || exit 77
shift
EVTRAIL_DIR=$PWD/shm exec timeout 60 "$@"
E2
if unshare -rm sh small.sh 64m true 2>/dev/null; then
    rm -rf shm
    unset OCAMLRUNPARAM CAMLRUNPARAM
    record() { # SIZE SCRIPT: what a program finds
        rm -rf shm
        unshare -rm sh small.sh "$1" "$EVTRAIL_COMMAND" record --force -o small.evt -- sh -c "$2" >out 2>err || flop "record in $1"
    }
    record 64m 'echo $OCAMLRUNPARAM'
    equal "$(cat out)" e=14
    record 8g 'echo $OCAMLRUNPARAM'
    equal "$(cat out)" e=20
    OCAMLRUNPARAM=v=0,d=8 record 64m 'echo $OCAMLRUNPARAM'
    equal "$(cat out)" v=0,d=8,e=18
    OCAMLRUNPARAM=e=16 record 64m 'echo $OCAMLRUNPARAM'
    equal "$(cat out)" e=16
    record 8m 'echo none$OCAMLRUNPARAM'
    equal "$(cat out)" none
    says "runtime events are not switched on: .* are free, OCaml's runtime events need"
    # it is an OCaml program, and it fills what there is
    record 16m ': >"$EVTRAIL_DIR/x.events"; head -c 15500K /dev/zero >"$EVTRAIL_DIR/full"; i=0; while [ $i -lt 600 ] && ! [ -e told ]; do i=$((i + 1)); grep -q SIGBUS err && : >told; sleep 0.1; done; rm "$EVTRAIL_DIR/full" "$EVTRAIL_DIR/x.events"'
    [ -e told ] || flop "nothing is said of a full file system"
    says 'so OCaml.s rings are of 2^12 words only'
    rm -rf shm
fi
finish
