#!/bin/bash
# SPDX-License-Identifier: ISC
# Stages an install and uses it as a stranger does: by pkg-config and by find_package, with gcc and clang, in C11, C17 and C++17; runs
# what was built, records it with the staged command, and reads it back. Usage: install.sh BUILD
set -euo pipefail
build=$1
project=$(cd "$(dirname "$0")/project" && pwd)
work=$build/install-test
stage=$work/stage
rm -rf "$work"
mkdir -p "$work/vendor" "$work/sessions"
chmod 700 "$work/sessions"
export EVTRAIL_DIR=$work/sessions
unset EVTRAIL CC CXX CFLAGS

fail() {
    echo "install: $*" >&2
    exit 1
}

cmake --install "$build" --prefix "$stage" >"$work/install.log" || { cat "$work/install.log"; fail "cmake --install"; }

# A build without the pool has no evpool, pool-stress, send and collect.
pool=yes
[ -e "$build/lib/libevtrail-pool.so" ] || pool=no

# What is there, and that no name belongs to another package.
cd "$stage"
libraries=$(dirname "$(find . -name libevtrail.so.0)")
for file in "$libraries"/libevtrail.so{,.0} "$libraries"/libevtrail-reader.so{,.0} "$libraries"/libevtrail-libc.so \
    "$libraries"/libevtrail-ocaml.so{,.0} "$libraries"/pkgconfig/evtrail-ocaml.pc \
    include/evtrail/{trace,evtrail,catalogue,reader,file,format,ocaml}.h "$libraries"/pkgconfig/evtrail{,-reader}.pc \
    "$libraries"/cmake/evtrail/evtrailConfig{,Version}.cmake bin/evtrail share/man/man1/evtrail{,-record,-cat,-stat}.1 \
    share/bash-completion/completions/evtrail share/zsh/site-functions/_evtrail share/doc/evtrail/{README.md,CHANGELOG.md,LICENSE}; do
    [ -e "$file" ] || fail "$file is not installed"
done
for file in "$libraries"/libevtrail-pool{,-untraced}.{so,so.0,a} include/evpool/{pool,loop,error}.h "$libraries"/pkgconfig/evtrail-pool{,-untraced}.pc \
    "$libraries"/cmake/evtrail/evtrailPoolTargets.cmake bin/pool-stress share/man/man1/pool-stress.1 share/doc/evtrail/pool-integration/README.md \
    lib/systemd/system/evtrail-{collect,send@}.service lib/systemd/user/evtrail-send.service share/doc/evtrail/examples/services/{collect,send}.conf; do
    [ $pool = no ] || [ -e "$file" ] || fail "$file is not installed"
