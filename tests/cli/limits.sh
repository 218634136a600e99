# SPDX-License-Identifier: ISC
# When something runs out, or is not what it should be: what is said, and that the account is complete.
. "${0%/*}/common.bash"

# account FILE EMITTED: written, not written and lost are all there is
account() {
    local written unwritten lost
    written=$(sed -n 's/.*: \([0-9]*\) events in.*/\1/p' err)
    lost=$(sed -n 's/.*; lost \([0-9]*\).*/\1/p' err)
    unwritten=$(sed -n 's/.*; \([0-9]*\) events were not written.*/\1/p' err)
    equal $((${written:-0} + ${lost:-0} + ${unwritten:-0})) "$2" "events that are accounted for: $written + $lost + $unwritten"
    run 0 stat --json "$1"
    equal "$(tail -1 out | value events)" "$written" "events in the file"
}

# a full disk
mkdir small
if mount -t tmpfs -o size=200k none small 2>/dev/null; then
    run 6 record -o small/full.evt -- "$EMITTER" -n 300000
    account small/full.evt 1503000
    umount small
    mount -t tmpfs -o size=16k none small
    run 6 record -o small/full.evt -- "$EMITTER" -n 20000 -u 20
    says 'No space left on device; from here on events are only counted'
    account small/full.evt 100200
    rm small/full.evt
    start -l -u 100
    run 6 record -p "$pid" -o small/full.evt
    says 'No space left on device; [0-9]* events were not written'
    umount small
else
    echo "no tmpfs may be mounted here: a full disk is not tried"
fi

# descriptors run out: that is what is said
for i in 1 2 3 4 5 6 7 8; do start -l -u 5000; done
for n in 11 12 13 14; do
    (ulimit -n $n; timeout 20 "$EVTRAIL_COMMAND" record --all -d 0.3 --force -o b.evt >out 2>err)
    equal $? 7 "exit code with $n descriptors"
    says 'Too many open files'
    ! grep -q 'not there or not writable' err || flop "with $n descriptors: $(cat err)"
done

# processes that end while they are opened are no failure
(while :; do "$EMITTER" -n 2 >/dev/null 2>&1; done) &
loop=$!
pids+=("$loop")
run 0 record --all -d 3 --force -o b.evt
! grep -q 'not there' err || flop "$(cat err)"
kill -9 $loop

# a program without a session
cat >quiet.c <<'C'
int main(void) { return 0; }
C
if ${CC:-cc} -static -o quiet quiet.c 2>/dev/null; then
    run 0 record -o c.evt -- ./quiet
    says 'quiet: made no session: '
    says 'lost 0'
fi
EVTRAIL=off run 0 record -o d.evt -- "$EMITTER" -n 10
says 'made no session: '
EVTRAIL=off run 0 record --quiet -o e.evt -- "$EMITTER" -n 10
equal "$(cat err)" ""
run 0 record -o f.evt -- "$EMITTER" -n 10
! grep -q 'made no session' err || flop "$(cat err)"

# directories that are none: which, and why
touch file
EVTRAIL_DIR=$PWD/file run 3 ls
says "$PWD/file: Not a directory"
mkdir open && chmod 777 open
EVTRAIL_DIR=$PWD/open run 4 ls
says "$PWD/open: others may write there"
EVTRAIL_DIR=$PWD/file run 3 record -o g.evt -- "$EMITTER"
says "$PWD/file: no directory for sessions"

# standard input that somebody made non-blocking
if command -v python3 >/dev/null; then
    run 0 record -o h.evt -- "$EMITTER" -n 100
    (sleep 0.2; head -c 300 h.evt; sleep 0.3; tail -c +301 h.evt) |
        timeout 20 python3 -c 'import os,sys
os.set_blocking(0, False)
os.execv(sys.argv[1], sys.argv[1:])' "$EVTRAIL_COMMAND" stat --json - >out 2>err
    equal $? 0 "exit code of stat - without blocking"
    equal "$(tail -1 out | value events)" 501
fi
finish
