# SPDX-License-Identifier: ISC
# A program that evtrail top starts: its output, its end, its exit code, and what leaving does to it.
. "$(dirname "$0")/common.bash"
cat >program <<END
#!/bin/bash
echo -e '\e[31mfirst line\e[0m of the program'; echo 'error line' >&2; tty >/dev/null 2>&1 <&1 && echo it has a terminal
read -r line; echo "read gave \$?"
"$EMITTER" -n 100 "\$@"
for i in \$(seq 5000); do echo "line \$i"; done
exit 7
END
chmod +x program

screen 80x24 tmux-256color -- ./program
wait_for 'ended with code 7'
keys o
wait_for 'line 5000'
lacks '\[31m'
keys / ; type_text 'line 4321'; keys Enter
wait_for '^line 4321'
keys G ; wait_for '5,\?00[0-9] lines\|500[0-9] lines'
keys g g
sleep 0.3; keys k
wait_for 'stays here'
keys q
ended 7

cat >short <<END
#!/bin/bash
echo -e '\e[31mfirst line\e[0m of the program'; echo 'error line' >&2; tty -s <&1 && echo it has a terminal
read -r line; echo "read gave \$?"
END
chmod +x short
screen 80x24 tmux-256color -v output -- ./short
wait_for 'read gave 1' ; has 'first line of the program' ; has 'error line' ; has 'it has a terminal'
keys q
ended 0

# leaving asks, and ends what was started
screen 80x24 tmux-256color -- "$EMITTER" -l -n 1000000000 -u 1000
wait_for 'emitter\['
child=$(capture | sed -n 's/^emitter\[\([0-9]*\)\].*/\1/p')
keys q
wait_for 'end the program and leave'
keys n
wait_gone 'end the program'
kill -0 "$child" || flop "the program was ended without a yes"
keys q y
ended 0
! kill -0 "$child" 2>/dev/null || flop "the program still runs"

# one that does not end by itself: quit again kills it
cat >stubborn <<'END'
#!/bin/bash
trap '' TERM HUP
echo ready
while :; do sleep 0.1; done
END
chmod +x stubborn
screen 80x24 tmux-256color -v output -- ./stubborn
wait_for ready
keys q y
wait_for 'waiting for the program'
keys q
ended 137

# one that cannot be run, and one that ends at once
screen 80x24 tmux-256color -- ./nothing-of-this-name
ended 127
says 'nothing-of-this-name: cannot be run'
screen 80x24 tmux-256color -- /bin/true
wait_for 'ended with code 0'
keys q
ended 0

# processes that were attached to are not touched
EVTRAIL='*' start -l -n 1000000000 -u 1000
screen 80x24 tmux-256color -p "$pid"
wait_for 'emitter\['
keys q
ended 0
kill -0 "$pid" || flop "leaving has ended a process that it did not start"
# ... and one that is killed leaves its figures
screen 80x24 tmux-256color -p "$pid"
wait_for 'emitter\['
kill -9 "$pid"
wait_for 'emitter\[[0-9]*\] ended'
keys q
ended 0
finish
