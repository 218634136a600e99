# SPDX-License-Identifier: ISC
# The page of evtrail web in headless Chromium (live.js). Skipped as browser.sh is.
. "${0%/*}/../cli/common.bash"
skip() { echo "skipped: $*"; exit 77; }
script=$0
case $script in /*) ;; *) script=$OLDPWD/$0 ;; esac
browser=$(command -v chromium || command -v chromium-browser) || skip 'no chromium (tools/install-packages browser)'
command -v node >/dev/null || skip 'no node'
[ -d "${MODULES:-/nowhere}/playwright-core" ] && [ -d "$MODULES/axe-core" ] || skip 'no playwright-core (tests/report/install-modules)'

export NODE_PATH=$MODULES BROWSER=$browser SHOTS=${SHOTS:-}
timeout 550 node "${script%/*}/live.js" "$folder" "$EVTRAIL_COMMAND" "$EMITTER" >out 2>err || { cat out err >&2; flop 'the page'; }
cat out
finish
