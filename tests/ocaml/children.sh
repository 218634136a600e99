# SPDX-License-Identifier: ISC
# -p of an OCaml process: the rings of the children that it makes, of theirs, and of OCaml programs that it starts; not with --no-children, and not those of
# others in the same directory. Children that are gone in a moment: none twice, none wrong.
. "$(dirname "$0")/common.bash"
programs emitter
evtrail=${EVTRAIL_COMMAND:-$here/../../build/evtrail}
emitter=$programs/emitter
cd "$work"

# begin NAME ARGUMENT...: an emitter that begins when told; its pid in $pid, its input in $input
begin() {
    local name=$1
    shift
    mkfifo "$name.in"
    EMITTER_WAIT=1 EMITTER_LEAVE=1 "$emitter" "$@" <"$name.in" >"$name.out" 2>&1 &
    pid=$!
    children+=("$pid")
    exec {input}>"$name.in"
    until_line "$name.out" "pid=$pid"
}
# read_on NAME ARGUMENT...: evtrail cat of it, until it has attached; its pid in $reader
read_on() {
    local name=$1
    shift
    "$evtrail" cat --json -p "$pid" "$@" >"$name.seen" 2>"$name.err" {input}>&- &
    reader=$!
    children+=("$reader")
    until grep -q ring_start "$name.seen"; do
        kill -0 "$reader" || fail "cat: $(cat "$name.err")"
        sleep 0.01
    done
}
ints() { grep -c '"test.int"' "$1.seen" || true; }
# until_ints NAME COUNT
until_ints() {
    local i
    for ((i = 0; i < 6000; i++)); do
        [ "$(ints "$1")" -lt "$2" ] || return 0
        sleep 0.01
    done
    fail "$1: $(ints "$1") ints, not $2: $(cat "$1.err")"
}
finish_reader() {
    echo >&"$input"
    exec {input}>&-
    wait "$reader" || fail "cat: $(cat "$1.err")"
}

begin family family 3
read_on family
"$emitter" kinds 1 </dev/null >/dev/null # another program's, in the same directory
echo >&"$input"
until_line family.out made
until_ints family 70
"$emitter" kinds 1 </dev/null >/dev/null
finish_reader family
[ "$(ints family)" = 70 ] || fail "$(ints family) ints, not 70"
rings=$(grep -c '"ocaml.ring_start"' family.seen)
[ "$rings" = 8 ] || fail "$rings rings, not 8"

begin alone family 2
read_on alone --no-children
echo >&"$input"
until_line alone.out made
finish_reader alone
[ "$(ints alone)" = 0 ] || fail "--no-children: $(ints alone) ints"

# Short-lived ones, every third killed: those leave their rings, so all of them are read; no child is read twice.
begin short forks 90
read_on short
finish_reader short
got=$(ints short)
echo "$((got / 10)) of 90 children that live for a moment"
[ "$got" -ge 300 ] && [ "$got" -le 900 ] && [ $((got % 10)) = 0 ] || fail "$got ints of 90 children"
[ "$(grep '"test.int"' short.seen | sort | uniq -d | wc -l)" = 0 ] || fail "events that are there twice"
[ "$(grep -c '"ocaml.ring_start"' short.seen)" = $((got / 10 + 1)) ] ||
    fail "not a ring for each child: $(grep '"source"\|ring_start\|test.int' short.seen | sed 's/.*"pid":\([0-9]*\),.*/\1/' | sort | uniq -c | grep -v ' 13 ' | head -5)"
