#!/bin/bash
# SPDX-License-Identifier: ISC
# Every preset for a moment, by callbacks and by threads, on both backends: every answer right, no event lost, the figures from the
# events the same as the pool's own, and a good page. Usage: stress_presets.sh BUILD SOURCE
set -euo pipefail
build=$1 source=$2
here=$source/pool-integration/tests/stress
stress=$build/pool-integration/pool-stress
folder=$(mktemp -d)
EVTRAIL_DIR=$(mktemp -d /dev/shm/evt-stress.XXXXXX)
export EVTRAIL_DIR TMPDIR=$folder
trap 'rm -rf "$folder" "$EVTRAIL_DIR"' EXIT
cd "$folder"

fail() {
    echo "stress_presets: $*" >&2
    exit 1
}
run() { # NAME OPTIONS...
    local name=$1
    shift
    timeout 60 "$stress" "$@" --json --html "$name.html" >"$name.json" 2>"$name.log" ||
        fail "$name ($*): exit code $?: $(cat "$name.log"; head -c 3000 "$name.json")"
    python3 "$here/page_check.py" "$name.html" "$name.json" || fail "$name: the page"
    python3 - "$name.json" <<'PYTHON' || fail "$name ($*): $(head -c 3000 "$name.json")"
import json, sys
got = json.load(open(sys.argv[1], encoding="utf-8"))
pool, messages = got["pool"], got["messages"]
assert got["well"] and not got["lost"] and got["agreement"]["differ"] == 0, "well"
assert messages["right"] > 0 and messages["wrong"] == 0, "messages"
assert pool["created"] == sum(pool["closed"].values()), "all that was created is closed"
assert pool["acquired"] == pool["released"] == pool["acquires"]["ok"], "all that was lent came back"
PYTHON
}
value() { # NAME EXPRESSION
    python3 -c "import json,sys; g=json.load(open('$1.json')); sys.exit(not ($2))" || fail "$1: not $2"
}

run high-reuse high-reuse --duration 300ms
value high-reuse 'g["pool"]["reused"] > g["pool"]["created"]'
run many-endpoints many-endpoints --duration 500ms
value many-endpoints 'g["pool"]["closed"].get("evicted", 0) > 0'
run high-concurrency high-concurrency --clients 500 --duration 300ms
run large-messages large-messages --duration 500ms
run constrained constrained --duration 300ms
value constrained 'g["pool"]["open_max"] == 2 and g["pool"]["waiting_max"] >= 40'
run bursts bursts --duration 1500ms
value bursts 'g["pool"]["closed"].get("idle", 0) > 0'
run extended extended --messages 20000
value extended 'g["messages"]["begun"] == 20000'
run failing-addresses failing-addresses --duration 1500ms
value failing-addresses 'g["pool"]["errors"].get("connect_refused", 0) > 0 and g["pool"]["ejections"] > 0'
run silent-addresses silent-addresses --duration 1500ms
value silent-addresses 'g["pool"]["races"] > 0 and g["pool"]["errors"].get("connect_timeout", 0) > 0 and g["pool"]["ejections"] > 0'
run tls tls --messages 30000 # of which a connection takes 200
value tls 'g["pool"]["handshakes"] == g["pool"]["tls13"] >= g["pool"]["created"] and g["pool"]["resumed"] > 0'
value tls 'g["loop"]["submissions"] > 0 and g["loop"]["completions"] == sum(g["loop"]["operations"].values()) and g["loop"]["idle_ns"] > 0'
run slow-dns slow-dns --duration 1500ms
value slow-dns 'g["times_ns"]["resolve"]["p50"] > 40e6'

run threads high-reuse --threads 8 --duration 300ms
run threads-large large-messages --threads 2 --duration 300ms
run threads-tls tls --threads 4 --duration 300ms
run threads-constrained constrained --threads 12 --duration 300ms
run epoll high-reuse --backend epoll --duration 300ms
run epoll-tls tls --backend epoll --size 100K --duration 500ms
run epoll-threads failing-addresses --backend epoll --threads 6 --duration 800ms

# A real server, and none.
cat >echo.py <<'PYTHON'
import socketserver
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(65536):
            self.request.sendall(data)
class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64
server = Server(("127.0.0.1", 0), Echo)
open("port.new", "w").write(str(server.server_address[1]))
__import__("os").rename("port.new", "port")
server.serve_forever()
PYTHON
python3 echo.py &
server=$!
trap 'kill $server 2>/dev/null || true; rm -rf "$folder" "$EVTRAIL_DIR"' EXIT
for _ in $(seq 100); do [ -e port ] && break; sleep 0.1; done
run connect --connect "localhost:$(cat port)" --clients 8 --duration 300ms
run connect-large --connect "127.0.0.1:$(cat port)" --threads 2 --size 1M --duration 300ms
kill $server
r=0; timeout 60 "$stress" --connect 127.0.0.1:9 --clients 4 --duration 300ms --html none.html >none.txt 2>&1 || r=$?
[ $r = 1 ] || fail "no server: exit code $r"
grep -q 'connect_refused' none.txt || fail "no server: $(cat none.txt)"
python3 "$here/page_check.py" none.html || fail "the page of no server"

# The trace is kept where it is wanted, and gives the same page again; nothing is left behind else.
run kept high-reuse --duration 200ms --trace kept.evt
"$build/evtrail" verify kept.evt >/dev/null || fail "kept.evt is damaged"
"$stress" --from kept.evt --json >again.json || fail "--from kept.evt: $?"
python3 - <<'PYTHON' || fail "kept.evt gives other figures"
import json
a, b = json.load(open("kept.json")), json.load(open("again.json"))
assert all(a[key] == b[key] for key in ("pool", "messages", "times_ns", "addresses"))
PYTHON
r=0; "$stress" high-reuse --duration 100ms --trace kept.evt >/dev/null 2>&1 || r=$?
[ $r = 6 ] || fail "a trace file was overwritten: $r"
for bad in "--size 3" "--clients none" "nothing-such" "--backend x" "--connect nowhere" "--duration 1y" "--messages -5"; do
    # shellcheck disable=SC2086 # two words
    r=0; "$stress" $bad >/dev/null 2>&1 || r=$?
    [ $r = 2 ] || fail "$bad: exit code $r"
done
# Killed: the recorder ends, and takes the temporary trace with it. Interrupted: it ends early, and well.
"$stress" high-reuse --duration 30s >/dev/null 2>&1 &
killed=$!
for _ in $(seq 100); do [ -n "$(find "$folder" -name 'pool-stress.*')" ] && break; sleep 0.05; done
sleep 0.3
kill -KILL $killed
wait $killed 2>/dev/null || true
for _ in $(seq 100); do [ -z "$(find "$folder" -name 'pool-stress.*')" ] && break; sleep 0.05; done
"$stress" high-reuse --duration 60s --json >interrupted.json 2>/dev/null &
interrupted=$!
sleep 1
kill -INT $interrupted
wait $interrupted || fail "interrupted: exit code $?"
value interrupted 'g["well"] and g["messages"]["right"] > 0 and g["run"]["seconds"] < 30'
[ -z "$(find "$folder" -name 'pool-stress.*')" ] || fail "a temporary trace is left"
echo "stress_presets: good"
