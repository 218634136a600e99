# SPDX-License-Identifier: ISC
# C events in the ring of the OCaml program that they happen in, as OCaml's own Runtime_events library reads it.
. "$(dirname "$0")/common.bash"
programs sender consumer
export OCAML_RUNTIME_EVENTS_PRESERVE=1 OCAMLRUNPARAM=d=16,e=19

names=(c.many c.conn c.ratio c.long) # of events with a payload; the stock consumer crashes where another kind comes under such a name

# send RULES COMMAND [COUNT]: runs sender with these rules; what the stock consumer sees of its ring is in $work/seen
send() {
    local rules=$1
    shift
    rm -f "$OCAML_RUNTIME_EVENTS_DIR"/*
    EVTRAIL_OCAML=$rules LD_PRELOAD=$EVTRAIL_LIBRARIES/libevtrail-ocaml.so timeout 100 "$programs/sender" "$@" >"$work/out" ||
        fail "sender $*: exit code $?"
    see "$(sed -n 's/^pid=//p' "$work/out")"
}
see() {
    "$programs/consumer" "$OCAML_RUNTIME_EVENTS_DIR" "$1" "${names[@]}" >"$work/seen" ||
        fail "the consumer: exit code $?"
    ! grep -q '^lost\|back' "$work/seen" || fail "$(grep -m 1 '^lost\|back' "$work/seen")"
}
count() { # WORDS NUMBER: that many lines begin so
    local found
    found=$(grep -c "^$1" "$work/seen" || true)
    [ "$found" = "$2" ] || fail "$found times \"$1\", not $2"
}

# Every kind, from an external that must not allocate; and nothing was.
send 'c.*:info' kinds 3
sed -i 's/^\(bytes c.long 6c\)0*,/\1..,/' "$work/seen"
for i in 1 2 3; do
    printf '%s\n' "begin c.work" "unit c.unit" "int c.int -$i" "int c.level ${i}0" "bytes c.ratio 0.5" \
        "bytes c.many 200,true,0.5,NULL,café,010203" "bytes c.conn $i,7,open" "bytes c.long 6c..,200 cut" "end c.work"
done | diff - "$work/seen" >&2 || fail "not the events that were sent"
grep -qx 'words=0' "$work/out" || fail "an event allocated: $(cat "$work/out")"

# With their fields in evtrail itself; the names are in the file, whatever became of the events.
send 'c.*:info@bytes' kinds 1
"$EVTRAIL_COMMAND" cat "$OCAML_RUNTIME_EVENTS_DIR"/*.events | sed -n 's/^.* domain 0:[0-9]* *info *\([^ ].*\) tid=[0-9]* delay=0ns\(.*\)/\1\2/p' |
    sed 's/6c\(00\)*/6c../; s/ dur=.*//' >"$work/fields"
printf '%s\n' "> c.work i=1 uint64_t=0" "c.unit" "c.int value=-1" "= c.level i=10" "= c.ratio ratio=0.5" \
    'c.many small=200 yes=true ratio=0.5 none=(null) text="café" arg6=<010203>' '@ c.conn i=1 uint64_t=7 state="open"' \
    "c.long long_text=<6c..> small=200 cut=true" "< c.work i=1" | diff - "$work/fields" >&2 || fail "not the fields that were sent"

# As it was asked for; the last rule counts; a level; what is not a rule.
names=(c.conn c.work c.unit)
send 'c.*:info@bytes,c.int@unit;-c.long c.many@int -c.ratio -c.level' kinds 1
printf '%s\n' "bytes c.work 1,0" "bytes c.unit " "unit c.int" "int c.many 200" "bytes c.conn 1,7,open" "bytes c.work 1" |
    diff - "$work/seen" >&2 || fail "not what the rules say"
names=()
send 'c.*@nonsense' kinds 1
[ ! -s "$work/seen" ] || fail "a rule that is none has an effect"

# OCaml's own events and ours in turn; C code that holds the lock, that has let it go, and that OCaml knows nothing of.
send 'c.*' ints 2000
count 'int test.own' 2000
count 'int c.number' 2000
[ "$(sed -n 's/^int [a-z.]* //p' "$work/seen" | sort -cn 2>&1)" = "" ] || fail "out of order"
send 'c.*' allocating 100
count 'int c.number' 100
send 'c.*' unlocked 1000
count 'int c.number' 1001
send 'c.*' thread 1000
count 'int c.foreign' 1000
count 'int c.number' 1
seq 1000 | sed 's/^/int c.foreign /' | diff - <(grep foreign "$work/seen") >/dev/null || fail "the thread's events are out of order"

# Domains that come and go, systhreads, children of fork: each event once.
send 'c.*' domains 1000
count 'int c.number' 4801
send 'c.*' threads 2000
count 'int c.number' 8001
count 'int c.foreign' 2000
send 'c.*' forks 4
mapfile -t pids < <(sed -n 's/^child=//p' "$work/out")
[ ${#pids[@]} = 4 ] || fail "${#pids[@]} children"
for pid in "${pids[@]}"; do
    see "$pid"
    count 'int c.number' 10
done

# A consumer in the program itself.
send 'c.*:info' inside 50
grep -qx 'seen=150' "$work/out" || fail "$(grep seen "$work/out"), not 150: c.int, c.level, c.number"

# Killed in the middle of it: what is in the ring is whole, and in order.
rm -f "$OCAML_RUNTIME_EVENTS_DIR"/*
for i in 1 2 3; do
    EVTRAIL_OCAML='c.*' LD_PRELOAD=$EVTRAIL_LIBRARIES/libevtrail-ocaml.so "$programs/sender" ints 1000000000 >"$work/out" &
    children+=($!)
    until [ "$(du -k "$OCAML_RUNTIME_EVENTS_DIR/$!.events" 2>/dev/null | cut -f 1)0" -ge 2560 ]; do
        kill -0 $! || fail "the sender ended"
        sleep 0.01
    done
    kill -9 $!
    wait $! 2>/dev/null || true
    "$programs/consumer" "$OCAML_RUNTIME_EVENTS_DIR" $! >"$work/seen" || fail "the consumer: exit code $?"
    for name in c.number test.own; do
        sed -n "s/^int $name //p" "$work/seen" | awk 'NR > 1 && $1 != last + 1 { exit 1 } { last = $1 } END { exit NR < 1000 }' ||
            fail "$name is not consecutive after a kill"
    done
done

# A thread without the lock, more than can wait: what is lost is told, and nothing else happens.
OCAMLRUNPARAM=d=16,e=19 send 'c.*' unlocked 10000
told=$(sed -n 's/^int evtrail.lost //p' "$work/seen" | tail -n 1)
got=$(grep -c 'c.number' "$work/seen")
[ $((${told:-0} + got)) = 10001 ] || fail "$got events and ${told:-0} lost are not 10001"

# What waits when the program ends is written then; what cannot wait is told.
send 'c.*' leaving 1000
count 'int c.foreign' 1001
send 'c.*' leaving 5000
count 'int c.foreign' 4097
count 'int evtrail.lost 904' 1

# The smallest rings: what does not fit is left out, OCaml goes on.
for e in 4 6 8; do
    export OCAMLRUNPARAM=d=16,e=$e
    rm -f "$OCAML_RUNTIME_EVENTS_DIR"/*
    EVTRAIL_OCAML='c.*' LD_PRELOAD=$EVTRAIL_LIBRARIES/libevtrail-ocaml.so timeout 100 "$programs/sender" kinds 500 >"$work/out" ||
        fail "e=$e: exit code $?"
done

# Not an OCaml program: nothing happens.
EVTRAIL_OCAML='*' LD_PRELOAD=$EVTRAIL_LIBRARIES/libevtrail-ocaml.so "$EVTRAIL_COMMAND" --version >/dev/null || fail "a C program"
