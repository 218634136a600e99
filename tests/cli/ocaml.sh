# SPDX-License-Identifier: ISC
# Rings that real programs wrote decode to what is committed, and every command works on them: of OCaml 5.3 with Eio 1.5 (emit, eio), and of OCaml 5.4 with
# Eio 1.6 on both of its loops and Lwt 6.1 (eio16-posix, eio16-linux, lwt6; tests/ocaml/programs/fibers.ml and promises.ml).
# EVTRAIL_TEST_UPDATE=1 writes what is expected anew.
here=$(cd "$(dirname "$0")" && pwd)
golden=$here/../golden
. "$here/common.bash"
command -v zstd >/dev/null || { echo "no zstd"; exit 77; }
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
finish
