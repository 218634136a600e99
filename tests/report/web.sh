# SPDX-License-Identifier: ISC
# evtrail web without a browser: the command line, and what it answers to whom (web.py).
source=$(cd "$(dirname "$0")/../.." && pwd)
. "$source/tests/cli/common.bash"
command -v python3 >/dev/null && command -v zstd >/dev/null || { echo "skipped: needs python3 and zstd"; exit 77; }

run 0 record --quiet -o trace.evt -- "$EMITTER" 20000 3
run 0 stat --json trace.evt
cp out stat.jsonl
run 2 web
run 2 web --port 65536 trace.evt
run 2 web --listen example.org trace.evt
says 'no address'
run 3 web --listen 192.0.2.1 trace.evt
says 'no address of this machine'
run 3 web --duration 10ms missing.evt
run 0 web --duration 10ms --listen 0.0.0.0 trace.evt
says 'whoever reaches it'
run 0 web --duration 10ms trace.evt
says '^evtrail web: http://127.0.0.1:[0-9]*/#token=[0-9a-f]\{32\}$'
equal "$(cat out)" ''
printf 'no trace at all' >no.evt
run 5 web --duration 10ms no.evt
timeout 280 python3 "$source/tests/report/web.py" "$EVTRAIL_COMMAND" "$EMITTER" "$folder" >out 2>err || flop 'web.py'
finish
