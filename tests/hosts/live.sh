# SPDX-License-Identifier: ISC
# Programs on three machines, shipped to one collector: live readers and what they record, and the store, say whose each event is, and how far each clock was.
. "${0%/*}/../cli/common.bash"
unshare --user --map-root-user --uts sh -c 'hostname evt-web1' 2>/dev/null || { echo "no namespaces of host names here: not checked" >&2; exit 77; }
"$EVTRAIL_COMMAND" send --help >/dev/null 2>&1 || { echo "built without send" >&2; exit 77; }
until_true() { # WHAT COMMAND...: within a minute
    for _ in $(seq 600); do "${@:2}" >/dev/null 2>&1 && return 0; sleep 0.1; done
    flop "never: $1"
    tail -n 5 ./*.log >&2
}
count() { [ "$(grep -c "$2" "$1")" -ge "$3" ]; }

"$EVTRAIL_COMMAND" collect --listen "unix:$folder/socket" --store store 2>collect.log & pids+=($!)
until_true 'it listens' count collect.log 'listening on' 1
name=collector://unix:$folder/socket
timeout 200 "$EVTRAIL_COMMAND" record --quiet -o live.evt "$name" 2>record.log & recorder=$!; pids+=($recorder)
timeout 200 "$EVTRAIL_COMMAND" cat --json --limit 1503 "$name" >cat.json 2>cat.log & cat=$!; pids+=($cat)
timeout 200 "$EVTRAIL_COMMAND" top --json --batch 100000 -i 200ms "$name" >top.json 2>top.log & top=$!; pids+=($top)
until_true 'three readers are connected' count collect.log ': connected' 3
run 0 collect --status --store store
has 'LAG .* CLOCK AHEAD'

# on_host NAME: a program there, and its sender, until all is acknowledged
on_host() {
    EVTRAIL_DIR=$folder/sessions.$1 timeout 100 unshare --user --map-root-user --uts sh -c 'hostname "$1"; shift; exec "$@"' sh "$1" \
        "$EVTRAIL_COMMAND" send -c "unix:$folder/socket" --spool "$folder/spool.$1" --drain-time 60s -- "$EMITTER" -n 100 -u 5000 >"send.$1.log" 2>&1 ||
        flop "send on $1: $(cat "send.$1.log")"
}
for host in evt-web1 evt-web2 evt-db1; do on_host $host & done
wait $cat || flop "cat ended with $?"
for host in evt-web1 evt-web2 evt-db1; do
    equal "$(grep '"tid":' cat.json | grep -c "\"host\":\"$host\"")" 501 "events of $host in cat"
done

until_true 'all is recorded' sh -c "'$EVTRAIL_COMMAND' cat live.evt | grep -c ' t.number ' | grep -qx 300"
kill -INT $recorder
wait $recorder || flop "record ended with $?"
hosts_told() { # FILE: all three, and their clocks
    for host in evt-web1 evt-web2 evt-db1; do
        grep -q "\"name\":\"$host\",\"processes\":1,.*\"bound_ns\":[1-9]" "$1" || return 1
    done
}
until_true 'top knows three hosts and their clocks' hosts_told top.json
kill -INT $top
wait $top
for trace in live.evt store; do
    run 0 stat $trace
    for host in evt-web1 evt-web2 evt-db1; do
        has "^ *501 *1 *0  [+-].* +- .*  $host\$"
    done
done
run 0 cat store
has ' evt-db1/emitter:[0-9]*/'
run 0 top --json live.evt
hosts_told out || flop "top does not know the hosts of what was recorded"
finish
