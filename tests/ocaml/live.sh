# SPDX-License-Identifier: ISC
# Reads real OCaml 5 programs while they run: found by pid and name, whatever became of the ring's file; started and forked; killed; with rings of
# every size; while the reader is stopped; beside the events of C.
. "$(dirname "$0")/common.bash"
programs emitter
evtrail=${EVTRAIL_COMMAND:-$here/../../build/evtrail}
own=live$$ # as the same test of another OCaml may run beside this one
emitter=$work/$own
ln -s "$programs/emitter" "$emitter"
cd "$work"

run() { # CODE ARGUMENT...: evtrail ends with this code; its output is in out and err
    local code=$1 got=0
    shift
    timeout 120 "$evtrail" "$@" >out 2>err || got=$?
    [ "$got" = "$code" ] || fail "evtrail $*: exit code $got, not $code: $(head -n 3 err)"
}
count() { # FILTER FILE
    "$evtrail" grep -c "$1" "$2" 2>/dev/null || true
}
equal() { [ "$1" = "$2" ] || fail "$3: $1, not $2"; }
# start NAME ARGUMENT...: an emitter that stays until its input ends; its pid in $pid
start() {
    local name=$1
    shift
    mkfifo "$name.in"
    "$emitter" "$@" <"$name.in" >"$name.out" 2>&1 &
    pid=$!
    children+=("$pid")
    exec {input}>"$name.in"
    until_line "$name.out" "done $1"
}

# By pid, by name, with the file removed, and a copy of what is left after SIGKILL.
start one kinds 5
run 0 cat --limit 20 -p "$pid" -q 'test.*'
grep -q 'test.unit' out || fail "no event by pid"
run 0 record --snapshot -p "$own" -o one.evt
equal "$(count 'test.unit' one.evt)" 5 "by name"
run 0 ls
grep -Eq "^ +$pid  $own +alive  +5\\.[0-9.]+ .* $work/rings/$pid\\.events$" out || fail "ls: $(cat out)"
run 0 ls --json --directory "$work/rings"
grep -Eq "\"pid\":$pid,\"command\":\"$own\".*\"alive\":true,\"ocaml\":\"5\..*\"domains\":1,.*\"ring_bytes\":524288," out || fail "ls: $(cat out)"
equal "$(wc -l <out)" 1 "rings in the directory"
cp --sparse=always "rings/$pid.events" kept.events
cp --sparse=always "rings/$pid.events" rings/4194999.events # no process has that number
run 0 ls --json --directory "$work/rings"
grep -q '"pid":4194999,"command":"",.*"alive":false,"ocaml":""' out || fail "ls: $(cat out)"
rm rings/4194999.events
rm "rings/$pid.events"
if [ "$(id -u)" = 0 ]; then
    run 0 record --snapshot -p "$pid" -o deleted.evt
    equal "$(count 'test.unit' deleted.evt)" 5 "with its file removed"
fi
kill -9 "$pid"
run 0 stat kept.events
grep -q 'test.text' out || fail "nothing in what a killed program left"
run 0 gc kept.events

# In a pid namespace: its ring is called by a pid that nobody has here, and stays while it lives.
free=$(($(cat /proc/sys/kernel/pid_max) - 500))
while [ -e "/proc/$free" ]; do free=$((free - 1)); done
echo 'echo $(($1 - 1)) >/proc/sys/kernel/ns_last_pid; shift; exec 3<&0; "$@" <&3 & wait' >apart.sh
if [ "$(id -u)" = 0 ] && unshare -p -f --mount-proc sh apart.sh "$free" true 2>/dev/null; then
    mkfifo apart.in
    mkdir -m 700 apart
    OCAML_RUNTIME_EVENTS_DIR=$PWD/apart unshare -p -f --kill-child --mount-proc sh apart.sh "$free" "$emitter" kinds 2 <apart.in >apart.out 2>&1 &
    outer=$!
    children+=("$outer")
    exec {input}>apart.in
    until_line apart.out "done kinds"
    run 0 prune --directory "$PWD/apart"
    [ -e "apart/$free.events" ] || fail "the ring of a process that lives in another pid namespace was pruned: $(ls apart) $(cat err)"
    kill -9 "$outer"
    exec {input}>&-
    wait "$outer" 2>/dev/null || true
    for _ in $(seq 600); do
        run 0 prune --directory "$PWD/apart"
        [ -e "apart/$free.events" ] || break
        sleep 0.1
    done
    [ ! -e "apart/$free.events" ] || fail "the ring of a killed process is left"
fi

