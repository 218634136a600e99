# SPDX-License-Identifier: ISC
# The OCaml package evtrail: its events as `evtrail cat` shows them, native and bytecode, without an allocation.
. "$(dirname "$0")/common.bash"
programs binding consumer
cd "$work"

expected() { # ROUNDS
    local i half yes
    for ((i = 1; i <= $1; i++)); do
        half=$((i / 2)).$((i % 2 * 5)) yes=$([ $((i % 2)) = 1 ] && echo true || echo false)
        cat <<TEXT
info       ml.none
warning    ml.one took=${i}ns
info       ml.all n=-$i yes=$yes text="café" raw=<0100ff> state=open address=0xff
info       ml.floats ratio=$half small=-$i large=4611686018427387903 note="n"
info     = ml.load value=$half%
info     = ml.queue value=$i
info     > ml.work id=ID parent=0 what="something"
info     @ ml.conn id=$i parent=0 state="open"
info     @ ml.conn id=$i name="peer"
info     - ml.conn id=$i
info     ~ ml.request id=$i
info     < ml.work id=ID ok=true
TEXT
    done
    echo 'warning    ml.one took=1ns'
    echo 'warning    ml.one took=1us label.tenant="blue"'
}
check() { # PROGRAM
    "$EVTRAIL_COMMAND" record --force --quiet --enable ml -o trace.evt -- "$@" 3 >out || fail "$*: exit code $?"
    ! grep -v '^session=\|^words=0$' out >&2 || fail "$*: see above"
    "$EVTRAIL_COMMAND" cat trace.evt | grep ' ml\.' | sed 's/^[^ ]* [^ ]* //; s/ id=[0-9]\{6,\}/ id=ID/; s/ dur=.*//' >seen
    expected 3 | diff - seen >&2 || fail "$*: not the events that it emits"
}
check "$programs/binding"
grep -qx 'words=0' out || fail "an event allocated: $(cat out)"
check "$programs/binding-bytecode"

# Into OCaml's ring as well, by the environment, and by the program itself.
export OCAML_RUNTIME_EVENTS_START=1 OCAML_RUNTIME_EVENTS_PRESERVE=1
EVTRAIL_OCAML='ml.*' timeout 100 "$programs/binding" 2 >out || fail "exit code $?"
grep -qx 'words=0' out || fail "an event allocated: $(cat out)"
pid=$(basename "$OCAML_RUNTIME_EVENTS_DIR"/*.events .events)
"$programs/consumer" "$OCAML_RUNTIME_EVENTS_DIR" "$pid" ml.all ml.floats ml.load ml.conn ml.request >seen
for i in 1 2; do
    printf '%s\n' "unit ml.none" "int ml.one $i"
    [ $i = 1 ] && echo "bytes ml.all -1,true,café,0100ff,1,255" || echo "bytes ml.all -2,false,café,0100ff,1,255"
    [ $i = 1 ] && half=0.5 || half=1
    printf '%s\n' "bytes ml.floats $half,-$i,4611686018427387903,n" "bytes ml.load $half" "int ml.queue $i" "begin ml.work" \
        "bytes ml.conn $i,0,open" "bytes ml.conn $i,peer" "bytes ml.conn $i" "bytes ml.request $i" "end ml.work"
done >wanted
printf '%s\n' "int ml.one 1" "int ml.one 1000" >>wanted
diff wanted seen >&2 || fail "not what the consumer is to see"

# No session: nothing is recorded, nothing fails.
EVTRAIL=off timeout 100 "$programs/binding" 2 >out 2>err || fail "without a session: exit code $?"
grep -qx 'no session' out || fail "without a session: $(cat out err)"
