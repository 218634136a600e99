# SPDX-License-Identifier: ISC
# A trace file's events have the same times through a pipe as by its path, and sane ones while it is written.
tests=$(cd "${0%/*}/.." && pwd)
. "${0%/*}/common.bash"
# through FILE: the text of what comes through a pipe, and of what was asked for by path, are the same
through() {
    run 0 cat --time=epoch "$1"
    mv out by-path
    timeout 30 "$EVTRAIL_COMMAND" cat --time=epoch - < <(cat "$1") >out 2>err || flop "reading $1 from a pipe"
    cmp -s by-path out || flop "$1: through a pipe: $(diff by-path out | sed -n 2p), by path: $(diff by-path out | grep -m1 '^>')"
    run 0 cat --json "$1"
    mv out by-path
    timeout 30 "$EVTRAIL_COMMAND" cat --json - < <(cat "$1") >out 2>err || flop "reading $1 from a pipe"
    cmp -s by-path out || flop "$1: in JSON, through a pipe, it reads otherwise than by path"
}
# epochs: the first and the last time in `out`, in ns
epochs() { sed -n 's/^\([0-9]*\) .*/\1/p' out | sed -n '1p;$p'; }

timeout 30 "$EVTRAIL_COMMAND" record --quiet -o short.evt -- "$EMITTER" -n 100 -u 1000 || flop "record"
through short.evt
timeout 30 "$EVTRAIL_COMMAND" record --quiet -o children.evt -- "$EMITTER" -n 50 -u 1000 -c 3 || flop "record"
through children.evt
timeout 30 "$EVTRAIL_COMMAND" record --quiet --flush 50ms -o long.evt -- "$EMITTER" -n 2500 -u 500 || flop "record"
through long.evt
through "$tests/golden/format-1.evt"
run 0 report short.evt
mv out by-path
timeout 30 "$EVTRAIL_COMMAND" report - < <(cat short.evt) >out 2>err || flop "a report of a pipe"
sed -i 's/standard input/short.evt/g' out
cmp -s by-path out || flop "a report of a pipe is not that of the file"

# While it is written: the same times as afterwards, but for what the clocks' later readings say better.
start -l -u 1000
for follow in '' --follow; do
    timeout 30 "$EVTRAIL_COMMAND" record --quiet --flush 20ms -o - -p "$pid" --duration 600ms 2>record.err | tee piped.evt |
        timeout 30 "$EVTRAIL_COMMAND" cat $follow --time=epoch - >out 2>err || flop "cat $follow of a recorder's output"
    piped=($(epochs)) piped_count=$(grep -c . out)
    run 0 cat --time=epoch piped.evt
    times=($(epochs))
    equal "$piped_count" "$(grep -c . out)" "lines of a recorder's output"
    [ $((times[1] - times[0])) -gt 300000000 ] || flop "little was recorded: $(cat record.err)"
    for i in 0 1; do
        off=$((piped[i] - times[i]))
        [ "${off#-}" -lt 1000000 ] || flop "the times in a recorder's output are $off ns off"
    done
done

# What is damaged in a stream that goes on is stepped over with what is at hand: nothing is waited for that need not come, and a stop is heeded.
whole=$(stat -c %s short.evt)
run 0 cat short.evt
events=$(grep -c ' t\.' out)
mkfifo live
for damage in cut garbage batch table; do
    {
        head -c $((whole * 2 / 3)) short.evt # in the middle of a frame
        case $damage in
        garbage) head -c 300 /dev/urandom ;;
        batch) printf '\121\052\115\030\377\377\377\077' ;; # no frame of ours is so large
        table) printf '\136\052\115\030\377\377\377\177' ;; # zstd's seek table, of 2 GiB
        esac
        [ $damage = table ] || cat short.evt
        exec sleep 60
    } >live &
    sleeper=$!
    timeout 20 "$EVTRAIL_COMMAND" cat --follow --duration 1s live >out 2>err
    code=$?
    [ $code = 5 ] || { [ $damage = table ] && [ $code = 0 ]; } || flop "$damage in a live stream: exit code $code"
    count=$(grep -c ' t\.' out)
    [ $damage = table ] || [ "$count" -ge "$events" ] || flop "$damage in a live stream: $count events came, not $events"
    kill $sleeper
    wait $sleeper 2>/dev/null
done
finish
