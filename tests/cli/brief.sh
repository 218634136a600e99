# SPDX-License-Identifier: ISC
# Processes that end before a reader of all processes can have opened their session.
. "${0%/*}/common.bash"

# brief COUNT: processes of a millisecond or two, five events each
brief() {
    local i
    for i in $(seq "$1"); do EVTRAIL='*' "$EMITTER" -n 1; done
}
sessions() { find "$EVTRAIL_DIR" -name '*.trail' -o -name '*.ctl' | wc -l; }
# watch COMMAND...: in the background, until it watches the directory; its pid is in $watcher
watch() {
    "$EVTRAIL_COMMAND" "$@" >out 2>err &
    watcher=$!
    pids+=("$watcher")
    local i
    for i in $(seq 100); do [ -e "$EVTRAIL_DIR/.watch" ] && break; sleep 0.02; done
    sleep 0.1
}
stop() {
    kill -TERM "$watcher"
    wait "$watcher"
    equal $? 0 "exit code of the reader"
}

# nobody watches: nothing stays
brief 3
equal "$(sessions)" 0 "files of sessions that nobody waits for"

watch record --all -o a.evt
brief 100
sleep 0.5
stop
equal "$(cat err | wc -l)" 1 "lines of the recorder"
run 0 stat --json a.evt
equal "$(tail -1 out | value events)" 500 "events of processes that were brief"
equal "$(sessions)" 0 "files after the recorder has ended"
[ ! -e "$EVTRAIL_DIR/.watch" ] || flop "the mark stays although nobody watches"

# two readers: each gets everything
watch record --all -o b.evt
recorder=$watcher
watch cat --all --json
brief 50
sleep 0.6
stop
equal "$(grep -c '"name":"t\.' out)" 250 "events that cat saw"
[ -e "$EVTRAIL_DIR/.watch" ] || flop "the mark is gone although the recorder watches"
watcher=$recorder
stop
run 0 stat --json b.evt
equal "$(tail -1 out | value events)" 250 "events that were recorded beside cat"
equal "$(sessions)" 0 "files after both have ended"

# a reader that died does not count; what it left the next one reads and removes
watch record --all -o c.evt
kill -STOP "$watcher"
brief 1
kill -KILL "$watcher"
wait "$watcher" 2>/dev/null
left=$(sessions)
equal "$left" 2 "files left to the reader that died"
brief 3
equal "$(sessions)" 2 "files when nobody lives to watch"
watch cat --all --json
sleep 0.6
equal "$(grep -c '"name":"t\.' out)" 5 "events that the dead reader did not read"
equal "$(sessions)" 0 "files after the next reader"
stop

# one that was stopped for long does not fill the memory
watch record --all -o d.evt
kill -STOP "$watcher"
touch -d '20 seconds ago' "$EVTRAIL_DIR/.watch"
brief 3
equal "$(sessions)" 0 "files left to a reader that does not move"
kill -CONT "$watcher"
stop
finish
