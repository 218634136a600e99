# SPDX-License-Identifier: ISC
# The numbers of runtime events that the reader goes by are those of OCaml's own header, and its version is found in a program.
. "$(dirname "$0")/common.bash"
programs emitter
root=$here/../../tools/ocaml-root
cd "$work"
version=$("$root" "$EVTRAIL_OCAML_SUITE" run ocamlopt -version)
header=$("$root" "$EVTRAIL_OCAML_SUITE" run ocamlopt -where)/caml/runtime_events.h
"$root" "$EVTRAIL_OCAML_SUITE" run cat "$header" >header.h

# Each list of the header in its order; those of the last type are what users write.
echo "version $version" >wanted
awk '/typedef enum/ { count = 0; delete names }
    match($0, /^ *EV_[A-Z0-9_]+/) { name = substr($0, RSTART, RLENGTH); sub(/^ *EV_/, "", name); names[count++] = tolower(name) }
    /^} *ev_/ {
        what = ""
        if ($2 ~ /^ev_lifecycle;/) what = "lifecycle"
        if ($2 ~ /^ev_runtime_phase;/) what = "phase"
        if ($2 ~ /^ev_runtime_counter;/) what = "counter"
        for (i = 0; what && i < count; i++) { name = names[i]; if (what == "counter") sub(/^c_/, "", name); print what, i, name }
    }' header.h >>wanted
"$OCAML_TABLES" "$programs/emitter" >got
[ "$(wc -l <wanted)" -gt 60 ] || fail "the header is not read: $(wc -l <wanted) lines"
# A newer table may serve an older release if it only goes on behind it.
if ! diff wanted got >difference; then
    ! grep -q '^<' difference || fail "other numbers in OCaml $version: $(grep -m 3 '^[<>]' difference)"
fi
