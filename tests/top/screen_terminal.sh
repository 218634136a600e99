# SPDX-License-Identifier: ISC
# The terminal: one that vanishes, the shell and back, Esc, no flicker, the first screen.
. "$(dirname "$0")/common.bash"
EVTRAIL='*' start -l -n 1000000000 -u 2000
emitter=$pid
export TERM=xterm-256color

equal "$("$TERMINAL" vanish "$EVTRAIL_COMMAND" top -p "$emitter")" "exit 0" "the terminal vanished"
kill -0 "$emitter" || flop "the traced process has ended with the terminal"
"$TERMINAL" vanish "$EVTRAIL_COMMAND" top -- bash -c 'trap "echo hup >hup; exit 3" HUP; touch up; while :; do sleep 0.05; done' >how
equal "$(cat how)" "exit 3" "the terminal vanished from a program that was started"
equal "$(cat hup)" hup "the program's signal"

case $("$TERMINAL" stuck "$EVTRAIL_COMMAND" top -p "$emitter") in
"exit 0" | "exit 143" | "signal 15") ;;
*) flop "a terminal that takes nothing keeps it" ;;
esac

milliseconds=$("$TERMINAL" first 'events/s' "$EVTRAIL_COMMAND" top -p "$emitter") || flop "no first screen"
echo "first screen after $milliseconds ms (terminal first events/s evtrail top -p PID)"
[ "${milliseconds%.*}" -lt $((100 * ${SLOWNESS:-5})) ] || flop "first screen after $milliseconds ms"
milliseconds=$("$TERMINAL" escape "$EVTRAIL_COMMAND" top -p "$emitter") || flop "Esc does nothing"
echo "Esc after $milliseconds ms"
[ "${milliseconds%.*}" -lt $((50 * ${SLOWNESS:-5})) ] || flop "Esc after $milliseconds ms"
bytes=$("$TERMINAL" bytes 2 "$EVTRAIL_COMMAND" top -v processes -i 100ms -p "$emitter")
echo "$bytes bytes in 2 s, 10 redraws a second"
[ "$bytes" -lt 20000 ] || flop "$bytes bytes in 2 s: more than what differs"

# Ctrl-Z and fg in a shell
tm new-session -d -x 80 -y 24 -s top "cd '$folder'; exec env -u TMUX TERM=tmux-256color PS1='shell: ' bash --norc -i"
tm set -g status off
type_text "'$EVTRAIL_COMMAND' top -p $emitter"
keys Enter
wait_for 'lost 0\|LOST'
keys C-z
wait_for 'Stopped'
wait_gone 'help.*quit'
type_text 'stty -a | grep -c " icanon"'
keys Enter
wait_for '^1$'
type_text fg
keys Enter
wait_for 'help'
keys C-l
wait_for 'emitter\['
keys q
type_text 'echo left'
keys Enter
wait_for '^left$'
wait_gone 'help.*quit'

# a signal ends it and gives the terminal back
screen 80x24 tmux-256color -p "$emitter"
wait_for 'help'
kill -TERM "$(pgrep -P "$(tm list-panes -t top -F '#{pane_pid}')")"
ended 0
wait_gone 'events/s'

# a sequence that is no key of this terminal does nothing: its parts are keys
screen 80x24 tmux-256color -v processes -p "$emitter"
wait_for '\[p Processes\]'
type_text $'\e[99;77q\e[200~\eOQ'
sleep 0.5
[ ! -s code ] || flop "a sequence has acted as q"
capture >out ; lacks PAUSED ; has '\[p Processes\]'
keys q
ended 0

# the mouse: a click on a tab, off and on
screen 80x24 xterm-256color -p "$emitter"
wait_for 'Processes'
column=$(capture | sed -n 's/Processes.*//p' | head -1 | wc -m)
type_text $'\e[<0;'"$column"$';3M'
wait_for '\[p Processes\]'
keys M
wait_for 'mouse off'
keys q
ended 0
finish
