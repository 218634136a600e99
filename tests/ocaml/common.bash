# SPDX-License-Identifier: ISC
# Sourced by the tests here. Each has a folder of its own, $work, for OCaml's rings and evtrail's sessions; it goes at the end, as do
# the processes in $children. `programs NAME...` compiles programs of tests/ocaml/programs into $programs, or skips the test.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d /dev/shm/evtrail-ocaml.XXXXXX)
children=()
finish() {
    local child
    for child in "${children[@]}"; do
        kill -9 "$child" 2>/dev/null || true
    done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
unset EVTRAIL EVTRAIL_OCAML OCAMLRUNPARAM OCAML_RUNTIME_EVENTS_START OCAML_RUNTIME_EVENTS_PRESERVE
export EVTRAIL_DIR=$work/sessions OCAML_RUNTIME_EVENTS_DIR=$work/rings
mkdir -p "$EVTRAIL_DIR" "$OCAML_RUNTIME_EVENTS_DIR"

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

programs=${OCAML_PROGRAMS:-$here/../../build/tests/ocaml}
programs() {
    local result=0
    "$here/build" "$programs" "$@" || result=$?
    [ $result != 77 ] || exit 77
    [ $result = 0 ] || fail "the OCaml programs cannot be compiled"
}

# until_line FILE TEXT: waits until a line of the file is that text
until_line() {
    local i
    for ((i = 0; i < 6000; i++)); do
        ! grep -qxF "$2" "$1" 2>/dev/null || return 0
        sleep 0.01
    done
    fail "no line \"$2\" in $1: $(tail -n 3 "$1")"
}
