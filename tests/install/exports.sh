#!/bin/bash
# SPDX-License-Identifier: ISC
# The libraries export what their headers declare, and nothing else; and nothing called libtrace or trace_*. Usage: exports.sh BUILD
set -euo pipefail
build=$1
source=$(cd "$(dirname "$0")/../.." && pwd)
include=$source/libtrace/include/evtrail
failed=0
complain() {
    echo "exports: $*"
    failed=1
}

exported() {
    case $1 in
    *.a) nm -g --defined-only "$1" ;;
    *) nm -D --defined-only "$1" ;;
    esac | awk 'NF == 3 && $2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort -u
}
# What gcc itself takes for a declaration of an external function in these headers; types of functions are not.
declared() { # FOLDER NAME-PREFIX HEADER-NAME...
    local folder=$1 prefix=$2 header
    shift 2
    for header in "$@"; do
        gcc -std=c17 -I"$folder/.." -aux-info "$build/declared" -fsyntax-only -x c - <<<"#include <${folder##*/}/$header.h>"
        grep "/${folder##*/}/$header\.h:[0-9]*:N[CF] \*/ extern" "$build/declared" | grep -oE "$prefix[a-z0-9_]+ \(" | grep -oE '[a-z0-9_]+'
        grep -oE "^extern __thread .* \**${prefix}[a-z_]+" "$folder/$header.h" | grep -oE "${prefix}[a-z_]+$" || true
    done | sort -u | grep -vxF "$(sed -nE "s/^typedef [a-z]+ \**(${prefix}[a-z_]+)\(.*/\1/p" "$folder"/*.h)"
}

compare() { # LIBRARY FOLDER NAME-PREFIX HEADER-NAME...
    local library=$1 missing extra
    shift
    missing=$(comm -13 <(exported "$library") <(declared "$@"))
    extra=$(comm -23 <(exported "$library") <(declared "$@"))
    [ -z "$missing" ] || complain "${library##*/} lacks:" $missing
    [ -z "$extra" ] || complain "${library##*/} exports what no header declares:" $extra
    [ "$(exported "$library" | wc -l)" -ge "${least:-11}" ] || complain "${library##*/}: exports next to nothing"
}

readers=()
for name in reader file format; do
    [ ! -e "$include/$name.h" ] || readers+=("$name")
done
compare "$build/lib/libevtrail.so" "$include" evtrail_ trace evtrail
compare "$build/lib/libevtrail-reader.so" "$include" evtrail_ "${readers[@]}"
[ ! -e "$build/lib/libevtrail-ocaml.so" ] || least=3 compare "$build/lib/libevtrail-ocaml.so" "$include" evtrail_ocaml_ ocaml
for pool in "$build"/lib/libevtrail-pool{,-untraced}.{so,a}; do
    [ ! -e "$pool" ] || compare "$pool" "$source/pool-integration/include/evpool" 'ev[lp]oo[lp]_' error loop pool
done

for library in "$build"/lib/libevtrail*.so; do
    bad=$(exported "$library" | grep -E '^(lib)?trace_|libtrace' || true)
    [ -z "$bad" ] || complain "${library##*/} exports names that belong to another package:" $bad
done

needed=$(readelf -d "$build/lib/libevtrail.so" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -v '^\(libc\.so\|ld-linux\)' || true)
[ -z "$needed" ] || complain "libevtrail.so needs more than libc:" $needed
for untraced in "$build"/lib/libevtrail-pool-untraced.{so,a}; do
    [ ! -e "$untraced" ] || ! readelf -Wds "$untraced" | grep -E 'NEEDED.*evtrail|GLOBAL.*UND.*evtrail|evtrail_points' ||
        complain "${untraced##*/} is traced"
done
soname=$(readelf -d "$build/lib/libevtrail.so" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
[ "$soname" = libevtrail.so.0 ] || complain "soname is '$soname'"
[ $failed = 0 ] && echo "exports: as declared"
exit $failed
