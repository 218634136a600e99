# SPDX-License-Identifier: ISC
# Names written for the terminal or the shell of whoever looks: none of it arrives there, and JSON stays JSON.
. "${0%/*}/common.bash"

# Controls C0 (but newline and tab) and C1, DEL, and what turns the direction of text around.
harmless() {
    ! LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\x8e\x8f\xaa-\xae]|\xe2\x81[\xa6-\xa9]' "$1" ||
        flop "$1 has bytes that a terminal obeys"
}
sane() { harmless out && harmless err; }

mkfifo hold
"${EMITTER%/*}/rude" <hold &
pid=$!
pids+=("$pid")
exec 9>hold
for i in $(seq 200); do
    "$EVTRAIL_COMMAND" ls --json 2>/dev/null | grep -q "\"types\":5" && break
    sleep 0.02
done
run 0 ls --directory "$EVTRAIL_DIR"
sane
equal "$(wc -l <out)" 2 'a line of its own'
run 0 ls --json
sane
json_lines
run 0 enable -l -p "$pid"
sane
equal "$(wc -l <out)" 6 'lines of five types'
has 'rude.c1'
run 0 enable -l --json -p "$pid"
sane
json_lines
run 0 enable '*' -p "$pid"
sane
run 0 set -p "$pid"
sane
run 0 complete 5 evtrail enable -p "$pid" rude
sane
equal "$(cut -f 1 out)" rude 'what a shell may be offered'
run 0 complete 3 evtrail cat -p ''
lacks $'^ru[^\t]*x' # what is behind the tab is its path
exec 9>&-
wait "$pid"

name=$(printf 'r\033[31m\302\233.evt')
run 0 record --force -o "$name" -- "${EMITTER%/*}/rude" </dev/null
sane
for command in stat cat verify; do
    run 0 "$command" "$name"
    sane
done
run 0 cat --json "$name"
sane
json_lines
run 2 bench "$(printf '\033[1mx\302\233')"
sane
one_line
run 3 cat "$(printf 'no\342\200\256\033file')"
sane
one_line
finish
