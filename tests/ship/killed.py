#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Sender, collector or both are killed, at random, while two programs emit, end at any time, and others take their place: what is stored is what was
emitted less what is counted as lost, and nothing is stored twice. Then again with a sender whose spool has no room at times, and drops. EVTRAIL_SHIP_ROUNDS (12) kills; EVTRAIL_SHIP_SEED repeats a run; EVTRAIL_SHIP_TLS=1: over TCP, by TLS with a key."""
import os
import random
import resource
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


def no_room():
    """No segment may be made: as on a disk that is full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))


def start_sender(full=False):
    return all_of_it.start(COMMAND, "send", "--all", "-c", address, "--spool", f"{work}/spool", "--spool-full", "drop-newest", "--drain-time", "120s", *keys,
                           preexec_fn=no_room if full else None)


def start_emitter(pause):
    return all_of_it.start(NUMBERS, str(pause), stdout=subprocess.PIPE, text=True)


def alive(process, again):
    """As a service manager would: one that found an address still held by what was killed is started again."""
    return process if process.poll() is None else again()


def revive(services):
    services[:] = [alive(services[0], start_collector), alive(services[1], start_sender)]


def sessions():
    return [name for name in os.listdir(f"{work}/run") if name.endswith(".trail")]


def end_emitter(emitter):
    emitter.send_signal(signal.SIGTERM)
    return int(emitter.communicate(timeout=120)[0])


def kills(chance, capped):
    """How many events were emitted."""
    services = [start_collector(), start_sender()]
    all_of_it.wait_for("the sender watches", lambda: revive(services) or os.path.exists(f"{work}/run/.wanted"))
    emitters, emitted = [start_emitter(pause) for pause in (3000, 8000)], 0
    for _ in range(ROUNDS // 2 if capped else ROUNDS):
        time.sleep(chance.uniform(0.01, 0.12))
        victims = chance.choice(((0,), (1,), (0, 1)))
        for victim in victims:
            all_of_it.kill(services[victim])
        if chance.random() < 0.4:
            emitted += end_emitter(emitters.pop(chance.randrange(2)))
            emitters.append(start_emitter(chance.choice((3000, 8000))))
        time.sleep(chance.uniform(0, 0.03))
        for victim in victims:
            services[victim] = start_sender(capped and chance.random() < 0.5) if victim else start_collector()
    emitted += sum(end_emitter(emitter) for emitter in emitters)
    all_of_it.kill(services[1])
    all_of_it.wait_for("all is read", lambda: revive(services) or not sessions()) # what they left when they ended
    all_of_it.end(services[1], "the sender", start_sender)
    all_of_it.end(services[0], "the collector", start_collector)
    return emitted


def main():
    chance, emitted = random.Random(SEED), 0
    for capped in (False, True):
        emitted += kills(chance, capped)
        stored, lost = all_of_it.check(emitted)
        if not capped and "spool" in lost:
            raise Failed(f"lost {lost}")
        print(f"killed: seed {SEED}: {ROUNDS} kills, {emitted} emitted, {stored} stored, lost {lost or 0}")
    all_of_it.leave()


try:
    main()
except Exception as error:  # leave nothing behind
    all_of_it.fail(f"seed {SEED}: {error}" if isinstance(error, Failed) else f"seed {SEED}: {error!r}")
