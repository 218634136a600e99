# SPDX-License-Identifier: ISC
# The connection pool in a view of its own, made by examples/top-pool.conf: its figures are those that the pool's stress program computes.
. "$(dirname "$0")/common.bash"
[ -x "${POOL_STRESS-}" ] || { echo "skipped: no pool-stress" >&2; exit 77; }
command -v python3 >/dev/null || { echo "skipped: no python3" >&2; exit 77; }
config=$(cd "$(dirname "$0")/../.." && pwd)/examples/top-pool.conf

cat >compare.py <<'END'
import json, sys
pool = json.load(open(sys.argv[1]))
top = json.load(open(sys.argv[2]))
faults = []
def equal(what, got, wanted):
    if got != wanted:
        faults.append('%s: top says %s, pool-stress %s' % (what, got, wanted))
view = top['pool']
rows = view['rows']
classes = {c['class']: c for c in view['classes']}
names = [r for r in rows if r['depth'] == 0]
equal('requests lent', sum(r['uses'] for r in names), pool['pool']['acquired'])
equal('connections', classes['pool.conn']['seen'], pool['pool']['created'])
equal('connections closed', classes['pool.conn']['gone'], sum(pool['pool']['closed'].values()))
equal('left out', view['left_out'], 0)
by_address = {}
for row in rows:
    if row['depth'] == 1:
        by_address[row['name'].lstrip('+ ')] = row
for address in pool['addresses']:
    row = by_address[address['address']]
    equal(address['address'] + ': uses', row['uses'], address['created'] + address['reused'])
    equal(address['address'] + ': connections gone', row['children_gone'] or 0, address['closed'])
rules = top['warnings']['rules']
ejected = sum(1 for a in pool['addresses'] if a['ejections'])
equal('ejected addresses', sum(r['rule'] == 'address-ejected' for r in top['warnings']['rows']), ejected)
equal('lost', rules['lost']['fired'], 0)
if len(sys.argv) > 3:
    equal('exhausted', rules['exhausted']['fired'] > 0, sys.argv[3] == 'exhausted')
print('\n'.join(faults))
END
# stressed NAME PRESET ARGUMENT...: a run of the stress program, recorded, with its own figures
stressed() {
    local name=$1 preset=$2
    shift 2
    timeout 120 "$POOL_STRESS" --quiet --force --json --trace $name.evt "$@" $preset >$name.json 2>err ||
        grep -q '"events"' $name.json || flop "pool-stress $preset: $(cat err)"
}
same() {
    run 0 top --json --config "$config" $1.evt
    cp out $1.top
    faults=$(python3 compare.py $1.json $1.top ${2-} 2>&1)
    [ -z "$faults" ] || flop "$1: $faults"
}

stressed few failing-addresses --messages 3000
same few
stressed short constrained --duration 2s
same short exhausted
stressed many high-concurrency --messages 20000
same many
run 1 top --json --config "$config" --fail-on exhausted short.evt
run 0 top --json --config "$config" --fail-on leak,lost short.evt

# on the screen: the tree, one opened, back, and the tree's branches
screen 120x30 tmux-256color --config "$config" -r few.evt
wait_for '\[P Pool\]'
wait_for 's0.pool.test'
wait_for 'tcp:127.77.0.3'
keys -
wait_gone 'tcp:127.77.0.3'
wait_for '+ s0.pool.test'
keys +
wait_for 'tcp:127.77.0.3'
keys Enter
wait_for 'pool.name'
wait_for 'its events'
fits 120x30
keys Escape
wait_for '\[P Pool\]'
keys '!'
wait_for '\[! Warnings'
wait_for 'address.ejected of'
keys Enter
wait_for 'set in'
has 'address-ejected'
keys Enter
wait_for 'pool.address'
keys Escape Escape
wait_for '\[! Warnings'
keys q
ended 0
finish
