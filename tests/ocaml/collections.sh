# SPDX-License-Identifier: ISC
# `evtrail gc` counts collections and words as OCaml's own Gc.quick_stat does, live and from a file.
. "$(dirname "$0")/common.bash"
programs collect
evtrail=${EVTRAIL_COMMAND:-$here/../../build/evtrail}
cd "$work"

agree() { # FILE: what `evtrail gc --json` says in it is what the program said in out
    grep -qF "$(cat out)" "$1" || fail "$1: $(cut -c 1-400 "$1"), not $(cat out)"
    grep -q '"lost":0' "$1" || fail "$1: lost"
}
OCAML_RUNTIME_EVENTS_PRESERVE=1 "$programs/collect" >out
"$evtrail" gc --json rings/*.events >file.json 2>err || fail "$(cat err)"
agree file.json
if ldd "$evtrail" | grep -q 'lib[at]san'; then
    exit 0 # its library cannot be preloaded into a program that is not built for it
fi
"$evtrail" gc --json -- "$programs/collect" 2>err >live.json || fail "$(cat err)"
grep '^"minor' live.json >out
grep '^{' live.json >live
agree live