# In a container: its ring is in a file system of its own, and called by another pid.
mkdir inner
if [ "$(id -u)" = 0 ] && unshare -m -p -f true 2>/dev/null; then
    mkfifo inner.in
    unshare -m -p -f sh -c 'mount -t tmpfs none inner && OCAML_RUNTIME_EVENTS_DIR=$PWD/inner exec "$@"' sh "$emitter" kinds 4 \
        <inner.in >inner.out 2>&1 &
    children+=("$!")
    outer=$!
    exec {input}>inner.in
    until_line inner.out "done kinds"
    pid=$(cat "/proc/$outer/task/$outer/children")
    pid=${pid%% *}
    children+=("$pid")
    run 0 record --snapshot -p "$pid" -o inner.evt
    equal "$(count 'test.unit' inner.evt)" 4 "in a container"
    kill -9 "$pid"
fi

# The same where a file of that path and inode number is here, too, which is another's.
if [ "$(id -u)" = 0 ] && unshare -m -p -f true 2>/dev/null && command -v nsenter >/dev/null; then
    mkfifo twin.in
    # shellcheck disable=SC2016
    unshare -m sh -c 'mount -t tmpfs none inner && cp --sparse=always kept.events inner/1.events || exit 1
        unshare -m -p -f sh -c "mount -t tmpfs none inner && OCAML_RUNTIME_EVENTS_DIR=\$PWD/inner exec \"\$@\"" sh "$@" <&3 &
        wait' sh "$emitter" kinds 3 3<twin.in >twin.out 2>&1 &
    outer=$!
    children+=("$outer")
    exec {input}>twin.in
    until_line twin.out "done kinds"
    pid=$(cat "/proc/$outer/task/$outer/children")
    pid=${pid%% *}
    pid=$(cat "/proc/$pid/task/$pid/children")
    pid=${pid%% *}
    children+=("$pid")
    nsenter -m -t "$outer" "$evtrail" record --snapshot -p "$pid" -o "$PWD/twin.evt" >out 2>err || fail "$(cat err)"
    equal "$(count 'test.unit' twin.evt)" 3 "in a container, beside a file of its name"
    kill -9 "$pid"
fi

# A program that replaces another has the file of that one, and names of its own for the same ids.
for words in 0 12; do
    EMITTER_LEAVE=1 run 0 record --force -o exec.evt -- "$emitter" exec 200 $words
    equal "$(count 'test.other' exec.evt)" 200 "after exec, e=$words"
    units=$(count 'test.unit' exec.evt)
    [ "$units" -gt 0 ] && [ "$units" -le 200 ] || fail "before exec, e=$words: $units"
done

# One that has not started them.
EMITTER_START=0 start silent nothing
run 3 cat -p "$pid"
grep -q 'an OCaml 5.* program that has not started its runtime events' err || fail "$(cat err)"
kill -9 "$pid"

# A sanitizer's library cannot be preloaded into a program that is not built for it.
if ldd "$evtrail" | grep -q 'lib[at]san'; then
    echo "the rest is left out: built with a sanitizer" >&2
    exit 0
fi

# Started by us: from its first event on, every time.
export EMITTER_LEAVE=1
for i in $(seq 10); do
    run 0 record --force -o first.evt -- "$emitter" kinds 2
    equal "$(count 'test.unit' first.evt)" 2 "attached at once, time $i"
done
equal "$(count 'ocaml.ring_start' first.evt)" 1 "the beginning of the ring"
grep -q 'lost 0' err || fail "$(cat err)"

# Forks, each with a ring of its own, every third child killed; domains that come and go; pauses; Eio's events.
run 0 record -o forks.evt -- "$emitter" forks 6
equal "$(count 'test.int' forks.evt)" 60 "children"
equal "$(count 'ocaml.ring_start' forks.evt)" 7 "rings"
run 0 record -o domains.evt -- "$emitter" domains 10
equal "$(count 'test.int' domains.evt)" 20 "domains"
run 0 record -o pauses.evt -- "$emitter" pauses 100
equal "$(count 'test.int' pauses.evt)" 54 "events between pauses"
run 0 record -o eio.evt -- "$emitter" eio 3
equal "$(count 'eio.error' eio.evt)" 3 "errors"
equal "$(count 'eio.fiber && state == running' eio.evt)" 21 "fibers that ran"
run 0 stat --json eio.evt
for name in eio.cc eio.fiber eio.promise eio.semaphore eio.stream eio.mutex eio.stream.get eio.stream.try_get eio.stream.put eio.promise.put \
    eio.error eio.log eio.span.my-span eio.suspend.Stream.take eio.suspend.yield eio.suspend_domain eio.domain_spawn; do
    grep -q "\"name\":\"$name\"" out || fail "no $name"