done
foreign=$(find . -path ./include/evtrail -prune -o \( -name '*libtrace*' -o -name 'trace_*' \) -print)
[ -z "$foreign" ] || fail "installed under another package's name: $foreign"
for page in share/man/man1/*.1; do
    ! man -l --warnings "$page" 2>&1 >/dev/null | grep . || fail "$page: man complains"
done
bash -n share/bash-completion/completions/evtrail
[ ! -x /usr/bin/zsh ] || zsh -n share/zsh/site-functions/_evtrail

export PKG_CONFIG_PATH=$stage/$libraries/pkgconfig
export LD_LIBRARY_PATH=$stage/$libraries
evtrail=$stage/bin/evtrail
cp "$stage/include/evtrail/trace.h" "$work/vendor/"
warnings=(-Wall -Wextra -Wpedantic -Werror -I"$project") # -I: for shelf.def

# The events that one run of an app must leave, whatever it was built with.
expected="app.nothing 1
app.start 1
parts.made 4
parts.make 2
shelf.level 1
shelf.put 3"
check_app() { # FOLDER PROGRAM STANDARD
    local trace=$1/$2.evt output
    output=$(env -u LD_LIBRARY_PATH LD_LIBRARY_PATH="$LD_LIBRARY_PATH:$1" "$1/$2" "$3") || fail "$1/$2 alone: exit code $?"
    [ "$output" = "0.1.0 4" ] || fail "$1/$2 printed '$output'"
    output=$(LD_LIBRARY_PATH="$LD_LIBRARY_PATH:$1" "$evtrail" record --quiet -o "$trace" -- "$1/$2" "$3") ||
        fail "$1/$2 recorded: exit code $?"
    [ "$output" = "0.1.0 4" ] || fail "$1/$2 recorded printed '$output'"
    [ "$("$1/count" "$trace" | sort)" = "$expected" ] || fail "$1/$2: events are: $("$1/count" "$trace" | tr '\n' ' ')"
    "$evtrail" cat --json -r "$trace" >"$trace.json"
    grep -q "\"app.start\".*\"$3\"" "$trace.json" || fail "$1/$2: no app.start with '$3' in $(head -n 3 "$trace.json")"
    grep -q '"shelf.put".*"box".*101.*right' "$trace.json" || fail "$1/$2: no shelf.put in $(grep shelf.put "$trace.json")"
}
# A library with its own trace.h says nothing by itself, and speaks when libevtrail comes along.
check_lonely() { # FOLDER
    [ "$(env -u LD_LIBRARY_PATH "$1/lonely")" = 4 ] || fail "$1/lonely"
    ! ldd "$1/lonely" "$1/libparts.so" | grep -q evtrail || fail "$1/lonely or libparts.so needs evtrail"
    "$evtrail" record --quiet -o "$1/lonely.evt" -- "$1/lonely" >/dev/null || fail "$1/lonely recorded"
    [ "$("$1/count" "$1/lonely.evt" | sort)" = "parts.made 4
parts.make 2" ] || fail "$1/lonely: events are: $("$1/count" "$1/lonely.evt" | tr '\n' ' ')"
}

# An acquire by the pool: what it prints, and its events if it has any.
check_reach() { # FOLDER PROGRAM
    local trace=$1/$2.evt output created
    output=$(timeout 20 "$1/$2") || fail "$1/$2: exit code $?, $output"
    [ "$output" = "hello new" ] || fail "$1/$2 printed '$output'"
    output=$(timeout 20 "$evtrail" record --quiet -o "$trace" -- "$1/$2" localhost) || fail "$1/$2 recorded: exit code $?, $output"
    created=$("$evtrail" grep -c pool.conn.created "$trace" || true)
    case $2 in
    *untraced*) [ "$created" = 0 ] || fail "$1/$2 has $created events, and should have none" ;;
    *) [ "$created" = 1 ] || fail "$1/$2: $created connections created by the events" ;;
    esac
}
reached=0
reach_by_pkg_config() { # COMPILER CXX FOLDER
    local variant standard flags
    for variant in "" -untraced; do
        flags=$(pkg-config --cflags --libs evtrail-pool$variant)
        for standard in c11 c17; do
            $1 -std=$standard -D_GNU_SOURCE -O2 "${warnings[@]}" reach.c $flags -o "$3/reach_$standard$variant"
        done
        $2 -std=c++17 -O2 "${warnings[@]}" -x c++ reach.c $flags -o "$3/reach_cxx17$variant"
        flags=$(pkg-config --cflags --libs --static evtrail-pool$variant | sed "s/-levtrail-pool$variant\( \|$\)/-l:libevtrail-pool$variant.a /")
        $1 -std=c17 -D_GNU_SOURCE -O2 "${warnings[@]}" reach.c $flags -o "$3/reach_static$variant"
        readelf -d "$3/reach_static$variant" | grep -q 'NEEDED.*evtrail-pool' && fail "reach_static$variant is not static"
        for standard in c11 c17 cxx17 static; do
            check_reach "$3" "reach_$standard$variant"
            reached=$((reached + 1))
        done
    done
}

built=0
for compiler in gcc clang; do
    cxx=${compiler/gcc/g++}
    cxx=${cxx/clang/clang++}
    folder=$work/pkg-config-$compiler
    mkdir "$folder"
    cd "$project"
    $compiler -std=c11 "${warnings[@]}" -fPIC -shared -I"$work/vendor" parts.c -o "$folder/libparts.so"
    $compiler -std=c17 "${warnings[@]}" lonely.c -L"$folder" -lparts -Wl,-rpath,"$folder" -o "$folder/lonely"
    $compiler -std=c11 "${warnings[@]}" count.c $(pkg-config --cflags --libs evtrail-reader) -o "$folder/count"
    flags="-L$folder -lparts -Wl,-rpath,$folder $(pkg-config --cflags --libs evtrail)"
    for standard in c11 c17; do
        $compiler -std=$standard -O2 "${warnings[@]}" app.c shelf.c $flags -o "$folder/app_$standard"
        check_app "$folder" app_$standard "$standard"
    done
    $compiler -std=c17 -O2 "${warnings[@]}" -c shelf.c $(pkg-config --cflags evtrail) -o "$folder/shelf.o"
    $cxx -std=c++17 -O2 "${warnings[@]}" app.cpp "$folder/shelf.o" $flags -o "$folder/app_cxx17"
    check_app "$folder" app_cxx17 c++17
    check_lonely "$folder"
    [ $pool = no ] || reach_by_pkg_config $compiler $cxx "$folder"

    folder=$work/find_package-$compiler
    CC=$compiler CXX=$cxx cmake -G Ninja -S "$project" -B "$folder" -DCMAKE_PREFIX_PATH="$stage" -DVENDOR="$work/vendor" \
        -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_FLAGS="${warnings[*]}" -DCMAKE_CXX_FLAGS="${warnings[*]}" >"$work/cmake.log" ||
        { cat "$work/cmake.log"; fail "find_package, $compiler"; }
    cmake --build "$folder" >"$work/cmake.log" || { cat "$work/cmake.log"; fail "find_package build, $compiler"; }
    for standard in c11 c17 cxx17; do
        check_app "$folder" app_$standard $standard
    done
    check_lonely "$folder"
    for standard in {c11,c17,cxx17}{,-untraced}; do
        [ $pool = yes ] || continue
        check_reach "$folder" reach_$standard
        reached=$((reached + 1))
    done
    built=$((built + 6))
done
if [ $pool = no ]; then
    [ "$("$evtrail" send 2>&1)" != "" ] || fail "evtrail send says nothing"
    echo "install: $built foreign programs built, run, recorded and read back; without the pool"
    exit
fi
timeout 60 "$stage/bin/pool-stress" --quiet --messages 2000 --html "$work/page.html" || fail "pool-stress: exit code $?"
grep -q '</html>' "$work/page.html" || fail "pool-stress made no page"
echo "install: $built foreign programs built, run, recorded and read back; $reached connected by the pool"
