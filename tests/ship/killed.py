#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Sender, collector or both are killed, at random, while two programs emit: what is stored is what was emitted less what is counted as
lost, and nothing is stored twice. EVTRAIL_SHIP_ROUNDS (12) kills; EVTRAIL_SHIP_SEED repeats a run; EVTRAIL_SHIP_TLS=1: over TCP, by TLS with a key."""
import os
import random
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from shipping import COMMAND, Failed, Shipping

NUMBERS = os.environ["SHIP_NUMBERS"]
ROUNDS = int(os.environ.get("EVTRAIL_SHIP_ROUNDS", "12"))
SEED = int(os.environ.get("EVTRAIL_SHIP_SEED", time.time_ns() % 1000000007))
TLS = os.environ.get("EVTRAIL_SHIP_TLS")

all_of_it = Shipping("killed")
work = all_of_it.work
address, keys = f"unix:{work}/socket", ()
if TLS:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"tls://127.0.0.1:{free.getsockname()[1]}"
    with open(f"{work}/keys", "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(f"here:{os.urandom(32).hex()}\n")
    keys = ("--psk-file", f"{work}/keys")


def start_collector():
    return all_of_it.start(COMMAND, "collect", "--listen", address.removeprefix("tls://"), "--store", f"{work}/store", "--rotate-size", "256K", "--no-sync", *keys)


def start_sender():
    return all_of_it.start(COMMAND, "send", "--all", "-c", address, "--spool", f"{work}/spool", "--drain-time", "120s", *keys)


def sizes():
    return {folder: sum(os.path.getsize(path) for path in files) for folder, files in all_of_it.stored_files()}


def alive(process, again):
    """As a service manager would: one that found an address still held by what was killed is started again."""
    return process if process.poll() is None else again()


def wait_for_events(processes, services):
    """The sender that runs now reads all of them: of each something more is stored, again and again. What they leave when they end is its to read."""
    until = time.monotonic() + 120
    for _ in range(4):
        before = sizes()
        while True:
            now = sizes()
            if len(now) == processes and all(now[folder] > before.get(folder, 0) for folder in now):
                break
            if time.monotonic() > until:
                raise Failed("the sender ships nothing")
            time.sleep(0.02)
            services[:] = [alive(services[0], start_collector), alive(services[1], start_sender)]


def main():
    chance = random.Random(SEED)
    collector, sender = start_collector(), start_sender()
    emitters = [all_of_it.start(NUMBERS, str(pause), stdout=subprocess.PIPE, text=True) for pause in (500, 2000)]
    for _ in range(ROUNDS):
        time.sleep(chance.uniform(0.01, 0.12))
        victims = chance.choice(("collector", "sender", "both"))
        if victims != "sender":
            all_of_it.kill(collector)
        if victims != "collector":
            all_of_it.kill(sender)
        time.sleep(chance.uniform(0, 0.03))
        if victims != "sender":
            collector = start_collector()
        if victims != "collector":
            sender = start_sender()
    services = [collector, sender]
    wait_for_events(len(emitters), services)
    collector, sender = services
    emitted = 0
    for emitter in emitters:
        emitter.send_signal(signal.SIGTERM)
        emitted += int(emitter.communicate(timeout=120)[0])
    all_of_it.end(sender, "the sender", start_sender)
    all_of_it.end(collector, "the collector", start_collector)
    stored, lost = all_of_it.check(emitted)
    print(f"killed: seed {SEED}: {ROUNDS} kills, {emitted} emitted, {stored} stored, lost {lost or 0}")
    all_of_it.leave()


try:
    main()
except Exception as error:  # leave nothing behind
    all_of_it.fail(f"seed {SEED}: {error}" if isinstance(error, Failed) else f"seed {SEED}: {error!r}")
