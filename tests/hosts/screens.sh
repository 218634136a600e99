# SPDX-License-Identifier: ISC
# evtrail top's views of a trace of three hosts, at 80 and at 132 columns: golden/VIEW-COLUMNS.txt (but the log, which finds its lines slice by slice: keys.sh). EVTRAIL_WRITE_GOLDEN=1 makes them anew.
here=$(cd "${0%/*}" && pwd)
. "$here/../cli/common.bash"
export LC_ALL=C.UTF-8 TZ=UTC LINES=24
unset XDG_CONFIG_HOME
export HOME=$folder
"$MAKE_HOSTS" hosts.evt && "$MAKE_HOSTS" one.evt db1 || { echo "make_hosts failed" >&2; exit 1; }

for columns in 80 132; do
    export COLUMNS=$columns
    for view in types spans tree entities warnings processes hosts; do
        run 0 top --once --view $view hosts.evt
        name=$view-$columns.txt
        [ -z "${EVTRAIL_WRITE_GOLDEN-}" ] || cp out "$here/golden/$name"
        diff "$here/golden/$name" out >&2 || flop "$name is not as it was"
        [ "$(wc -L <out)" -le $columns ] || flop "$name: a line of $(wc -L <out) columns"
        # one host alone: nothing says so, and no column is lost to it
        run 0 top --once --view $view one.evt
        [ $view = hosts ] || lacks 'db1\|[Hh]ost'
    done
done
unset COLUMNS

# one host: with --host it is told; by the configuration it is a column
for columns in 80 132; do
    COLUMNS=$columns run 0 top --once --host --view processes one.evt
    has '^ postgres *db1 '
    COLUMNS=$columns run 0 top --once --host --view entities one.evt
    has '^>db1 '
done
run 0 top --once --host --view hosts one.evt
has '^>db1  *1 '
has '1 host '
printf '[columns]\nentities = host state\nprocesses = host pid\n' >top.conf
run 0 top --once --config top.conf --view entities one.evt
has '^>pool 7 .* db1 .* active'
# ASCII has no plus-minus sign
run 0 top --once --ascii --view hosts hosts.evt
has '+1.203ms +- 150us'
has 'clocks +-400us'

# filters and views of one's own by host; JSON
run 0 top --once --view types -q 'machine == web2' hosts.evt
has 'web.request .*begin .* 60 '
run 0 top --json -q 'machine ~ "web*"' hosts.evt
has '"events":592,'
printf '[view w]\nentities = web.conn\nfilter = machine == web2\ntree = no\n' >top.conf
run 0 top --json --config top.conf hosts.evt
equal "$(sed -n '/^"w":/,$p' out | grep -o '"host":"[a-z0-9]*"' | sort | uniq -c | tr -s ' ')" ' 2 "host":"web2"'
run 0 top --json hosts.evt
has '"hosts_seen":3,"clock_bound_ns":400000'
has '"name":"web2","processes":1,.*"lost":8,"causes":"full 5, overwritten 3".*"ahead_ns":-2500000,"bound_ns":400000'
has '"command":"server","program":"/usr/bin/server","host":"web2","clock_ahead_ns":-2500000,"clock_bound_ns":400000,"events":366,"lost":8'
if command -v python3 >/dev/null; then
    python3 - <<'PY' || flop "JSON"
import json
top = json.load(open('out'))
assert {(r['name'], r['processes'], r['events']) for r in top['hosts']} == {('web1', 2, 226), ('web2', 1, 366), ('db1', 1, 95)}
conns = [r for r in top['entities']['rows'] if r['class'] == 'web.conn' and r['id'] == '1']
assert sorted(r['host'] for r in conns) == ['db1', 'web1', 'web1', 'web2'], conns
assert {w['host'] for w in top['warnings']['rows']} == {'web1', 'web2', 'db1'}
slowest = next(d for d in top['spans']['details'] if d['name'] == 'web.request')['slowest']
assert slowest[0]['host'] == 'web1' and slowest[0]['process'] == 'worker', slowest[0]
PY
fi
finish
