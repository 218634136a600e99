# SPDX-License-Identifier: ISC
# Processes that flood, fork, stop, come and go, while evtrail top looks on: it stays usable and says what is.
. "$(dirname "$0")/common.bash"

# a flood: as many events as can be; keys are answered, and losses are said
EVTRAIL='*' "$LOAD" -r 0 -s 30 >/dev/null 2>&1 & flood=$!; pids+=($flood)
for i in $(seq 100); do "$EVTRAIL_COMMAND" ls --json 2>/dev/null | grep -q "\"pid\":$flood,.*\"types\":[1-9]" && break; sleep 0.02; done
screen 80x24 tmux-256color -p "$flood"
wait_for 'M events/s\|k events/s'
keys S ; wait_for '\[S Spans\]' 3
keys E ; wait_for '\[E Entities\]' 3
keys L ; wait_for '\[L Log\]' 3
keys T ; wait_for '\[T Types\]' 3
keys Space ; wait_for PAUSED 3
keys Space ; wait_gone PAUSED 3
keys f ; type_text 'load.step' ; keys Enter ; wait_for 'filter: load.step' 5
wait_for 'load.step'
keys F
kill -9 "$flood"
wait_for 'load\[[0-9]*\] ended'
keys q
ended 0

# one that is stopped, and goes on
EVTRAIL='*' start -l -n 1000000000 -u 1000
screen 80x24 tmux-256color -i 100ms -p "$pid"
wait_for 'k events/s'
kill -STOP "$pid"
wait_for '^0 events/s'
keys S ; wait_for '\[S Spans\]' 3
kill -CONT "$pid"
wait_for 'k events/s'
keys q
ended 0
kill -9 "$pid"

# one that forks: its children are seen; the program's own code comes back
screen 80x24 tmux-256color -- "$EMITTER" -n 200 -c 5 -x 4
wait_for 'ended with code 4'
wait_for '^6 processes'
keys T ; wait_for 't.number .*1,200'
keys q
ended 4

# many that come and go
screen 80x24 tmux-256color -- bash -c "for i in \$(seq 60); do '$EMITTER' -n 20; done"
wait_for 'ended with code 0' 20
wait_for 't.number .*1,200'
fits 80x24
keys p ; wait_for '\[p Processes\]'
keys q
ended 0
finish
