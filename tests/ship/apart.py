#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A sender and a collector as two hosts with a cable, in network namespaces, while a program emits: partition, a peer that vanishes (half-open on either side), and where
this kernel has netem delay, loss and reordering. Each time they go on by themselves, and at the end what is stored is what was emitted less what is counted as
lost, nothing twice."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from shipping import Pair, within_namespaces

NEAR, FAR, PORT = "10.79.0.1", "10.79.0.2", 7423  # in a network of our own
os.environ["PATH"] += ":/usr/sbin:/sbin"


def network():
    """Two hosts with a cable. What brings it down and up; or None, and why not."""
    holder = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; read line"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    holder.stdout.readline()
    far = ["nsenter", "-t", str(holder.pid), "-n"]
    lines = (["ip", "link", "set", "lo", "up"], ["ip", "link", "add", "near0", "type", "veth", "peer", "name", "far0", "netns", str(holder.pid)],
             ["ip", "addr", "add", f"{NEAR}/24", "dev", "near0"], ["ip", "link", "set", "near0", "up"], far + ["ip", "link", "set", "lo", "up"],
             far + ["ip", "addr", "add", f"{FAR}/24", "dev", "far0"], far + ["ip", "link", "set", "far0", "up"])
    for line in lines:
        done = subprocess.run(line, capture_output=True, text=True)
        if done.returncode:
            print(f"skipped: no cable: {done.stderr.strip()}")
            holder.kill()
            return None, None
    return holder, far


def by_cable(pair, far):
    def cable(state):
        subprocess.run(far + ["ip", "link", "set", "far0", state], check=True)

    pair.start_collector()
    pair.all.wait_for("the collector listens", lambda: pair.port())
    pair.start_sender(f"{FAR}:{PORT}")
    pair.start_emitter()
    pair.wait_acked(1, "something is acknowledged")
    netem = ["tc", "qdisc", "add", "dev", "near0", "root", "netem", "delay", "10ms", "5ms", "loss", "3%", "reorder", "25%"]
    bad = subprocess.run(netem, capture_output=True, text=True)
    if bad.returncode:
        print(f"apart: no netem here, so no loss and reordering: {bad.stderr.strip()}")
    else:
        pair.wait_acked(300, "over a bad cable")
    cable("down")
    pair.wait_spooled(4, "a partition fills the spool")
    cable("up")
    pair.wait_acked(100, "the partition is over")
    cable("down")  # nobody hears that the collector has gone
    pair.all.kill(pair.collector)
    pair.wait_spooled(4, "a collector that vanished fills the spool")
    cable("up")
    pair.start_collector()
    pair.wait_acked(100, "the collector is back")
    cable("down")  # ... or the sender
    pair.all.kill(pair.sender)
    cable("up")
    pair.start_sender()
    pair.wait_acked(100, "the sender takes over from its half-open connection")
    pair.finish()


def main():
    code = within_namespaces("-rn", "network")
    if code is not None:
        return code
    holder, far = network()
    if not holder:
        return 77
    try:
        Pair("apart", f"{FAR}:{PORT}", far).attempt(by_cable, far)
    finally:
        holder.communicate(b"\n")
    return 0


sys.exit(main())
