#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A sender and a collector with a proxy between them that fails while a program emits: delay, connections cut in the middle of messages, partition, half-open. Each
time they go on by themselves, and at the end what is stored is what was emitted less what is counted as lost, nothing twice."""
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from shipping import Failed, Pair


def by_proxy(pair):
    pair.start_collector()
    pair.all.wait_for("the collector listens", lambda: pair.port())
    proxy = pair.all.start(os.environ["FAULT_PROXY"], "127.0.0.1", str(pair.port()), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    port = int(proxy.stdout.readline())

    def fault(line):
        proxy.stdin.write(line + "\n")
        proxy.stdin.flush()
        answer = proxy.stdout.readline()
        if answer == "what?\n":
            raise Failed(f"the proxy does not know '{line}'")
        return answer

    def cuts():
        answer = fault("figures").split()
        proxy.stdout.readline()
        return int(answer[answer.index("cuts") + 1])

    pair.start_sender(f"127.0.0.1:{port}")
    pair.start_emitter()
    pair.wait_acked(1, "something is acknowledged")
    fault("delay 20")
    pair.wait_acked(100, "with a delay")
    for cut in ("cut reset up=3000", "cut close down=300"):
        before = cuts()
        fault(cut)
        pair.all.wait_for("the link is cut", lambda: cuts() > before)
        fault("none")
        pair.wait_acked(100, f"after '{cut}'")
    fault("hold")
    pair.wait_spooled(4, "a partition fills the spool")
    fault("none")
    pair.wait_acked(100, "the partition is over")
    fault("cut hang")  # half open: each side has a connection of which nothing comes any more
    pair.wait_spooled(4, "a half-open link fills the spool")
    fault("none")
    pair.sender.send_signal(signal.SIGHUP)  # as its time for silence would: the connection is made anew
    pair.wait_acked(100, "the sender takes over from its half-open connection")
    pair.finish()


Pair("broken-link", "127.0.0.1:0").attempt(by_proxy)
