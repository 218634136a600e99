#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The collector's disk is really full while it runs, and read-only at its start: it says which disk and what to do, acknowledges nothing that is not on it, goes on by itself
when there is room, and what is stored is what was emitted less what is counted as lost, nothing twice."""
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from shipping import COMMAND, Failed, Pair, within_namespaces


def disk_full(pair):
    everything = pair.all
    store = f"{everything.work}/store"
    everything.mount("store", "80k")
    pair.start_collector()
    pair.start_sender(f"unix:{everything.work}/socket")
    pair.start_emitter(200)
    everything.wait_for("the disk is full", lambda: everything.collector_status().get("store", {}).get("state") == "full")
    everything.wait_for("which, and what to do", lambda: everything.said(f"{store}: the disk is full: free space"))
    acked = everything.status()["acked_batches"]
    pair.wait_spooled(20, "the window closes")
    pair.emitter.send_signal(signal.SIGTERM)
    if everything.status()["acked_batches"] != acked:
        raise Failed("acknowledged while the disk is full")
    everything.remount("size=64m")
    pair.wait_acked(1, "there is room again")
    if not everything.said("storing again"):
        raise Failed("the log does not say that it stores again")
    pair.stop()
    everything.remount("ro")
    done = subprocess.run([COMMAND, "collect", "--listen", pair.listen, "--store", store], env=everything.environment, capture_output=True, text=True)
    if done.returncode != 6 or "read-only: remount it" not in done.stderr or store not in done.stderr:
        raise Failed(f"a read-only store: exit code {done.returncode}: {done.stderr}")
    everything.leave()


def main():
    code = within_namespaces("-rm", "mount")
    if code is not None:
        return code
    Pair("collect-disk", "unix:WORK/socket", more=("--reserve", "1", "--rotate-size", "64K")).attempt(disk_full)
    return 0


sys.exit(main())
