# SPDX-License-Identifier: ISC
# Choosing processes, and new ones as they start.
. "$(dirname "$0")/common.bash"
screen 80x24 tmux-256color
wait_for 'no traced process yet'
has 'nothing chosen'
EVTRAIL='*' start -l -n 1000000000 -u 2000
first=$pid
wait_for "emitter  *$first "
EVTRAIL='*' start -l -n 1000000000 -u 2000
second=$pid
wait_for "emitter  *$second "
keys / ; type_text "$second" ; keys Enter
keys Enter
wait_for "^emitter\[$second\]"
keys p
wait_for "$second watched"
has "$first  *alive"
keys / ; type_text "$first" ; keys Enter
keys e
wait_for '^2 processes'
keys g g Enter
wait_for '^2 processes'
wait_for 'looking at all processes'
keys S ; wait_for '\[S Spans\]' # of this view is what is said now
lacks 'looking at all processes'
keys p ; wait_for 'enter: watch it'
EVTRAIL='*' start -l -n 1000000000 -u 2000
third=$pid
wait_for '^3 processes'
kill -9 "$third"
wait_for '3 processes, 1 ended'
keys q
ended 0

# --all from the start, and waiting for one by name
screen 80x24 tmux-256color --all
wait_for 'processes'
keys q
ended 0
cp "$EMITTER" ./latecomer
screen 80x24 tmux-256color --wait -p latecomer
wait_for 'waiting for the process'
EVTRAIL='*' ./latecomer -l -n 1000000000 -u 2000 & pids+=($!)
wait_for '^latecomer\['
keys q
ended 0
finish
