# SPDX-License-Identifier: ISC
# What the scripts share: a folder of their own, running evtrail with a wanted exit code, and looking at what it said.
set -u
folder=$(mktemp -d "${TMPDIR:-/tmp}/evtrail-cli.XXXXXX")
export EVTRAIL_DIR=$folder/sessions
unset EVTRAIL NO_COLOR
export ASAN_OPTIONS=verify_asan_link_order=0${ASAN_OPTIONS:+:$ASAN_OPTIONS} # libevtrail is preloaded
cd "$folder" || exit 1
failures=0
[ -x "$EVTRAIL_COMMAND" ] && [ -x "$EMITTER" ] || { echo "EVTRAIL_COMMAND and EMITTER: name the programs" >&2; exit 1; }
pids=()
cleanup() {
    for pid in "${pids[@]}"; do kill -9 "$pid" 2>/dev/null; done
    wait 2>/dev/null
    cd / && rm -rf "$folder"
}
trap cleanup EXIT

flop() {
    echo "FAILED (line ${BASH_LINENO[1]}): $*" >&2
    sed 's/^/    out: /' out 2>/dev/null | head -20 >&2
    sed 's/^/    err: /' err 2>/dev/null | head -20 >&2
    failures=$((failures + 1))
}
# run CODE ARGUMENT...: evtrail with these arguments ends with this code within 30 s; its output is in `out` and `err`
run() {
    local code=$1 got
    shift
    timeout "${RUN_SECONDS:-30}" "$EVTRAIL_COMMAND" "$@" >out 2>err
    got=$?
    [ "$got" = "$code" ] || flop "evtrail $*: exit code $got, wanted $code"
}
# one line on stderr that begins with the program's name
says() { grep -q -- "$1" err || flop "stderr does not say '$1'"; }
one_line() {
    [ "$(wc -l <err)" = 1 ] && grep -q '^evtrail' err || flop "stderr is not one line of evtrail's"
}
has() { grep -q -- "$1" out || flop "stdout does not have '$1'"; }
lacks() { ! grep -q -- "$1" out || flop "stdout has '$1'"; }
equal() { [ "$1" = "$2" ] || flop "'$1' is not '$2'${3:+ ($3)}"; }
json_lines() {
    if command -v jq >/dev/null; then jq -ce . <out >/dev/null || flop "not JSON"
    elif command -v python3 >/dev/null; then python3 -c 'import json,sys
for line in sys.stdin: json.loads(line)' <out || flop "not JSON"
    else ! grep -qv '^{.*}$' out || flop "not JSON"; fi
}
# start ARGUMENT...: an emitter in the background, traced; its pid is in $pid when its session is there
start() {
    "$EMITTER" "$@" >/dev/null 2>&1 &
    pid=$!
    pids+=("$pid")
    local i
    for i in $(seq 200); do
        "$EVTRAIL_COMMAND" ls --json 2>/dev/null | grep -q "\"pid\":$pid,.*\"types\":[1-9]" && return
        sleep 0.02
    done
    flop "emitter made no session"
}
value() { sed -n "s/.*\"$1\":\([0-9.-]*\).*/\1/p"; }
finish() { [ "$failures" = 0 ] && exit 0; echo "$failures failed" >&2; exit 1; }
