# SPDX-License-Identifier: ISC
# Real programs of Eio and Lwt, read while they run: what is shown is what they did.
. "$(dirname "$0")/common.bash"
programs fibers promises
evtrail=${EVTRAIL_COMMAND:-$here/../../build/evtrail}
cd "$work"
if ldd "$evtrail" | grep -q 'lib[at]san'; then
    echo "a sanitizer's library cannot be preloaded into a program that is not built for it" >&2
    exit 77
fi

run() { # ARGUMENT...: evtrail, which ends well
    timeout 120 "$evtrail" "$@" >out 2>err || fail "evtrail $*: exit code $?: $(head -n 3 err)"
}
count() { # TIMES REGULAR-EXPRESSION: in out
    local found
    found=$(grep -cE -- "$2" out || true)
    [ "$found" = "$1" ] || fail "$backend: $found times \"$2\", not $1"
}

rounds=3
for backend in posix linux; do
    export EIO_BACKEND=$backend
    if [ $backend = linux ] && ! timeout 60 "$programs/fibers" >/dev/null 2>&1; then
        echo "no io_uring for Eio here" >&2
        continue
    fi
    run record --force -o fibers.evt -- "$programs/fibers" $rounds
    grep -q 'lost 0' err || fail "$(cat err)"
    run cat fibers.evt
    # What was made has gone, and whose every event is, is known.
    for class in fiber cc; do
        made=$(grep -oE "@ eio.$class $class=[0-9]+ parent" out | sort -u | wc -l)
        gone=$(grep -cE -- "- eio.$class $class=" out)
        [ "$made" = "$gone" ] && [ "$made" -gt 10 ] || fail "$backend: $made times eio.$class made, $gone times gone"
    done
    count 0 ' eio\.(exit_cc|exit_span|suspend_fiber)'
    count 0 'state=unknown'
    # A span that has an end has its begin, and lasted as long as it did.
    count 0 '< [^ ]* span=0'
    count $rounds '< eio.span.inner .* dur=[2-9][.0-9]*ms|< eio.span.inner .* dur=[0-9.]{4,}ms'
    count $((2 * rounds)) '[<>] eio.span.outer'
    count $((3 * rounds)) '[<>] eio.suspend.run-domain .*fiber=[1-9]|< eio.suspend.thread'
    # Errors with their text and context, and cancellation, which is none.
    count $((5 * rounds)) ' error +eio.error '
    count $((2 * rounds)) 'eio.error cc=[0-9]+ error="Fibers.Broken\(\\"in the depth\\"\)" fiber=[1-9]'
    count $rounds 'eio.error cc=[0-9]+ error="Eio.Io Fs Already_exists nothing,.n  reading \\"config\\"" fiber=1$'
    count $((5 * rounds)) '@ eio.cc .* state=failed'
    grep -q 'eio.cancel .*Not_first' out || fail "no cancellation"
    # The fiber that goes on in a cancelled context, though nothing says so: its span and its context are its own.
    fiber=$(sed -n 's/.*> eio.span.again .* fiber=\([0-9]*\)$/\1/p' out | head -n 1)
    count $((2 * rounds)) '[<>] eio.span.again'
    grep -qE "@ eio.cc cc=[0-9]+ parent=$fiber state=open kind=protect" out || fail "$backend: whose protect it is"
    # A promise that another domain resolves; domains below the fibers that made them; names.
    across=$(sed -n 's/.*@ eio.promise promise=\([0-9]*\) name="across"/\1/p' out | head -n 1)
    grep -qE "eio.promise promise=$across .*state=resolved" out || fail "$backend: the promise across is not resolved"
    count $((2 * rounds)) 'eio.domain_spawn fiber=[1-9]'
    for name in answer late across; do
        count $rounds "@ eio.promise promise=[0-9]+ name=\"$name\""
    done
    count $rounds '@ eio.cc cc=[0-9]+ name="main"'
    count $((4 * rounds)) 'eio.semaphore.(get|put) '
    count $((6 * rounds)) 'eio.mutex.(get|put) '
    run stat fibers.evt
    run top --once --view entities fibers.evt
    run gc fibers.evt
done

# Where events are lost, what is told of parents is still true: the same program has the same ids.
parents() {
    "$evtrail" cat "$1" | sed -nE 's/.*@ eio\.[a-z]+ [a-z]+=([0-9]+) parent=([0-9]+) .*/\1 \2/p' | sort -u
}
export EIO_BACKEND=posix
OCAMLRUNPARAM=e=18 run record --force -o whole.evt -- "$programs/fibers" 15
OCAMLRUNPARAM=e=8 run record --force -o parts.evt -- "$programs/fibers" 15
parents whole.evt >whole
wrong=$(parents parts.evt | grep -v ' 0$' | grep -vxFf whole || true)
[ -z "$wrong" ] || fail "parents that are none: $(head -n 3 <<<"$wrong")"

backend=Lwt
run record --force -o promises.evt -- "$programs/promises"
run cat promises.evt
count 1 '> lwt.request '
count 1 '< lwt.request .* dur=[2-9][.0-9]*ms|< lwt.request .* dur=[0-9.]{4,}ms'
count 2 '> lwt.promises.ml:20 '
count 2 '< lwt.promises.ml:20 .* dur=[4-9][.0-9]*ms|< lwt.promises.ml:20 .* dur=[0-9.]{4,}ms'
count 0 '< lwt[^ ]* span=0'
grep -q 'lwt.place context="request" file="promises.ml" line=10' out || fail "no place"
grep -q '= lwt-paused-count value=1' out || fail "no count"
