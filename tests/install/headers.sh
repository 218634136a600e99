#!/bin/bash
# SPDX-License-Identifier: ISC
# Each public header compiles alone, in each language and compiler, without a warning. Usage: headers.sh BUILD
set -euo pipefail
source=$(cd "$(dirname "$0")/../.." && pwd)
include=$source/libtrace/include
pool=$source/pool-integration/include
work=$1/headers-test
rm -rf "$work"
mkdir -p "$work"

warnings=(-Wall -Wextra -Wpedantic -Werror)
echo 'EVTRAIL_EVENT(one, "headers.one", info, instant, "An event.", (u32, number, "", "a number"))' >"$work/one.def"
failed=0
checked=0
check() { # COMPILER LANGUAGE STANDARD FILE [OPTION...]
    local compiler=$1 language=$2 standard=$3 file=$4
    shift 4
    checked=$((checked + 1))
    if ! "$compiler" -x "$language" -std="$standard" "${warnings[@]}" -I"$include" -I"$pool" -I"$work" "$@" -fsyntax-only "$file"; then
        echo "headers: $compiler $standard $* ${file##*/}: see above"
        failed=$((failed + 1))
    fi
}

for header in "$include"/evtrail/*.h "$pool"/evpool/*.h; do
    name=$(basename "$header" .h)
    folder=$(basename "$(dirname "$header")")
    file=$work/$folder-$name.c
    : >"$file"
    if [ "$name" = catalogue ]; then
        printf '#define EVTRAIL_CATALOGUE "one.def"\n#define EVTRAIL_PREFIX one_\n#define EVTRAIL_CATALOGUE_DEFINE\n' >"$file"
    fi
    printf '#include <%s.h>\n#include <%s.h>\nint main(void) { return 0; }\n' "$folder/$name" "$folder/$name" >>"$file"
    [ "$name" != catalogue ] || sed -i '5d' "$file" # included once more only with another catalogue
    for options in "" -DEVTRAIL_STANDALONE -DEVTRAIL_COMPILED_OUT; do
        for compiler in gcc clang; do
            check $compiler c c11 "$file" $options
            check $compiler c c17 "$file" $options
        done
        for compiler in g++ clang++; do
            check $compiler c++ c++17 "$file" $options
        done
    done
done
echo "headers: $checked compilations, $failed failed"
[ $failed = 0 ]
