# SPDX-License-Identifier: ISC
# Bad input to every tool that reads files: one line that says what, where and what to do; the documented exit code; no
# crash, no hang; everything that is intact is still read.
. "${0%/*}/common.bash"

timeout 30 "$EVTRAIL_COMMAND" record --quiet -o a.evt --flush 20ms -- "$EMITTER" -n 1500 -u 200 || flop "record"
size=$(stat -c %s a.evt)
head -c 100000 /dev/urandom >random
echo "just text" >text
: >empty
mkdir directory
printf 'x' | cat a.evt - | head -c $((size / 2)) >short.evt

readers=("cat" "stat" "grep t" "hist t.span" "verify")
for reader in "${readers[@]}"; do
    # shellcheck disable=SC2086
    run 3 $reader nothing.evt
    one_line
    for file in random text empty; do
        run 5 $reader $file
        one_line
    done
done
run 5 repair text
one_line
run 5 merge -o x.evt text
run 5 split --time 1s text
[ ! -e x.evt ] || rm x.evt

# a file that is not ours to read
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    cp a.evt secret.evt
    chmod 600 secret.evt
    chmod 755 .
    if setpriv --reuid=65534 --regid=65534 --clear-groups "$EVTRAIL_COMMAND" --version >/dev/null 2>&1; then
        setpriv --reuid=65534 --regid=65534 --clear-groups timeout 20 "$EVTRAIL_COMMAND" cat secret.evt >out 2>err
        equal $? 4 "exit code for an unreadable file"
        one_line
    fi
fi

# truncated anywhere: whole batches are read, never a crash
for part in 10 100 1000 $((size / 3)) $((size / 2)) $((size - 200)) $((size - 1)); do
    head -c "$part" a.evt >cut.evt
    for reader in cat stat verify; do
        timeout 20 "$EVTRAIL_COMMAND" $reader cut.evt >out 2>err
        code=$?
        [ $code = 0 ] || [ $code = 5 ] || flop "$reader of the first $part bytes: exit code $code"
    done
done
head -c $((size / 2)) a.evt >cut.evt
timeout 20 "$EVTRAIL_COMMAND" stat --json cut.evt >out 2>err
[ "$(tail -1 out | value events)" -gt 1000 ] || flop "little was read of half a file"

# bits flipped anywhere: found and named, the rest is read
for i in $(seq 1 25); do
    cp a.evt flip.evt
    at=$((i * size / 26))
    byte=$(od -An -tu1 -j $at -N1 flip.evt | tr -d ' ')
    printf "$(printf '\\x%02x' $((byte ^ 16)))" | dd of=flip.evt bs=1 seek=$at conv=notrunc status=none
    timeout 20 "$EVTRAIL_COMMAND" verify flip.evt >out 2>err
    code=$?
    [ $code = 5 ] || [ $code = 0 ] || flop "verify, byte $at flipped: exit code $code"
    timeout 20 "$EVTRAIL_COMMAND" stat --json flip.evt >out 2>err
    code=$?
    [ $code = 5 ] || [ $code = 0 ] || flop "stat, byte $at flipped: exit code $code"
    if [ $code = 5 ] && grep -q total out; then
        [ "$(tail -1 out | value events)" -gt 500 ] || flop "byte $at flipped: only $(tail -1 out) was read"
        [ "$(($(tail -1 out | value events) + $(tail -1 out | value lost)))" -ge 7000 ] || flop "byte $at flipped: loss is not told"
    fi
    timeout 20 "$EVTRAIL_COMMAND" cat flip.evt >out 2>err
    code=$?
    [ $code = 5 ] || [ $code = 0 ] || flop "cat, byte $at flipped: exit code $code"
done

# sessions that are not what they seem
mkdir -p -m 700 "$EVTRAIL_DIR"
head -c 50000 /dev/urandom >"$EVTRAIL_DIR/77777-0123456789abcdef.trail"
head -c 1200000 /dev/urandom >"$EVTRAIL_DIR/77777-0123456789abcdef.ctl"
: >"$EVTRAIL_DIR/77778-0123456789abcdef.trail"
run 0 ls
timeout 20 "$EVTRAIL_COMMAND" cat -p 77777 >out 2>err
code=$?
[ $code = 3 ] || [ $code = 5 ] || flop "cat of a session of random bytes: exit code $code"
one_line
start -l -u 1000
run 0 ls
has "$pid"
run 5 cat --all -e '*' -n 5
equal "$(grep -c 't\.' out)" 5 "events beside the damaged session"
finish
