# SPDX-License-Identifier: ISC
# What the scripts here share beside tests/cli/common.bash: the trace that has everything in it, and golden files.
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$here/../cli/common.bash"
"$MAKE_TRACE" trace.evt || { echo "make_trace failed" >&2; exit 1; }

# golden FILE NAME: the file is golden/NAME. EVTRAIL_WRITE_GOLDEN=1 makes golden/NAME anew.
golden() {
    [ -z "${EVTRAIL_WRITE_GOLDEN-}" ] || cp "$1" "$here/golden/$2"
    cmp "$1" "$here/golden/$2" >&2 || { flop "$2 is not as it was"; diff -a "$here/golden/$2" "$1" | head -10 >&2; }
}
# events FILE: how many events `stat` counts, and how many were lost
events() { "$EVTRAIL_COMMAND" stat --json "$1" | tail -1 | value events; }
lost() { "$EVTRAIL_COMMAND" stat --json "$1" | tail -1 | value lost; }
big() { "$EVTRAIL_COMMAND" record --quiet -o big.evt -- "$EMITTER" -n "$1" || flop "cannot record"; }
need() { command -v "$1" >/dev/null || { echo "no $1 here: not checked" >&2; exit 77; }; }
