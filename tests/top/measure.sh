#!/bin/bash
# SPDX-License-Identifier: ISC
# What evtrail top costs, in a terminal of 120x40 with ten redraws a second: measure.sh BUILD_FOLDER [SECONDS]. One line a case: events a second, share
# of one core that top took, its memory, what it says of losses and sampling. No test: figures depend on the machine and on what else runs there.
build=$(cd "${1:?a build folder}" && pwd) || exit 2
seconds=${2:-5}
folder=$(mktemp -d /dev/shm/evtrail-measure.XXXXXX)
export EVTRAIL_DIR=$folder LC_ALL=C.UTF-8
unset TMUX
tm() { tmux -u -S "$folder/tmux" -f /dev/null "$@"; }
trap 'tm kill-server 2>/dev/null; kill $load 2>/dev/null; rm -rf "$folder"' EXIT

ticks() { awk '{print $14 + $15}' "/proc/$1/stat"; }
anonymous() { awk '/^RssAnon/ {printf "%.0f MiB", $2 / 1024}' "/proc/$1/status"; }
# What is held: files in memory.
held() {
    local sum=0 blocks file
    for file in /proc/"$1"/fd/*; do
        case $(readlink "$file") in
        /memfd:*) blocks=$(stat -Lc %b "$file" 2>/dev/null) && sum=$((sum + blocks * 512)) ;;
        esac
    done
    echo "$((sum >> 20)) MiB"
}
# events that were lost so far, as the program's session says and top saw it: from the head of the screen
lost() {
    tm capture-pane -p -t top >"$folder/screen"
    head -3 "$folder/screen" | grep -o 'lost 0\|LOST [0-9.,kMG]*' | sed 's/.* //'
}

# one NAME VIEW LOAD_ARGUMENT...
one() {
    local name=$1 view=$2
    shift 2
    EVTRAIL="* ${rules-}" "$build/tests/top/load" -s $((seconds + 6)) "$@" >/dev/null &
    load=$!
    sleep 0.5
    tm new-session -d -x 120 -y 40 -s top "exec '$build/evtrail' top -i 100ms -v $view ${arguments-} -p $load 2>'$folder/err'"
    sleep 2.5
    local top from to lost
    top=$(tm list-panes -t top -F '#{pane_pid}')
    lost=$(lost)
    from=$(ticks "$top")
    sleep "$seconds"
    to=$(ticks "$top")
    lost="lost $lost..$(lost)"
    printf '%-32s %5.1f %% of a core  %s anonymous, %s held  %s %s\n' "$name" \
        "$(awk -v t=$((to - from)) -v s="$seconds" -v h="$(getconf CLK_TCK)" 'BEGIN {print 100 * t / h / s}')" \
        "$(anonymous "$top")" "$(held "$top")" "$lost" \
        "$(head -3 "$folder/screen" | grep -o '[0-9.]*[kMG]* events/s\|SAMPLED 1 in [0-9]*\|lag [0-9.a-z]*\|ring [0-9]*%' | tr '\n' ' ')"
    [ -z "${show-}" ] || cat "$folder/screen"
    tm kill-server
    kill $load 2>/dev/null
    wait $load 2>/dev/null
}
cases=${cases:-idle quiet million entities types flood log}
for case in $cases; do
    case $case in
    idle) one "idle" "${view-entities}" -r 1 ;;
    quiet) one "1,000 events/s" "${view-entities}" -r 1000 ;;
    million) one "1 M events/s, 1 thread" "${view-entities}" -r 1000000 ;;
    threads) one "1 M events/s, 16 threads" "${view-entities}" -r 1000000 -t 16 ;;
    entities) one "1 M events/s, 100,000 entities" "${view-entities}" -r 1000000 -e 100000 ;;
    types) one "1 M events/s, 10,000 types" "${view-entities}" -r 1000000 -y 10000 ;;
    flood) one "5 M events/s" "${view-entities}" -r 5000000 ;;
    most) one "as fast as can be" "${view-entities}" -r 0 ;;
    log) one "1 M events/s, the log followed" log -r 1000000 ;;
    esac
done
