# SPDX-License-Identifier: ISC
# The program that the other tests read does what it says: every command runs to its end and leaves the rings it should.
. "$(dirname "$0")/common.bash"
programs emitter
export OCAML_RUNTIME_EVENTS_PRESERVE=1 EMITTER_LEAVE=1 OCAMLRUNPARAM=d=8,e=14 # files of 2 MB, as grep reads the holes too

rings() { # COMMAND RINGS WORD...: how many ring files there are after it, and what is in them
    local command=$1 count=$2
    shift 2
    rm -f "$OCAML_RUNTIME_EVENTS_DIR"/*
    # shellcheck disable=SC2086
    timeout 100 "$programs/emitter" $command >"$work/out" || fail "$command: exit code $?"
    grep -q '^done' "$work/out" || fail "$command: not done"
    local found=("$OCAML_RUNTIME_EVENTS_DIR"/*.events) word
    [ ${#found[@]} = "$count" ] || fail "$command: ${#found[@]} rings, not $count"
    for word in "$@"; do
        grep -qaF "$word" "${found[@]}" || fail "$command: no \"$word\" in its ring"
    done
}
rings "kinds 3" 1 test.unit test.int test.span test.text test.pair exactly8
rings "gc 64" 1
rings "domains 2" 1
rings "forks 3" 4 test.int
rings "flood 10000" 1
rings "pauses 20" 1
rings "eio 1" 1 eio.create_obj eio.domain_spawn my-promise Stream.take
