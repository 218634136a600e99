# SPDX-License-Identifier: ISC
# Traces of several hosts in cat, grep, stat, hist, merge, convert and report: who is where, and how far each clock was; one host alone takes no room.
. "${0%/*}/../cli/common.bash"
"$MAKE_HOSTS" all.evt && "$MAKE_HOSTS" one.evt web1 || { echo "make_hosts failed" >&2; exit 1; }

# cat, grep: a process of each host has the same pid and the same ids
run 0 cat all.evt
has '^+0.000000000 web1/server:100/main:100 .*@ web.pool pool=7'
has ' web2/server:100/main:100 .*@ web.pool pool=7'
has ' web2/server:100/main:100 \*\*\* lost 5 events (full)'
run 0 cat --json all.evt
json_lines
equal "$(grep -vc '"host":"' out)" 0 "lines without a host"
has '"host":"web2","pid":100,"process":"server","source":"joined","clock_ahead_ns":-2500000,"clock_bound_ns":400000'
run 0 cat one.evt
lacks web1/
run 0 cat --host one.evt
has ' web1/worker:101/main:101 '
run 0 cat --json one.evt
lacks '"host"'
run 0 cat --json --host one.evt
equal "$(grep -vc '"host":"web1"' out)" 0
run 0 grep -c 'machine == web2 && web.request && kind == begin' all.evt
equal "$(cat out)" 60
run 0 grep 'web.refused && machine ~ "web*"' all.evt
has ' web2/server:100/main:100 error .* web.refused conn=2 code=111'
run 0 hist web.request -q 'machine == db1' all.evt
has '^15 values'

# stat: by columns, by events; what was lost is told by host
stat_check() {
    has '^ *226 *2 *0  +1.203ms +- 150us *web1$'
    has '^ *366 *1 *8  -2.5ms +- 400us *web2$'
    has '^ *95 *1 *0  - *db1$'
}
run 0 stat all.evt
stat_check
run 0 stat -q 'time > @0' all.evt
stat_check
for filter in '' 'time > @0'; do
    run 0 stat --json ${filter:+-q "$filter"} all.evt
    json_lines
    has '{"what":"host","name":"web2","processes":1,"events":366,"lost":{"full":5,"overwritten":3},"clock_ahead_ns":-2500000,"clock_bound_ns":400000}'
    has '{"what":"host","name":"db1","processes":1,"events":95,"lost":{}}'
    has '"name":"web.conn","live":8,'
done
"$MAKE_HOSTS" db1.evt db1
run 0 stat db1.evt
lacks db1
run 0 stat --host db1.evt
has '^ *95 *1 *0  - *db1$'

# merged, cut anew, split, in a directory: as it was
run 0 merge -o merged.evt one.evt db1.evt
run 0 stat merged.evt
has '+1.203ms +- 150us *web1$'
has '  - *db1$'
"$EVTRAIL_COMMAND" cat --time epoch all.evt | sort >before
run 0 merge -o again.evt --from @1 all.evt
run 0 stat again.evt
stat_check
"$EVTRAIL_COMMAND" cat --time epoch again.evt | sort >after
cmp before after || flop "times are not as they were"
run 0 split --quiet --time 1s -o part all.evt
run 0 stat part
stat_check
mkdir -p tree/a tree/b && cp one.evt tree/a/ && cp db1.evt tree/b/
run 0 stat tree
has '+1.203ms +- 150us *web1$'

# convert: each format says where a process ran
run 0 convert --to csv all.evt
equal "$(sed 1d out | grep -vcE ',(web1|web2|db1)$')" 0 "rows without a host"
run 0 convert --to jsonl all.evt
equal "$(grep -vc '"host":"' out)" 0 "lines without a host"
run 0 convert --to chrome all.evt
has '"process_labels","args":{"labels":"web1","pid":100}'
has '"process_labels","args":{"labels":"web2","pid":100}'
run 0 convert --to folded all.evt
has '^web2/server;main;web.request;web.query [0-9]*$'
run 0 convert --to folded one.evt
has '^server;main;web.request;web.query [0-9]*$'
run 0 convert -o all.pftrace all.evt
for host in web1 web2 db1; do grep -qa "B.$host" all.pftrace || flop "Perfetto has no label '$host'"; done
run 0 convert -o all.ctf all.evt
equal "$(cat all.ctf/*/metadata | grep -c 'hostname = "web1"')" 2 "CTF's environments"
run 0 report -o page.html all.evt
finish
