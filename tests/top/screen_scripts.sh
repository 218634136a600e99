# SPDX-License-Identifier: ISC
# evtrail top for scripts: text, JSON, batches, exit codes, no terminal.
. "$(dirname "$0")/common.bash"
run 0 record -o known.evt -- "$EMITTER" -n 1000
events=$("$EVTRAIL_COMMAND" cat -j known.evt | grep -c '"kind"')

run 0 top --json known.evt
json_lines() { if command -v python3 >/dev/null; then python3 -c 'import json; json.load(open("out"))' || flop "not JSON"; fi; }
json_lines
equal "$(value events <out | head -1)" "$events" "events in the JSON"
equal "$(value lost <out | head -1)" 0
run 0 top --once known.evt
has 'known.evt' ; has 'lost 0'
[ "$(wc -l <out)" = 24 ] || flop "not 24 lines"
LINES=50 COLUMNS=120 run 0 top --once known.evt
[ "$(wc -l <out)" = 50 ] || flop "not 50 lines"
run 0 top known.evt </dev/null
says 'shown once'
has 'lost 0'
TERM=dumb run 0 top --once --view processes known.evt
has '\[p Processes\]'

# what the command line gets wrong
run 2 top
says 'nothing to look at'
one_line
run 2 top --view nothing known.evt
one_line
run 2 top --batch 0 known.evt
one_line
run 2 top -p 1 known.evt
one_line
run 3 top -p no-process-of-this-name --once
one_line
run 3 top nothing.evt --once
one_line
run 2 top --once -q 'a ==' known.evt
one_line
mkdir -p config/evtrail
printf '[keys]\nquit = f77\n' >config/evtrail/top.conf
run 2 top --once known.evt
says 'top.conf:2: .f77. is no key'
one_line
printf '[general]\ninterval = often\n' >other.conf
run 2 top --once --config other.conf known.evt
says 'other.conf:2'
bad_config() {
    printf "$1" >bad.conf
    run 2 top --once --config bad.conf known.evt
    says "$2"
    one_line
}
bad_config '[general]\nmuose = on\n' "bad.conf:2: no setting 'muose'"
bad_config '[general]\nmouse = yes\n' 'bad.conf:2: mouse is on or off'
bad_config '[general]\nmemory = lots\n' 'bad.conf:2'
bad_config '[colums]\n' 'no section .colums.'
bad_config '[keys]\nqiut = q\n' 'bad.conf:2: .qiut. is no action'
bad_config '[warnings]\nnothing.threshold = 1\n' 'bad.conf:2'
rm config/evtrail/top.conf
run 2 top --once --fail-on nothing known.evt
one_line
run 3 top --once --config none.conf known.evt

# live, in batches
EVTRAIL='*' start -l -n 1000000000 -u 1000
run 0 top --batch 3 -i 200ms -p "$pid"
equal "$(grep -c 'MB/s' out)" 3 "screens"
run 0 top --batch 2 -i 200ms --json -p "$pid"
equal "$(grep -c '^{"who"' out)" 2 "objects"
run 0 top --once -i 100ms -p "$pid" --fail-on-loss --now

# the program's own code, and its output where it does not get in the way
run 7 top --json -- "$EMITTER" -n 10 -x 7
equal "$(value events <out | head -1)" 50
json_lines
run 0 top --json -- bash -c 'echo from the program'
json_lines
grep -q 'from the program' err || flop "the program's output is not on stderr"
run 0 top --once -- "$EMITTER" -n 10

# losses: what was lost before we looked is told apart
EVTRAIL='*,policy=overwrite,block=4K,blocks=2' start -l -n 1000000000 -u 1000
sleep 1
run 0 top --json --fail-on-loss --fail-on lost -p "$pid"
equal "$(value lost <out | head -1)" 0 "lost since it looked"
has '"lost_before":{"overwritten":'
EVTRAIL='*,policy=overwrite,block=4K,blocks=2' "$EMITTER" -n 100000 & wait $!
session=$(ls "$EVTRAIL_DIR"/"$!"-*.trail 2>/dev/null | head -1)
if [ -n "$session" ]; then
    kill "$pid"; wait "$pid" 2>/dev/null
    run 1 top --json --fail-on-loss "$session"
    [ "$(value lost <out | head -1)" -gt 0 ] || flop "no loss counted"
    has '"overwritten":'
fi
finish
