#!/bin/bash
# SPDX-License-Identifier: ISC
# evtrail send and collect with certificates and keys, made as docs/services.md says: who is let in, what the others read, and a reload by SIGHUP.
set -euo pipefail
command -v openssl >/dev/null || { echo "skipped: no openssl"; exit 77; }
work=$(mktemp -d)
EVTRAIL_DIR=$(mktemp -d /dev/shm/evtrail-secure.XXXXXX)
export EVTRAIL_DIR
unset EVTRAIL
export ASAN_OPTIONS=verify_asan_link_order=0${ASAN_OPTIONS:+:$ASAN_OPTIONS} # libevtrail is preloaded
collector=
leave() {
    [ -z "$collector" ] || kill "$collector" 2>/dev/null || true
    wait
    rm -rf "$work" "$EVTRAIL_DIR"
}
trap leave EXIT
cd "$work"
fail() {
    echo "secure: $*"
    tail -n 20 collect.log 2>/dev/null
    exit 1
}

signer() { # NAME
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" -keyout "$1.key" -out "$1.pem"
}
certificate() { # NAME SIGNER
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$1.key" -out "$1.csr"
    printf 'subjectAltName=DNS:%s' "$1" >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days 2 -extfile "$1.ext" -out "$1.pem"
}
{
    signer authority
    signer stranger
    certificate localhost authority
    certificate db1.hosts.example.org authority
    certificate db1.other.example.org authority
    certificate db2.hosts.example.org stranger
} >openssl.log 2>&1 || { cat openssl.log; fail "openssl"; }
echo "db1:$(openssl rand -hex 32)" >senders.keys
echo "db3:$(openssl rand -hex 32)" >other.keys
chmod 600 ./*.keys

printf '[collect]\nlisten = tls://localhost:0\nstore = %s/traces\ncert = %s/localhost.pem\nkey = %s/localhost.key\nclient-ca = %s/authority.pem\nclient-name = *.hosts.example.org\npsk-file = %s/senders.keys\n' \
    "$work" "$work" "$work" "$work" "$work" >collect.conf
"$EVTRAIL_COMMAND" collect --config collect.conf --check >check.log 2>&1 || { cat check.log; fail "collect --check"; }
: >collect.log # the loop below may look before it is there
"$EVTRAIL_COMMAND" collect --config collect.conf 2>collect.log &
collector=$!
port=
for ((i = 0; i < 600; i++)); do
    port=$(sed -nE 's/.*listening on [^ ]*localhost:([0-9]+).*/\1/p' collect.log | head -n 1)
    [ -z "$port" ] || break
    sleep 0.1
done
[ -n "$port" ] || fail "it does not listen"

n=0
send() { # OPTION...
    n=$((n + 1))
    "$EVTRAIL_COMMAND" send -c "localhost:$port" --spool "spool$n" --drain-time 60s "$@" -- "$EMITTER" -n 100 >send.log 2>&1 || { cat send.log; fail "send $*"; }
    grep -qE '^evtrail send: 50[0-9] events sent and acknowledged; lost in rings 0' send.log || { cat send.log; fail "send $*"; }
}
turned_away() { # WORDS LOG-WORDS OPTION...
    local words=$1 log=$2
    shift 2
    n=$((n + 1))
    "$EVTRAIL_COMMAND" send --all -c "localhost:$port" --spool "spool$n" --check "$@" >send.log 2>&1 && { cat send.log; fail "let in: $*"; }
    grep -qF -- "$words" send.log || { cat send.log; fail "send $*: not told '$words'"; }
    for ((i = 0; i < 600; i++)); do
        [ -n "$log" ] || break
        ! grep -qF -- "$log" collect.log || break
        sleep 0.1
    done
    [ "$i" -lt 600 ] || fail "the collector does not tell '$log'"
}

db1=(--ca authority.pem --cert db1.hosts.example.org.pem --key db1.hosts.example.org.key)
send "${db1[@]}"
send --psk-file senders.keys
turned_away "not trusted" "" --ca stranger.pem
turned_away "--cert and --key" "showed no certificate" --ca authority.pem
turned_away "signer of our certificate" "(db2.hosts.example.org) is not trusted" --ca authority.pem --cert db2.hosts.example.org.pem --key db2.hosts.example.org.key
turned_away "rules do not allow" "(db1.other.example.org)" --ca authority.pem --cert db1.other.example.org.pem --key db1.other.example.org.key
turned_away "db3" "no key of the id 'db3'" --psk-file other.keys
turned_away "tls://" "plaintext where only TLS" -c "tcp://localhost:$port"

# The other key is let in after a reload, and the name is not any more.
cat other.keys >>senders.keys
sed -i 's/^client-name = .*/client-name = *.other.example.org/' collect.conf
kill -HUP "$collector"
for ((i = 0; i < 600; i++)); do
    ! "$EVTRAIL_COMMAND" send --all -c "localhost:$port" --spool spool-reload --check --psk-file other.keys >send.log 2>&1 || break
    sleep 0.1
done
send --psk-file other.keys
turned_away "rules do not allow" "(db1.hosts.example.org)" "${db1[@]}"

kill "$collector"
wait "$collector" || fail "the collector ends with $?"
collector=
stored=$(find traces -name '*.evt' -print0 | xargs -0 "$EVTRAIL_COMMAND" cat --json | grep -c '"t.number"')
[ "$stored" = 300 ] || fail "$stored events t.number are stored, and 300 were sent"
echo "secure: three let in, seven turned away, and a reload"
