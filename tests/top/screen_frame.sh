# SPDX-License-Identifier: ISC
# What is always there, in several sizes and on several terminals.
. "$(dirname "$0")/common.bash"
EVTRAIL='*' start -l -n 1000000000 -u 2000
emitter=$pid

for size in 80x24 132x50 40x10 60x15 20x6 250x70; do
    screen $size tmux-256color -p "$emitter"
    wait_for 'lost 0\|LOST' && fits $size
    wait_for 'events/s'
    keys '?'
    wait_for 'VIEWS' && fits $size
    keys Escape
    keys q
    ended 0
done

for term in xterm xterm-256color screen tmux vt100 linux vt220; do
    infocmp "$term" >/dev/null 2>&1 || continue
    mouse= # on TERM=linux ncurses asks gpm, whose library leaks a few bytes
    [ $term != linux ] || mouse=--no-mouse
    screen 80x24 $term $mouse -p "$emitter"
    wait_for "emitter\[$emitter\]"
    fits 80x24
    keys q
    ended 0
done

# colours: none without NO_COLOR's consent, in mono terminals, or when it is said; nothing but ASCII where it is said
colors() { tm capture-pane -p -e -t top | grep -c $'\e\[[0-9;]*[34][0-7]' ; }
screen 80x24 tmux-256color -p "$emitter"
wait_for 'help'
[ "$(colors)" -gt 0 ] || flop "no colours where they are wanted"
keys q; ended 0
with=NO_COLOR=1 screen 80x24 tmux-256color -p "$emitter"
wait_for 'help'
equal "$(colors)" 0 "colours with NO_COLOR"
keys q; ended 0
screen 80x24 tmux-256color --color never -p "$emitter"
wait_for 'help'
equal "$(colors)" 0 "colours with --color never"
keys q; ended 0
for how in "xterm --ascii" "vt100"; do
    screen 80x24 $how -p "$emitter"
    wait_for 'help'
    for i in 1 2 3; do
        keys Tab
        sleep 0.2
        capture >out
        ! LC_ALL=C grep -q '[^ -~]' out || flop "not only ASCII with $how"
    done
    keys q; ended 0
done
with=LC_ALL=C screen 80x24 xterm -p "$emitter"
wait_for 'help'
! LC_ALL=C grep -q '[^ -~]' out || flop "not only ASCII in the C locale"
keys q; ended 0

# wide characters take two columns
cp "$EMITTER" 日本語
EVTRAIL='*' ./日本語 -l -n 1000000000 -u 2000 >/dev/null 2>&1 & pids+=($!)
screen 80x24 tmux-256color --wait -v log -p $!
wait_for '日本語\['
wait_for '日本語:[0-9]* info'
fits 80x24
resize 41x12
sleep 0.3
fits 41x12
keys p
wait_for '日本語  *[0-9]'
keys q ; ended 0

# resized while it draws
screen 80x24 tmux-256color -i 10ms -p "$emitter"
wait_for 'events/s'
for size in 100x30 40x10 81x5 10x3 200x60 1x1 80x24; do
    resize $size
    sleep 0.15
    keys Tab
done
sleep 0.3
wait_for 'events/s' && fits 80x24
wait_for 'help'
keys q; ended 0
kill -0 "$emitter" || flop "the traced process has ended"
finish
