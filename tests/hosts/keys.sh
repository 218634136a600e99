# SPDX-License-Identifier: ISC
# evtrail top on a trace of three hosts, in a terminal: the view of hosts, looking at one, the tree below hosts, searching, sorting.
. "${0%/*}/../top/common.bash"
"$MAKE_HOSTS" hosts.evt && "$MAKE_HOSTS" one.evt db1 || { echo "make_hosts failed" >&2; exit 1; }

screen 132x30 tmux-256color hosts.evt
wait_for '3 hosts, clocks ±400us'
keys H
wait_for '\[H Hosts\]' ; wait_for 'web1 .* 226 .*+1.203ms ± 150us' ; wait_for 'full 5, overwritten 3'
equal "$(selected)" web2 "by events a second"
keys / ; type_text 'db1' ; keys Enter ; wait_for '^>db1'
keys Enter ; wait_for 'filter: machine == "db1"' ; wait_for 'web.* 0 ' ; wait_for 'db1 .* 95 '
keys T ; wait_for 'web.request .*begin .* 15 '
keys F ; wait_gone 'filter:'
# spans below their hosts, and all together
keys R ; wait_for '^>web.request .* 111 '
keys t ; wait_for '^>db1 ' ; wait_for ', by host' ; wait_for '^ web2'
keys - ; wait_for '^>+ db1' ; keys + ; wait_gone '+ db1'
keys j ; keys Enter ; wait_for '→ Span web.request' ; wait_for 'web1/main:101\[101\] id='
keys Escape ; wait_gone '→ Span'
keys t ; wait_for '^>web.request .* 111 \|^ web.request .* 111 '
# entities below their hosts, and flat with a column
keys E ; wait_for '^>db1 ' ; wait_for 'pool 7'
keys t ; wait_for '^ name .* host ' ; wait_for 'conn 1 .* web2 '
keys / ; type_text 'web2' ; keys Enter ; wait_for '^>.* web2 '
keys Enter ; wait_for '→ Entity' ; wait_for 'host  *web2' ; wait_for 'server\[100\]'
! capture | grep -q ' web1 ' || flop "events of another host's entity"
keys Escape ; wait_gone '→ Entity'
# processes: only one of the same pid
keys p ; wait_for 'server .*web2 '
keys / ; type_text 'web2' ; keys Enter ; wait_for '^>server  *web2'
keys Enter ; wait_for 'filter: machine == "web2" && pid == 100'
keys T ; wait_for 'web.request .*begin .* 60 '
keys F ; wait_gone 'filter:'
# the log
keys L ; wait_for '\[L Log\]' ; wait_for ' host ' ; wait_for ' web2 *server\[100\] .* web.refused .*conn=2 code=111' ; wait_for ' db1 *postgres\[300\]'
resize 80x24 ; wait_for ' web2 *server\[100\] .* web.refused .*conn=2' ; fits 80x24 ; resize 132x30
# Tab offers hosts
keys f ; type_text 'mach' ; keys Tab ; wait_for 'filter: machine' ; type_text ' == w' ; keys Tab ; wait_for 'machine == web1' ; keys Enter
wait_for 'filter: machine == web1'
keys q
ended 0

# one host: the key goes nowhere
screen 80x24 tmux-256color one.evt
wait_for '\[T Types\]' ; wait_for 'web.conn'
keys H j ; wait_for '\[T Types\]'
keys R t ; wait_for 'there is one host only'
keys q
ended 0
finish
