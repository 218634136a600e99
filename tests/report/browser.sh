# SPDX-License-Identifier: ISC
# The page in headless Chromium: makes traces and their pages, and lets page.js look at them. Skipped where there is no node, no chromium
# or no playwright-core; tests/report/install-modules gets the last.
. "${0%/*}/../cli/common.bash"
skip() { echo "skipped: $*"; exit 77; }
script=$0
case $script in /*) ;; *) script=$OLDPWD/$0 ;; esac
browser=$(command -v chromium || command -v chromium-browser) || skip 'no chromium (tools/install-packages browser)'
command -v node >/dev/null || skip 'no node'
[ -d "${MODULES:-/nowhere}/playwright-core" ] && [ -d "$MODULES/axe-core" ] || skip 'no playwright-core (tests/report/install-modules)'

run 0 record --quiet -e '*' -e r.failed+cpu+caller+stack -o trace.evt -- "$EMITTER" 20000 3
run 0 record --quiet -o before.evt -- "$EMITTER" 8000 2
run 0 record --quiet --policy block -o many.evt -- "$EMITTER" 200000 4
run 0 record --quiet --policy overwrite --block-size 4K --blocks 2 -o lossy.evt -- "$EMITTER" 100000 4
run 0 record --quiet --policy block -o wide.evt -- "$EMITTER" 20000 4 wide
for name in trace many lossy wide; do
    run 0 report -o "$name.html" "$name.evt"
    run 0 stat --json "$name.evt"
    cp out "$name.jsonl"
done
run 0 report --full -o full.html many.evt
run 0 report -q 'no.such.event' -o nothing.html trace.evt
run 0 report -q r.ratio -o few.html trace.evt
printf '%s' '{"well": true, "run": {"preset": "<img src=x>\u202e", "seconds": 1.5}, "pool": {"created": 12345, "closed": {"idle": 3, "</script>": 4}, "wait_max_ns": 2500000}, "times_ns": {"wait": {"count": 7, "p50": 1500}, "use": {"count": 8, "p50": 250, "max": 99}}, "addresses": [{"address": "10.0.0.1:80", "created": 5}, {"address": "10.0.0.2:80", "created": 7}], "agreement": {"figures": {"a": [1, 2]}}, "none": null, "empty": {}}' >figures.json
run 0 report --figures figures.json -o given.html trace.evt
printf '{"not": json' >bad.json
run 0 report --figures bad.json -o unread.html trace.evt
run 0 report -o both.html --against before.evt trace.evt
[ "$failures" = 0 ] || finish
export NODE_PATH=$MODULES BROWSER=$browser SHOTS=${SHOTS:-}
timeout 550 node "${script%/*}/page.js" "$folder" >out 2>err || { cat out err >&2; flop 'the page'; }
cat out
finish
