# SPDX-License-Identifier: ISC
# What the scripts share: evtrail top in a tmux of their own, keys for it, and looking at what it shows. On top of tests/cli/common.bash,
# which starts traced programs and runs evtrail without a terminal.
command -v tmux >/dev/null || { echo "skipped: no tmux" >&2; exit 77; }
. "$(dirname "${BASH_SOURCE[0]}")/../cli/common.bash"
export LC_ALL=C.UTF-8 XDG_CONFIG_HOME=$folder/config
unset TMUX COLUMNS LINES ESCDELAY
server=$folder/tmux servers=0
tm() { tmux -u -S "$server" -f /dev/null "$@"; }
top_cleanup() {
    tm kill-server 2>/dev/null
    cleanup
}
trap top_cleanup EXIT

# screen SIZE TERM ARGUMENT...: evtrail top with these arguments in a new terminal; variables for it are in $with ("NO_COLOR=1")
screen() {
    local size=$1 term=$2
    shift 2
    tm kill-server 2>/dev/null
    server=$folder/tmux.$((++servers)) # one that ends may still hold the old name
    rm -f code
    printf '%q ' "$EVTRAIL_COMMAND" top "$@" >arguments
    cat >start.sh <<END
cd '$folder'
env -u TMUX TERM=$term ${with-} $(cat arguments) 2>err
echo \$? >code
exec sleep 1000
END
    tm new-session -d -x "${size%x*}" -y "${size#*x}" -s top "exec bash $folder/start.sh"
    tm set -g status off
    tm set -g set-clipboard on
}
# keys KEY...: as tmux names them (Enter, Escape, C-z, NPage), anything else is typed as it is
keys() {
    local key
    for key in "$@"; do tm send-keys -t top "$key"; done
}
type_text() { tm send-keys -t top -l -- "$1"; }
capture() { tm capture-pane -p -t top; }
# wait_for PATTERN [SECONDS]: until a line of the screen matches
wait_for() {
    local i
    for i in $(seq $((${2:-8} * 20))); do
        capture >out 2>/dev/null
        grep -q -- "$1" out && return 0
        sleep 0.05
    done
    flop "the screen never shows '$1'"
    return 1
}
# wait_gone PATTERN [SECONDS]
wait_gone() {
    local i
    for i in $(seq $((${2:-8} * 20))); do
        capture >out 2>/dev/null
        grep -q -- "$1" out || return 0
        sleep 0.05
    done
    flop "the screen still shows '$1'"
    return 1
}
# the selected row's first word
selected() { capture | sed -n 's/^>[^0-9A-Za-z_(]*\([^ ]*\).*/\1/p' | head -1; }
# ended CODE: evtrail ends with this code
ended() {
    local i
    for i in $(seq 160); do
        [ -s code ] && break
        sleep 0.05
    done
    equal "$(cat code 2>/dev/null)" "$1" "exit code"
}
resize() { tm resize-window -t top -x "${1%x*}" -y "${1#*x}"; }
# no line is longer than the screen is wide, and none is below it
fits() {
    local size=$1
    capture >out
    [ "$(wc -l <out)" -le "${size#*x}" ] || flop "more lines than $size"
    local widest
    widest=$(wc -L <out)
    [ "$widest" -le "${size%x*}" ] || flop "a line of $widest columns in $size"
}
