# SPDX-License-Identifier: ISC
# Living processes: ls, enable, disable, set, cat -p, record -p, --all, snapshots, triggers, and processes that die.
. "${0%/*}/common.bash"

# These overwrote before we came; how much of it was gone before we had read it is the machine's affair.
only_overwritten='lost \(0$\|[0-9]* (overwritten [0-9]*)\)'
# Within a minute, evtrail with these arguments prints that: what a reader beside us does takes the time it takes.
until_has() {
    local wanted=$1
    shift
    for _ in $(seq 600); do
        run 0 "$@"
        ! grep -q -- "$wanted" out || return 0
        sleep 0.1
    done
    has "$wanted"
}
# until a file is larger than so many bytes
until_larger() {
    for _ in $(seq 600); do
        [ "$(stat -c %s "$1" 2>/dev/null || echo 0)" -le "$2" ] || return 0
        sleep 0.1
    done
    flop "$1 is not larger than $2 bytes"
}

run 0 ls
start -l -u 500
run 0 ls
has "$pid .*emitter .*alive"
run 0 ls --json --directory "$EVTRAIL_DIR"
json_lines
equal "$(value pid <out)" "$pid"

run 0 enable -l -p "$pid"
has 'off .* t.number'
run 0 enable 't.number' -p "$pid"
has '1 event type changed'
run 0 enable -l -p emitter 't.number'
has '^on '
lacks t.span
run 0 enable -l --json -p emitter
json_lines
run 0 disable 't.n*' --all
run 0 enable -l -p "$pid" t.number
has '^off'
# what was switched off by hand is on again for who asks for it later, not for who wants everything
run 0 record -p "$pid" -e t.number -e t.level --until t.number -o asked.evt
run 0 grep -c t.number asked.evt
[ "$(cat out)" -gt 0 ] || flop "record -e t.number got none: it had been switched off before"
run 0 enable -l -p "$pid" t.number
has '^off'
"$EVTRAIL_COMMAND" record --quiet -p "$pid" -o everything.evt >/dev/null 2>&1 &
reader=$!
until_has '^on' enable -l -p "$pid" t.span
run 0 enable -l -p "$pid" t.number
has '^off'
kill -TERM $reader
wait $reader
kill -9 "$pid"
run 0 prune
start -l -u 500
run 2 enable '*'
says 'which process'
run 2 enable -p "$pid"
run 2 enable ':::' -p "$pid"
one_line

run 0 set policy=drop blocks=32 -p "$pid"
run 0 set -p "$pid"
has 'policy=drop'
run 2 set policy=sideways -p "$pid"
one_line
run 2 set blocks=9999999 -p "$pid"
run 0 set policy=overwrite -p "$pid"

run 0 complete 3 evtrail cat -p em
has '^emitter'
run 0 complete 3 evtrail enable -p "${pid:0:1}"
run 0 complete 4 evtrail enable -p "$pid" t.
has '^t.number'

# live reading
run 0 cat -p "$pid" -e 't.number' -n 20
equal "$(grep -c 't.number' out)" 20
run 0 cat --all -e 't.*' -n 500 --json
json_lines
has '"name":"t.level"'
run 0 stat -p emitter -e '*' --duration 300ms --json
json_lines
timeout 20 "$EVTRAIL_COMMAND" cat -p "$pid" -e '*' 2>err | head -2 >out
equal "${PIPESTATUS[0]}" 0
equal "$(cat err)" ""
"$EVTRAIL_COMMAND" cat -p "$pid" -e 't.number' >out 2>err &
reader=$!
until_larger out 0
kill -TERM $reader # bash starts background jobs with SIGINT ignored, and evtrail leaves that
wait $reader
equal $? 0 "exit code after SIGTERM"
has t.number
run 0 enable -l -p "$pid" t.number
has '^off' # the reader's wish went with it

# recording
run 0 record -p "$pid" --duration 400ms -o a.evt
says 'lost 0'
run 0 verify a.evt
run 0 set -p "$pid"
has 'policy=overwrite' # put back
run 0 record -p emitter --until 't.fault' -o b.evt
run 0 grep -c t.fault b.evt
"$EVTRAIL_COMMAND" record --all -o c.evt 2>err &
recorder=$!
first=$pid
until_has '^on' enable -l -p "$first" t.number
"$EMITTER" -n 5000 -u 200 # lives long enough to be found
start -l -u 500
second=$pid
until_has '^on' enable -l -p "$second" t.number
kill -TERM $recorder
wait $recorder
equal $? 0 "exit code after SIGTERM"
says "$only_overwritten"
run 0 stat c.evt
has 'from 3 processes'

# a process that dies while it is recorded
"$EVTRAIL_COMMAND" record -p "$second" -o d.evt 2>err &
recorder=$!
until_has '^on' enable -l -p "$second" t.number
kill -9 "$second"
wait $recorder
equal $? 0 "exit code after the process was killed"
says "$only_overwritten"
run 0 ls
lacks "$second "

# the flight recorder
run 0 enable 't.*' -p "$first"
run 0 cat -p "$first" -e 't.*' -n 300
run 0 record --snapshot -p "$first" -o e.evt
run 0 stat --json e.evt
[ "$(tail -1 out | value events)" -gt 100 ] || flop "the snapshot has few events"
run 0 enable -l -p "$first" t.number
has '^on' # left as it was
run 0 record -p "$first" --trigger 't.fault' -o f.evt
run 0 grep -c t.fault f.evt
kill -9 "$first"
wait "$first" 2>/dev/null
run 0 record --snapshot -p "$first" -o g.evt
run 0 verify g.evt
run 0 ls
has dead
run 0 prune

# --wait, beside a session of a process of that name that has ended
start -l -u 500
kill -9 "$pid"
wait "$pid" 2>/dev/null
run 0 ls
has dead
"$EVTRAIL_COMMAND" cat -p emitter --wait -e 't.number' -n 5 >out 2>err &
reader=$!
sleep 0.3
start -l -u 500
wait $reader
equal $? 0 "exit code of cat --wait"
equal "$(grep -c t.number out)" 5
run 0 prune

# an end without any event has a time, too
start -l
"$EVTRAIL_COMMAND" cat --json -p "$pid" >out 2>err &
reader=$!
for _ in $(seq 600); do # until it has mapped the session
    grep -q "$EVTRAIL_DIR" "/proc/$reader/maps" && break
    sleep 0.1
done
kill -TERM "$pid"
wait $reader
equal $? 0 "exit code of cat"
has "\"time\":\"$(date -u +%Y)-"
lacks 1677

# missing, and not ours
run 3 cat -p 999999999
one_line
run 3 enable t -p nobody-has-this-name
one_line
run 3 record -p nobody-has-this-name -o z.evt
one_line
[ ! -e z.evt ] || flop "a file was made for no process"
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    chmod 755 "$folder"
    chmod 700 "$EVTRAIL_DIR"
    other="setpriv --reuid=65534 --regid=65534 --clear-groups"
    if $other test -x "$EVTRAIL_COMMAND" && $other "$EVTRAIL_COMMAND" --version >/dev/null 2>&1; then
        (cd /; $other timeout 20 "$EVTRAIL_COMMAND" cat -p "$pid") >out 2>err
        equal $? 4 "exit code for another user's session"
        one_line
        (cd /; $other timeout 20 "$EVTRAIL_COMMAND" enable t -p "$pid") >out 2>err
        equal $? 4 "exit code for another user's process"
    fi
fi
finish