done
run 0 cat eio.evt
grep -q 'eio.error cc=11 error="Failure.*in the client" fiber=2' out || fail "no error as a whole: $(grep eio.error out)"
grep -q '@ eio.cc cc=11 .*state=failed kind=switch' out || fail "no failed context"
grep -q 'ocaml.domain domain=1099511627778 parent=1 state=running' out || fail "no domain below its fiber"
run 0 top --once --view entities eio.evt
grep -q 'my-promise' out || fail "no promise among the entities"
equal "$(find "$EVTRAIL_DIR" -name '*.events' | wc -l)" 0 "rings that were left"

# With the events of C libraries in one file.
if "$evtrail" record --with libc --force -o both.evt -- true 2>/dev/null; then
    run 0 record --with libc --force -o both.evt -- "$emitter" kinds 2
    equal "$(count 'test.unit' both.evt)" 2 "OCaml's beside C's"
    [ "$(count 'libc.*' both.evt)" -gt 0 ] || echo "note: libevtrail-libc is not for this C library" >&2
fi

# Rings from 16 words on; the smallest lose, and say so.
for size in 4 6 8 12 16 20; do
    OCAMLRUNPARAM=e=$size run 0 record --force -o size.evt -- "$emitter" flood 20000
    got=$(count 'test.int' size.evt)
    lost=$(sed -n 's/.*; lost \([0-9]*\).*/\1/p' err)
    # The estimate is made of the items that are left; of 16 words they are the last few, and their length is no measure.
    [ $((got + lost)) -gt 19000 ] && [ $((got + lost)) -lt $((size < 8 ? 31000 : 22000)) ] || fail "e=$size: $got and $lost of 20000"
    ! grep -qi 'corrupt\|length' err || fail "e=$size: $(cat err)"
done

# A reader that is stopped while its ring goes round: what it did not see is lost, about as many as there were; nothing is told as damage.
(OCAMLRUNPARAM=e=10 exec "$evtrail" record -o lapped.evt -- "$emitter" flood 60000 100000 >lapped.out 2>lapped.err) &
reader=$!
children+=("$reader")
until grep -qs '^pid=' lapped.out; do sleep 0.01; done
kill -STOP "$reader"
until_line lapped.out "done flood"
kill -CONT "$reader"
wait "$reader" || fail "record: $(cat lapped.err)"
got=$(count 'test.int' lapped.evt)
lost=$(sed -n 's/.*; lost \([0-9]*\).*/\1/p' lapped.err)
[ "$lost" -gt 0 ] && [ $((got + lost)) -gt 55000 ] && [ $((got + lost)) -lt 65000 ] || fail "$got and $lost of 60000"
! grep -q 'corrupt\|length' lapped.err || fail "$(cat lapped.err)"
[ "$(count 'ocaml.lost' lapped.evt)" -gt 0 ] || fail "no loss in its place"

# A flood after nothing: the reader had become quiet, and comes in time, or says what it missed. One that formats each event does not look at the ring
# meanwhile; a thread does.
for rate in 1000000 0; do
    mkfifo "idle$rate.in"
    EMITTER_WAIT=1 "$emitter" flood 200000 $rate <"idle$rate.in" >"idle$rate.out" 2>&1 &
    pid=$!
    children+=("$pid")
    exec {input}>"idle$rate.in"
    until_line "idle$rate.out" "pid=$pid"
    "$evtrail" cat -p "$pid" -q 'test.int || ocaml.lost' >idle.out 2>idle.err {input}>&- &
    reader=$!
    children+=("$reader")
    until [ "$(find "/proc/$reader/task" -mindepth 1 -maxdepth 1 | wc -l)" -gt 1 ]; do # its thread copies
        kill -0 "$reader" || fail "cat: $(cat idle.err)"
        sleep 0.01
    done
    sleep 0.2
    echo >&"$input"
    until_line "idle$rate.out" "done flood"
    exec {input}>&-
    wait "$reader" || fail "cat: $(cat idle.err)"
    got=$(grep -c 'test.int' idle.out || true)
    lost=$(sed -n 's/.*ocaml.lost .*events=\([0-9]*\).*/\1/p' idle.out | awk '{ sum += $1 } END { print sum + 0 }')
    echo "a flood at $rate/s after nothing: $lost of 200000 lost"
    [ $((got + lost)) -gt 190000 ] && [ $((got + lost)) -lt 210000 ] || fail "rate $rate: $got and $lost of 200000"
done
