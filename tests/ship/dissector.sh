#!/bin/bash
# SPDX-License-Identifier: ISC
# The dissector shows a capture of the protocol: the golden conversation, cut into segments anywhere.
set -u
here=$(cd "$(dirname "$0")" && pwd)
lua=$here/../../tools/wireshark/evtrail.lua
command -v tshark >/dev/null || { echo "skipped: no tshark (Debian: apt install tshark)"; exit 77; }
tshark -v 2>/dev/null | grep -q 'with Lua' || { echo "skipped: this tshark has no Lua"; exit 77; }
work=$(mktemp -d /tmp/evt-dissector.XXXXXX)
trap 'rm -rf "$work"' EXIT
export HOME=$work
failed=0
bad() { echo "FAILED: $*"; failed=$((failed + 1)); }

# pcap NAME PORT UP DOWN BYTES: a TCP connection whose two ways carry these files, in segments of so many bytes.
pcap() {
    python3 - "$@" <<'PY'
import struct, sys
name, port, up, down, size = sys.argv[1], int(sys.argv[2]), open(sys.argv[3], 'rb').read(), open(sys.argv[4], 'rb').read(), int(sys.argv[5])
out = open(name, 'wb')
out.write(struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 262144, 101))
time = 0
def segment(src, dst, sport, dport, seq, ack, flags, data):
    global time
    tcp = struct.pack('>HHIIBBHHH', sport, dport, seq, ack, 5 << 4, flags, 65535, 0, 0) + data
    ip = struct.pack('>BBHHHBBH4s4s', 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, src, dst)
    out.write(struct.pack('<IIII', 1700000000, time, len(ip) + len(tcp), len(ip) + len(tcp)) + ip + tcp)
    time += 10
a, b = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
segment(a, b, 40000, port, 100, 0, 2, b'')
segment(b, a, port, 40000, 500, 101, 18, b'')
segment(a, b, 40000, port, 101, 501, 16, b'')
for i in range(0, len(up), size):
    segment(a, b, 40000, port, 101 + i, 501, 24, up[i:i + size])
for i in range(0, len(down), size):
    segment(b, a, port, 40000, 501 + i, 101 + len(up), 24, down[i:i + size])
PY
}
show() { timeout 100 tshark -X "lua_script:$lua" -r "$1" "${@:2}" 2>"$work/err"; }
# Of a field, all that came of it, in order, on one line.
values() { show "$1" -T fields -e "$2" -E occurrence=a -E aggregator=, | tr '\n' ',' | tr -s , ' ' | sed 's/^ *//;s/ *$//'; }

golden=$here/golden
for size in 1400 37; do
    pcap "$work/a.pcap" 7423 "$golden/v1-sender.bin" "$golden/v1-collector.bin" $size
    got=$(values "$work/a.pcap" evtrail.type)
    up=$(python3 -c "
import struct,sys
o=[]
for n in ('$golden/v1-sender.bin','$golden/v1-collector.bin'):
    b=open(n,'rb').read(); at=0
    while at<len(b):
        h,p=struct.unpack_from('<HI',b,at+6); o.append(str(b[at+4])); at+=h+p
print(' '.join(o))")
    [ "$got" = "$up" ] || bad "segments of $size: types '$got', wanted '$up'"
    [ "$(values "$work/a.pcap" evtrail.crc_bad)" = "" ] || bad "segments of $size: a checksum is called wrong"
done
[ "$(values "$work/a.pcap" evtrail.host)" = "web1 store" ] || bad "hosts: $(values "$work/a.pcap" evtrail.host)"
[ "$(values "$work/a.pcap" evtrail.cause)" = "1 1" ] || bad "causes: $(values "$work/a.pcap" evtrail.cause)"
[ "$(values "$work/a.pcap" evtrail.refusal)" = "1" ] || bad "refusals: $(values "$work/a.pcap" evtrail.refusal)"
[ "$(values "$work/a.pcap" evtrail.source.pid)" = "4711" ] || bad "pids: $(values "$work/a.pcap" evtrail.source.pid)"
show "$work/a.pcap" | grep -q 'BYE done' || bad "no BYE in the column of infos"
show "$work/a.pcap" -Y 'evtrail.frame == "BATCH"' | grep -q DATA || bad "no batch is found by a filter"

# On another port by its first bytes; damage is told; a later version's messages are shown as far as they are known.
pcap "$work/b.pcap" 9999 "$golden/later-sender.bin" "$golden/v1-collector.bin" 1400
values "$work/b.pcap" evtrail.type | grep -q '201' || bad "a later version on another port: $(values "$work/b.pcap" evtrail.type)"
python3 -c "
b=bytearray(open('$golden/v1-sender.bin','rb').read()); b[45]^=1
open('$work/bad.bin','wb').write(b)"
pcap "$work/c.pcap" 7423 "$work/bad.bin" "$golden/v1-collector.bin" 1400
values "$work/c.pcap" evtrail.crc_bad | grep -qiE '1|true' || bad "a wrong checksum is not told"
head -c 3000 /dev/urandom >"$work/noise.bin"
pcap "$work/d.pcap" 7423 "$work/noise.bin" "$work/noise.bin" 500
show "$work/d.pcap" >/dev/null || bad "noise: exit code $?"
grep -iE 'lua.*error|traceback' "$work/err" && bad "the dissector failed"

echo "$failed failed"
[ $failed = 0 ]
