#!/bin/bash
# SPDX-License-Identifier: ISC
# The libraries export what their headers declare, and nothing else; and nothing called libtrace or trace_*. Usage: exports.sh BUILD
set -euo pipefail
build=$1
include=$(cd "$(dirname "$0")/../../libtrace/include/evtrail" && pwd)
failed=0
complain() {
    echo "exports: $*"
    failed=1
}

exported() {
    nm -D --defined-only "$1" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort -u
}
# What gcc itself takes for a declaration of an external function in these headers.
declared() {
    local header
    for header in "$@"; do
        gcc -std=c17 -I"$include/.." -aux-info "$build/declared" -fsyntax-only -x c - <<<"#include <evtrail/$header.h>"
        grep "/evtrail/$header\.h:[0-9]*:N[CF] \*/ extern" "$build/declared" | grep -oE 'evtrail_[a-z0-9_]+ \(' | tr -d ' ('
        grep -oE '^extern __thread .* \**evtrail_[a-z_]+' "$include/$header.h" | grep -oE 'evtrail_[a-z_]+$' || true
    done | sort -u
}

compare() { # LIBRARY HEADER-NAME...
    local library=$1 missing extra
    shift
    missing=$(comm -13 <(exported "$library") <(declared "$@"))
    extra=$(comm -23 <(exported "$library") <(declared "$@"))
    [ -z "$missing" ] || complain "${library##*/} lacks:" $missing
    [ -z "$extra" ] || complain "${library##*/} exports what no header declares:" $extra
    [ "$(exported "$library" | wc -l)" -gt 10 ] || complain "${library##*/}: exports next to nothing"
}

readers=()
for name in reader file format; do
    [ ! -e "$include/$name.h" ] || readers+=("$name")
done
compare "$build/lib/libevtrail.so" trace evtrail
compare "$build/lib/libevtrail-reader.so" "${readers[@]}"

for library in "$build"/lib/libevtrail*.so; do
    bad=$(exported "$library" | grep -E '^(lib)?trace_|libtrace' || true)
    [ -z "$bad" ] || complain "${library##*/} exports names that belong to another package:" $bad
done

needed=$(readelf -d "$build/lib/libevtrail.so" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -v '^\(libc\.so\|ld-linux\)' || true)
[ -z "$needed" ] || complain "libevtrail.so needs more than libc:" $needed
soname=$(readelf -d "$build/lib/libevtrail.so" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
[ "$soname" = libevtrail.so.0 ] || complain "soname is '$soname'"
[ $failed = 0 ] && echo "exports: as declared"
exit $failed
