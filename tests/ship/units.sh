#!/bin/bash
# SPDX-License-Identifier: ISC
# The systemd units are as systemd wants them, and leave their programs little that could be abused.
set -euo pipefail
command -v systemd-analyze >/dev/null || { echo "skipped: no systemd-analyze"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export SYSTEMD_LOG_LEVEL=notice SYSTEMD_COLORS=0 LC_ALL=C XDG_RUNTIME_DIR=$work

# As installed, but for the path of the command.
for unit in "$SHIP_BINARY_DIR"/systemd/*.service; do
    sed -E "s|^(Exec[A-Za-z]+)=[^ ]*/evtrail |\1=$EVTRAIL_COMMAND |" "$unit" >"$work/$(basename "$unit")"
    grep -q "^ExecStart=$EVTRAIL_COMMAND " "$work/$(basename "$unit")"
done
cp "$work/evtrail-send@.service" "$work/evtrail-send@daemon.service"

verify() { # UNIT [OPTION]: no complaint about it (about others of this system there may be)
    local unit=$1 complaints
    shift
    complaints=$(systemd-analyze verify --man=no --recursive-errors=no "$@" "$work/$unit" 2>&1) || true
    complaints=$(grep -F "$unit" <<<"$complaints" || true)
    [ -z "$complaints" ] || { echo "$complaints"; exit 1; }
}
if ! systemd-analyze verify --help 2>&1 | grep -q recursive-errors; then
    echo "skipped: systemd-analyze is older than 250"
    exit 77
fi
verify evtrail-collect.service
verify evtrail-send@daemon.service
verify evtrail-send.service --user
# It does complain of what is wrong.
sed 's/^ProtectSystem=.*/ProtectSystem=perhaps/' "$work/evtrail-collect.service" >"$work/evtrail-wrong.service"
! (verify evtrail-wrong.service) >/dev/null || { echo "systemd-analyze verify finds nothing"; exit 77; }

# The exposure level times ten: of a unit without any hardening it is 96.
for unit in evtrail-collect.service:20 evtrail-send@daemon.service:40; do
    systemd-analyze security --offline=yes --threshold="${unit#*:}" --no-pager "$work/${unit%:*}" >"$work/report" 2>&1 ||
        { tail -n 5 "$work/report"; echo "${unit%:*}: more exposed than ${unit#*:}"; exit 1; }
    tail -n 1 "$work/report"
done
# The commands in them, with the examples of configuration, are understood.
cp "$SHIP_SOURCE_DIR/tools/systemd/collect.conf" "$work"
sed 's/collector\.example\.org/localhost:1/' "$SHIP_SOURCE_DIR/tools/systemd/send.conf" >"$work/send.conf" # no name to look up
grep -q localhost:1 "$work/send.conf"
commands() { # UNIT: its command lines, with the examples and folders of ours
    sed -nE 's/^ExecStart=//p' "$work/$1" | sed -E "s|[^ ]*/collect.conf|$work/collect.conf|; s|[^ ]*/send.conf|$work/send.conf|; s|%S|$work|; s|%i|x|"
}
for unit in evtrail-collect.service evtrail-send@daemon.service evtrail-send.service; do
    line=$(commands "$unit")
    code=0
    HOME=$work timeout 60 $line --check >"$work/check" 2>&1 || code=$?
    [[ $unit = evtrail-send* && $code != 2 && $code != 124 || $code = 0 ]] || { cat "$work/check"; echo "$unit: $line --check: $code"; exit 1; }
done
echo "units: as systemd wants them"
