# SPDX-License-Identifier: ISC
# OTLP/HTTP: a collector of our own takes the requests, protoc decodes them; what is tried again, and what is not.
. "${0%/*}/common.bash"
run 2 convert --to otlp trace.evt
says 'name it with --endpoint URL'
run 2 convert --to otlp --endpoint https://127.0.0.1:1 trace.evt
says 'TLS is not spoken here'
for url in 127.0.0.1:4318 http:// http://: http://[::1 'http://a b' ftp://x; do
    run 2 convert --to otlp --endpoint "$url" trace.evt
    says 'no such URL'
    one_line
done
run 2 convert --to csv --endpoint http://127.0.0.1:1 trace.evt
run 2 convert --to otlp --endpoint http://127.0.0.1:1 -o x trace.evt
need python3
need protoc

# collector MODE: one that is listening; its folder is MODE, its port in $port
collector() {
    python3 "$here/collector.py" "$PWD/$1" "$1" 2>collector.err &
    pids+=($!)
    local i
    for i in $(seq 250); do [ -e "$1/port" ] && break; sleep 0.02; done
    port=$(cat "$1/port") || flop "no collector: $(cat collector.err)"
}
# decoded FOLDER: all that came, as text
decoded() {
    local file
    for file in $(ls "$1" | grep '\.v1\.' | sort -n); do
        case $file in
        *logs) type=LogsRequest ;;
        *traces) type=TraceRequest ;;
        *metrics) type=MetricsRequest ;;
        esac
        echo "# $type"
        protoc --decode=$type -I "$here" otlp.proto <"$1/$file" || flop "protoc $file"
    done
}

collector ok
run 0 convert --to otlp --endpoint "http://127.0.0.1:$port/" trace.evt
says "^evtrail convert: http://127.0.0.1:$port/: 39 events, .*, otlp; lost 10; "
decoded ok >all.txt
golden all.txt trace.otlp.txt
! grep -q '^ *[0-9]*: ' all.txt || flop "fields that the schema lacks: $(grep -m 3 '^ *[0-9]*: ' all.txt)"

# compressed it is the same
if run 0 convert --help && has ' --gzip ' && "$EVTRAIL_COMMAND" convert --gzip --to otlp --endpoint "http://127.0.0.1:$port" trace.evt >out 2>err; then
    rm -rf ok/*.v1.*
    run 0 convert --gzip --to otlp --endpoint "http://127.0.0.1:$port" trace.evt
    decoded ok >packed.txt
    cmp packed.txt all.txt || flop "compressed: not all came"
    [ -e ok/gzip ] || flop "it was not compressed"
else
    says 'built without zlib'
fi
run 2 convert --gzip --to csv trace.evt

big 20000
rm -rf ok/*.v1.*
run 0 convert --to otlp --endpoint "http://127.0.0.1:$port" big.evt
decoded ok >all.txt
equal "$(grep -c '^    spans {' all.txt)" 20000 spans
equal "$(grep -c '^    log_records {' all.txt)" $(($(events big.evt) - 60000)) "log records: all but spans and counters"
equal "$(grep -c ' as_int: ' all.txt)" 20002 "values of counters, and two sums"
grep -A60 exponential_histogram all.txt | grep -q 'count: 20000' || flop "histogram"
[ "$(ls ok | grep -c traces)" -gt 1 ] || flop "one request for all"
[ "$(find ok -size +1500k | wc -l)" = 0 ] || flop "requests are too large: $(ls -l ok)"

# tried again: 429, 503, a connection that was closed
for mode in busy hang-up close chunked; do
    collector $mode
    code=0
    [ $mode = chunked ] && code=6
    run $code convert --to otlp --endpoint "http://localhost:$port" trace.evt
    decoded $mode >again.txt
    cmp again.txt "$here/golden/trace.otlp.txt" || flop "$mode: not all came"
done
says 'the server did not take 3 records, and refused 0 requests: too old'
equal "$(cat busy/tries)" 6

# not tried again: rejected records, 400
collector partial
run 6 convert --to otlp --endpoint "http://127.0.0.1:$port" trace.evt
says 'did not take 3 records, and refused 0 requests: too old'
equal "$(cat partial/tries)" 3
collector refuse
run 6 convert --to otlp --endpoint "http://127.0.0.1:$port" trace.evt
says 'did not take 0 records, and refused 1 requests: /v1/traces was answered with status 400'
equal "$(cat refuse/tries)" 3

# given up
collector down
run 6 convert --to otlp --endpoint "http://127.0.0.1:$port" trace.evt
says 'the server goes on asking to come back later; what was not sent yet is lost'
one_line
equal "$(cat down/tries)" 6
timeout -s INT 2 "$EVTRAIL_COMMAND" convert --to otlp --endpoint http://127.0.0.1:1 trace.evt >out 2>err
says 'Connection refused; what was not sent yet is lost'
finish
