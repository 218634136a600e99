# SPDX-License-Identifier: ISC
# -p PID: processes that have their sessions in another directory, root or pid namespace than ours.
. "${0%/*}/common.bash"

# begin COMMAND...: in the background, with its sessions in $where; $pid when there is one
where=$folder/elsewhere
begin() {
    EVTRAIL_DIR=$where "$@" >/dev/null 2>&1 &
    pid=$!
    pids+=("$pid")
    local i
    for i in $(seq 200); do ls "${seen:-$where}"/*.trail >/dev/null 2>&1 && return; sleep 0.02; done
    flop "no session in $where"
}

end() { kill -9 "$pid"; wait "$pid" 2>/dev/null; }

begin "$EMITTER" -l -u 500
run 0 cat -p "$pid" -e 't.number' -n 5
equal "$(grep -c 't.number' out)" 5
run 0 enable -p "$pid" 't.level'
has '1 event type changed'
run 0 set -p "$pid" policy=overwrite
run 0 record -p "$pid" --duration 300ms -o a.evt
equal "$(wc -l <err)" 1 "lines of the recorder"
run 0 verify a.evt
run 3 cat -p emitter # by name only where we look
one_line

# a directory that the process names relative to where it is
mkdir -p there
end
(cd there && where=own && seen=own && begin "$EMITTER" -l -u 500 && echo "$pid" >pid)
pid=$(cat there/pid)
pids+=("$pid")
run 0 cat -p "$pid" -e 't.number' -n 5
end

# one that has no session anywhere: where it was looked for
EVTRAIL_DIR=$folder/third sleep 60 &
pid=$!
pids+=("$pid")
run 3 cat -p "$pid"
one_line
says "process $pid has no session in $EVTRAIL_DIR or in $folder/third: link it"
run 3 enable -p "$pid" '*'
one_line
says "in $folder/third"
end

# a container: another root directory, another pid
if unshare --fork --pid --mount true 2>/dev/null; then
    mkdir -p inner
    unshare --fork --pid --mount sh -c "mount -t tmpfs none '$folder/inner' && export EVTRAIL_DIR='$folder/inner/s' &&
        '$EMITTER' -l -u 500" >/dev/null 2>&1 &
    shell=$!
    pids+=("$shell")
    pid=
    for i in $(seq 100); do
        for process in /proc/[0-9]*; do
            [ "$(tr '\0' ' ' 2>/dev/null <"$process/cmdline")" = "$EMITTER -l -u 500 " ] && pid=${process#/proc/}
        done
        [ -n "$pid" ] && [ -e "/proc/$pid/root$folder/inner/s" ] && break
        sleep 0.02
    done
    sleep 0.2
    pids+=("$pid")
    run 0 cat -p "$pid" -e 't.number' -n 5
    equal "$(grep -c 't.number' out)" 5 "events out of the container"
    run 0 enable -p "$pid" 't.level'
else
    echo "no namespaces may be made here: containers are not tried"
fi
finish
