# SPDX-License-Identifier: ISC
# Help, man pages, completion and wrong command lines, all out of one table.
. "${0%/*}/common.bash"

run 0 help
has '^  record '
has '^  5  the input is damaged'
commands=$(awk '/^Commands:/ { on = 1; next } on && /^$/ { exit } on { print $1 }' out)
for command in $commands; do
    run 0 help --man "$command"
    has '^.TH evtrail'
    if command -v man >/dev/null; then
        LC_ALL=C MANROFFSEQ='' man --warnings -E UTF-8 -l -Tutf8 -Z out >/dev/null 2>err || flop "man cannot show evtrail-$command"
        equal "$(cat err)" "" "warnings of man on evtrail-$command"
    fi
    run 0 help "$command"
    has "^Usage: evtrail $command"
    cp out by_help
    run 0 "$command" --help
    cmp -s out by_help || flop "evtrail help $command and evtrail $command --help differ"
    [ "$(awk 'length > 110' out | wc -l)" = 0 ] || flop "help of $command has lines that are too long"
done
run 0 help --man
has '^.SH "EXIT STATUS"'
run 0 --version
has '^evtrail [0-9]'
run 0 --help

run 2
one_line
run 2 recrod
says "did you mean 'record'"
one_line
run 2 xyzzy
says "evtrail help"
run 2 cat --jsno x
says "did you mean --json"
one_line
run 2 cat -Q x
one_line
run 2 cat --limit
one_line
run 2 cat --limit many x
says "1000 or 20k"
run 2 cat --time=sideways x
says "relative|local"
run 2 record prog
says "write -- before it"
run 2 record --
run 2 cat
says "nothing to read"
run 2 grep
run 2 help xyzzy

run 2 bench nosuch
says "no case 'nosuch'"
one_line
run 0 bench --list
has 'emit/u64/overwrite/1'
run 0 complete 2 evtrail bench --pe
has '^--peer'
for rules in a:bogus a:b:c 'a b@sideways' 'good,-bad+worse'; do
    run 2 record -e "$rules" -o rules.evt -- true
    one_line
    [ ! -e rules.evt ] || flop "a file was made for the rules '$rules'"
done

run 0 complete 1 evtrail re
has '^record'
has '^repair'
lacks '^cat'
run 0 complete 2 evtrail cat --js
has '^--json'
run 0 complete 3 evtrail cat --time e
has '^epoch'
run 0 complete 4 evtrail cat --time = lo
has '^local'
run 0 complete 2 evtrail cat x
has '^:file'
run 0 complete 3 evtrail record -- x
has '^:command'
run 0 complete 2 evtrail help ver
has '^verify'
run 0 complete 2 evtrail set pol
has '^policy=drop'

run 0 help --bash
bash -n out || flop "the bash script has a fault"
result=$(PATH=$(dirname "$EVTRAIL_COMMAND"):$PATH bash -c '. ./out; COMP_WORDS=(evtrail ver); COMP_CWORD=1; _evtrail; echo "${COMPREPLY[*]}"')
equal "$result" verify "completion in bash"
run 0 help --zsh
if command -v zsh >/dev/null; then zsh -n out || flop "the zsh script has a fault"; fi

# A closed or full standard output
timeout 10 "$EVTRAIL_COMMAND" help >/dev/full 2>err
equal $? 6 "exit code with a full device"
one_line
timeout 10 "$EVTRAIL_COMMAND" help 2>err | true
equal "$(cat err)" ""
finish
