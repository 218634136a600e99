# SPDX-License-Identifier: ISC
# `evtrail gc` counts collections and words as OCaml's own Gc.quick_stat does, live and from a file; domains that had a place in turn, and when events were
# switched off.
. "$(dirname "$0")/common.bash"
programs collect churn
evtrail=${EVTRAIL_COMMAND:-$here/../../build/evtrail}
cd "$work"

agree() { # FILE: what `evtrail gc --json` says in it is what the program said in out
    grep -qF "$(cat out)" "$1" || fail "$1: $(cut -c 1-400 "$1"), not $(cat out)"
    grep -q '"lost":0' "$1" || fail "$1: lost"
}
OCAML_RUNTIME_EVENTS_PRESERVE=1 "$programs/collect" >out
"$evtrail" gc --json rings/*.events >file.json 2>err || fail "$(cat err)"
agree file.json
rm rings/*.events
OCAML_RUNTIME_EVENTS_PRESERVE=1 "$programs/churn"
"$evtrail" gc rings/*.events >churn || fail "gc of churn"
grep -q ' in 6 domains' churn || fail "not six domains: $(head -n 1 churn)"
grep -q '^ *1 .*  (5 in turn)$' churn || fail "not five in turn: $(cat churn)"
grep -q '^its events were switched off 1 time, for at most [1-9][0-9]* ms: what ran then is not in here$' churn || fail "not told that events were off: $(head -n 3 churn)"
"$evtrail" gc --json rings/*.events | grep -q '"off_ns":[1-9][0-9]\{8,\},"domains":.*"domain":1,"lives":5,' || fail "JSON of churn"
if ldd "$evtrail" | grep -q 'lib[at]san'; then
    exit 0 # its library cannot be preloaded into a program that is not built for it
fi
"$evtrail" gc --json -- "$programs/collect" 2>err >live.json || fail "$(cat err)"
grep '^"minor' live.json >out
grep '^{' live.json >live
agree live
