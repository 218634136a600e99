# SPDX-License-Identifier: ISC
# Completion in zsh: a real one, on a terminal of its own.
. "${0%/*}/common.bash"
command -v zsh >/dev/null || { echo "skipped: zsh is not installed"; exit 77; }
zsh -fc 'zmodload zsh/zpty && autoload -U compinit && compinit -u -D' >/dev/null 2>&1 ||
    { echo "skipped: this zsh has no zsh/zpty or no completion functions"; exit 77; }

mkdir -p functions bin
ln -s "$EVTRAIL_COMMAND" bin/evtrail
run 0 help --zsh
mv out functions/_evtrail
touch some-trace.evt
mkdir some-folder

# ask.zsh TEXT: what becomes of the line, as <<LINE>>, when TAB is pressed behind it
cat >ask.zsh <<'END'
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PROMPT= RPS1= PS2= PATH=$PWD/bin:\$PATH fpath=($PWD/functions \$fpath); stty -echo; stty columns 200"
zpty -w shell "autoload -U compinit; compinit -u -D; bindkey -e; LISTMAX=0"
zpty -w shell 'show() { print -r -- "<${:-<}$BUFFER>>" }; zle -N show; bindkey "^G" show; print -r be""gin'
zpty -r -m shell text '*begin*'
zpty -n -w shell "$1"$'\t\a'
zpty -r -m shell text '*<<*>>*'
print -r -- "$text"
zpty -d shell
END
ask() { timeout 20 zsh -f ask.zsh "$1" 2>err </dev/null | tr -d '\r' >out; }
# completed TEXT LINE: what the line becomes
completed() {
    ask "$1"
    equal "$(sed -n 's/.*<<\(.*\)>>.*/\1/p' out | tail -1)" "$2" "'$1' and TAB"
}
# offered TEXT PATTERN: what is listed below it
offered() {
    ask "$1"
    has "$2"
}

completed 'evtrail reco' 'evtrail record '
completed 'evtrail record --snapsho' 'evtrail record --snapshot'
completed 'evtrail cat --jso' 'evtrail cat --json '
completed 'evtrail stat some-tr' 'evtrail stat some-trace.evt '
offered 'evtrail re' 'repair'
offered 'evtrail record --keep-' 'keep-size'
start -l -u 1000
completed 'evtrail cat -p emitt' 'evtrail cat -p emitter '
completed 'evtrail enable -p emitter t.numb' 'evtrail enable -p emitter t.number '
finish
