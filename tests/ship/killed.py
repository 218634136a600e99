#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Sender, collector or both are killed, at random, while two programs emit: what is stored is what was emitted less what is counted as
lost, and nothing is stored twice. EVTRAIL_SHIP_ROUNDS (12) kills; EVTRAIL_SHIP_SEED repeats a run."""
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

COMMAND = os.environ["EVTRAIL_COMMAND"]
NUMBERS = os.environ["SHIP_NUMBERS"]
ROUNDS = int(os.environ.get("EVTRAIL_SHIP_ROUNDS", "12"))
SEED = int(os.environ.get("EVTRAIL_SHIP_SEED", time.time_ns() % 1000000007))

work = tempfile.mkdtemp(prefix="evtrail-killed-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
environment = dict(os.environ, EVTRAIL_DIR=f"{work}/run", EVTRAIL="*")
os.mkdir(f"{work}/run", 0o700)
log = open(f"{work}/log", "a")
started = []


def start(*words, **more):
    process = subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL, stderr=log, **{"stdout": log, **more})
    started.append(process)
    return process


def start_collector():
    return start(COMMAND, "collect", "--listen", f"unix:{work}/socket", "--store", f"{work}/store", "--rotate-size", "256K", "--no-sync")


def start_sender():
    return start(COMMAND, "send", "--all", "-c", f"unix:{work}/socket", "--spool", f"{work}/spool", "--drain-time", "120s")


def kill(process):
    process.kill()
    process.wait()


def end(process, what, again):
    """Gracefully. One that has no handler for the signal yet is started again."""
    for _ in range(20):
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(timeout=300)
        except subprocess.TimeoutExpired:
            fail(f"{what} does not end")
        if code != -signal.SIGTERM:
            break
        process = again()
        time.sleep(0.2)
    if code not in (0, 1):
        fail(f"{what} ends with {code}")


def fail(text):
    log.flush()
    with open(f"{work}/log", errors="replace") as lines:
        sys.stderr.write("".join(lines.readlines()[-40:]))
    print(f"killed: seed {SEED}: {text}", file=sys.stderr)
    leave()
    sys.exit(1)


def leave():
    for process in started:
        if process.poll() is None:
            kill(process)
    if not os.environ.get("EVTRAIL_KEEP"):
        shutil.rmtree(work, ignore_errors=True)


def stored_files():
    for folder, _, names in os.walk(f"{work}/store"):
        names = sorted(name for name in names if name.endswith(".evt"))
        if names:
            yield folder, [f"{folder}/{name}" for name in names]


def run(*words):
    done = subprocess.run(words, env=environment, capture_output=True, text=True, errors="replace")
    if done.returncode not in (0, 1):
        fail(f"{' '.join(words[1:3])}: {done.returncode}: {done.stderr[-2000:]}")
    return done


def check(emitted):
    """Each process's set alone: its numbers, and its losses by cause."""
    seen, lost = set(), {}
    for folder, files in stored_files():
        for path in files:
            run(COMMAND, "verify", "--quiet", path)
        text = run(COMMAND, "cat", "--json", folder).stdout
        for line in text.splitlines():
            event = json.loads(line)
            if "lost" in event:
                lost[event["cause"]] = lost.get(event["cause"], 0) + event["lost"]
            elif event.get("name") == "n.number":
                key = (event["pid"], event["fields"]["thread"], event["fields"]["value"])
                if key in seen:
                    fail(f"stored twice: {key}")
                seen.add(key)
    total = len(seen) + sum(lost.values())
    if total != emitted:
        for line in {key[:2] for key in seen}:
            values = sorted(key[2] for key in seen if key[:2] == line)
            gaps = [(a, b) for a, b in zip([-1] + values, values) if b != a + 1]
            print(f"process {line[0]} thread {line[1]}: up to {values[-1]}, not there between {gaps[:5]}", file=sys.stderr)
        fail(f"emitted {emitted}, stored {len(seen)}, lost {lost}: {emitted - total} are not accounted for")
    if "torn" in lost:
        fail(f"of these {lost['torn']} are lost in files")
    return len(seen), lost


def sizes():
    return {folder: sum(os.path.getsize(path) for path in files) for folder, files in stored_files()}


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
                fail("the sender ships nothing")
            time.sleep(0.02)
            services[:] = [alive(services[0], start_collector), alive(services[1], start_sender)]


def main():
    chance = random.Random(SEED)
    collector, sender = start_collector(), start_sender()
    emitters = [start(NUMBERS, str(pause), stdout=subprocess.PIPE, text=True) for pause in (500, 2000)]
    for _ in range(ROUNDS):
        time.sleep(chance.uniform(0.01, 0.12))
        victims = chance.choice(("collector", "sender", "both"))
        if victims != "sender":
            kill(collector)
        if victims != "collector":
            kill(sender)
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
    end(sender, "the sender", start_sender)
    end(collector, "the collector", start_collector)
    stored, lost = check(emitted)
    print(f"killed: seed {SEED}: {ROUNDS} kills, {emitted} emitted, {stored} stored, lost {lost or 0}")
    leave()


try:
    main()
except Exception as error:  # leave nothing behind
    fail(repr(error))
