# SPDX-License-Identifier: ISC
# Rings that OCaml 5.3 and Eio 1.5 wrote decode to what is committed, and every command works on them. EVTRAIL_TEST_UPDATE=1 writes what is
# expected anew.
here=$(cd "$(dirname "$0")" && pwd)
golden=$here/../golden
. "$here/common.bash"
command -v zstd >/dev/null || { echo "no zstd"; exit 77; }
for name in ocaml-emit ocaml-eio; do
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
has '^4$'
run 0 grep 'eio.suspend.* && dur > 5ms' ocaml-eio.events
has 'Stream.take'
run 0 hist eio.suspend_domain ocaml-eio.events
run 0 top --once --view entities ocaml-eio.events
has 'my-promise'
has 'root'
run 0 top --config "$here/../../examples/top-eio.conf" --once --view fibers ocaml-eio.events
has '^ └─ root  *open'
has '^    └─ fiber 1  *gone'
has '^       ├─ main  *gone'
has '^       │  ├─ fiber 7  *gone'
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
