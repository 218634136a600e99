# SPDX-License-Identifier: ISC
# Entities and warnings: figures as stat's, on the screen and as JSON; every key; live, filtered, and after the process was killed.
. "$(dirname "$0")/common.bash"
run 0 record -o known.evt -- "$EMITTER" -n 1001
run 0 stat known.evt
states=$(sed -n 's/.*t.thing: //p' out)
live=$(awk '/t.thing: /{print $1}' out)
run 0 top --json -v entities known.evt
has '"class":"t.thing"'
shown=$(grep -o '"class":"t.thing","alive":[^}]*}' out | head -1)
equal "$(sed 's/.*"ended":\([0-9]*\).*/\1/' <<<"$shown")" "$live" "entities that lived at the end"
for state in even odd; do
    equal "$(sed "s/.*\"$state\":\([0-9]*\).*/\1/" <<<"$shown")" "$(sed "s/.*$state \([0-9]*\).*/\1/" <<<"$states")" "in state $state"
done

# every rule is in the manual and in the documentation
page=$(dirname "$0")/../../docs/top.md
rules=$("$EVTRAIL_COMMAND" help --man top | sed -n '/^.SH "WARNINGS"/,/^.SH "CONF/s/^\\fB\([^ ]*\) .*/\1/p' | tr -d '\\')
[ "$(wc -w <<<"$rules")" -ge 9 ] || flop "no rules in the manual: $rules"
for rule in $rules; do
    grep -q "^| \`$rule\` " "$page" || flop "$rule is not in docs/top.md"
done

# warnings make the exit code; what is wrong in the configuration is told with its line
cat >faults.conf <<'END'
[warning faults]
when = t.fault
more_than = 5
say = %s came %v times
[view things]
entities = t.*
columns = state age pid
sort = -age
tree = no
filter = class == t.thing && id <= 4
title = Things
key = 9
END
run 0 top --json --config faults.conf --fail-on lost known.evt
run 1 top --json --config faults.conf --fail-on lost,faults known.evt
has 't.fault came'
has '"things":{'
equal "$(sed -n 's/^"things"/&/p' out | head -1 | cut -c1-8)" '"things"'
equal "$(sed -n '/^"things"/,$p' out | grep -c '"name":"thing ')" 4 "rows that the view's filter leaves"
run 2 top --once --fail-on nothing known.evt
one_line
wrong() { # CONFIGURATION MESSAGE
    printf "$1" >wrong.conf
    run 2 top --once --config wrong.conf known.evt
    says "$2"
    one_line
}
wrong '[warnings]\nleak = never\n' 'wrong.conf:2.*neither on nor off'
wrong '[warnings]\n\nleek = off\n' 'wrong.conf:3.*no such rule'
wrong '[states]\nactive = lazy\n' 'wrong.conf:2.*none of busy'
wrong '[view x]\ncolumns = name colour\n' "wrong.conf:2.*no column 'colour'"
wrong '[view x]\nfilter = uses >\n' 'wrong.conf:2.*filter'
wrong '[view log]\nentities = a\n' 'there is a view of this name'
wrong '[warning x]\nwhen = a\nby = b\nmore = 7\n' 'wrong.conf:4.*no such setting'

# live
EVTRAIL='*' start -l -n 1000000000 -u 1000
emitter=$pid
screen 100x30 tmux-256color --config faults.conf -p "$emitter"
keys E
wait_for '\[E Entities\]'
wait_for 't.thing 10'
wait_for '^.thing 7 '
fits 100x30
keys / ; type_text 'thing 7'; keys Enter
wait_for '^>thing 7 '
keys Enter
wait_for 'its events'
wait_for 't.thing'
has 'even\|odd'
fits 100x30
keys y
keys Escape
wait_for '\[E Entities\]'
keys t
wait_for '^.thing 7 '
keys '>' ; keys I ; keys d ; keys d
keys 9
wait_for '\[9 Things\]'
wait_for '^.thing 4 '
lacks 'thing 7'
keys '!'
wait_for '\[! Warnings'
wait_for 't.fault came'
keys Enter
wait_for 'warning faults'
keys Escape
for size in 80x24 40x10 20x5 132x40; do
    resize $size
    for key in E 9 '!'; do
        keys "$key"
        sleep 0.1
        fits $size
    done
done
keys E
kill -9 "$emitter"
wait_for 'ended' 10
wait_for 'thing 1 .*ended'
keys q
ended 0
finish
