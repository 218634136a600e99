# SPDX-License-Identifier: ISC
# What is made, emptied and removed around a program that evtrail record starts, or cannot start; its signals and descriptors.
. "${0%/*}/common.bash"
unset LD_PRELOAD
evtrail=$EVTRAIL_COMMAND
none_left() { equal "$(ls "$EVTRAIL_DIR" 2>/dev/null)" "" "left in the directory of sessions, $1"; }

# a program that cannot be run costs nobody a file
run 0 record -o old.evt -- "$EMITTER" -n 100
cp old.evt kept.evt
run 127 record --force -o old.evt -- ./nothing-here
says 'nothing-here: cannot be run: No such file'
cmp -s old.evt kept.evt || flop "--force emptied a file for a program that is not there"
printf '#!/nothing/here\n' >script
chmod +x script
run 127 record --force -o old.evt -- ./script
cmp -s old.evt kept.evt || flop "--force emptied a file for a script without its interpreter"
run 126 record --force -o old.evt -- /
run 127 record --force -o old.evt -- nothing-here
printf '#!/bin/sh\nexit 5\n' >here
chmod +x here
PATH=/nowhere::$PATH run 5 record --force -o old.evt -- here
PATH=:$PATH run 5 record --force -o old.evt -- here
mkdir minus
(cd minus && echo x >- && timeout 20 "$evtrail" record -o - -- /nonexistent >/dev/null 2>&1; cat ./- 2>&1) >out
equal "$(cat out)" x "a file called -"
mkfifo pipe
if mknod null c 1 3 2>/dev/null; then
    run 127 record --force -o null -- /nonexistent
    [ -c null ] || flop "a device was removed"
fi
# too long for execve(): found only when the output is there already
big=$(head -c 200000 /dev/zero | tr '\0' x)
run 126 record -o new.evt -- true "$big"
[ ! -e new.evt ] || flop "a new file was left for a program that could not be run"
echo old >other.evt
run 126 record --force -o other.evt -- true "$big"
[ -e other.evt ] || flop "an old file was removed"
if [ -c null ]; then
    run 126 record --force -o null -- true "$big"
    [ -c null ] || flop "a device was removed"
fi
for n in 4 5 6 7 8 9 10 11 12; do
    (ulimit -n $n; timeout 20 "$evtrail" record --force -o few.evt -- sh -c 'echo ran >ran; exit 3' >/dev/null 2>err)
    code=$?
    [ "$code" = 0 ] && flop "exit code 0 with $n descriptors"
    [ -e ran ] || [ "$code" != 3 ] || flop "the program's exit code although it did not run"
    rm -f ran
done
none_left "after failures"

# a pipe without a reader, and with one that comes a little later
timeout 10 "$evtrail" record --force -o pipe -- "$EMITTER" -n 10 >out 2>err
equal $? 6 "exit code for a pipe that nobody reads"
says 'pipe: a pipe that nobody reads'
(sleep 0.3; exec cat pipe >piped.evt) &
run 0 record --force -o pipe -- "$EMITTER" -n 10
wait $!
run 0 verify piped.evt

# signals: as we inherited them
(trap '' PIPE XFSZ; timeout 20 "$evtrail" record --quiet -o s1.evt -- grep SigIgn /proc/self/status >out)
grep SigIgn /proc/self/status >wanted0
(trap '' PIPE XFSZ; grep SigIgn /proc/self/status >wanted)
equal "$(cat out)" "$(cat wanted)" "ignored signals"
timeout 20 "$evtrail" record --quiet -o s2.evt -- grep -E 'Sig(Ign|Blk)' /proc/self/status >out
timeout 20 grep -E 'Sig(Ign|Blk)' /proc/self/status >wanted
equal "$(cat out)" "$(cat wanted)" "signals"

# closed descriptors are closed
run 0 record --quiet -o f1.evt -- true
for closed in '<&-' '>&-' '2>&-' '<&- >&- 2>&-'; do
    rm -f list
    eval "timeout 20 '$evtrail' record --quiet --force -o f2.evt -- sh -c 'ls /proc/\$\$/fd >list' $closed"
    rm -f list0
    eval "timeout 20 sh -c 'ls /proc/\$\$/fd >list0' $closed"
    equal "$(tr '\n' ' ' <list)" "$(tr '\n' ' ' <list0)" "descriptors with $closed"
done

# SIGTERM at any instant of the start ends the program, or there is none
for us in 0 500 1000 2000 3000 4000 6000 8000 10000 12000 15000 20000; do
    "$evtrail" record --quiet --force -o t.evt -- sleep 20 2>err &
    recorder=$!
    until [ "/proc/$recorder/exe" -ef "$evtrail" ] || ! kill -0 $recorder; do :; done # until then it is this shell
    sleep "$(printf '0.%06d' $us)"
    kill -TERM $recorder
    for i in $(seq 100); do kill -0 $recorder 2>/dev/null || break; sleep 0.05; done
    if kill -0 $recorder 2>/dev/null; then
        flop "SIGTERM after $us us was swallowed"
        kill -9 $recorder
    fi
    wait $recorder
    equal $? 143 "exit code after SIGTERM, $us us"
done
none_left "after signals"
# sent twice at once, as timeout(1) does, it ends a recording as once
start -l -u 200
"$evtrail" record --all -o w.evt >out 2>err &
recorder=$!
sleep 0.7
kill -TERM $recorder; kill -TERM $recorder
wait $recorder
equal $? 0 "exit code after two signals at once"
run 0 verify w.evt
has 'intact'
finish
