#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A sender with two collectors, the second for when the first fails; either of them and the sender are killed at random. What the two stores have together is
what was emitted, nothing is called lost, and what one of them had acknowledged the other has not. EVTRAIL_SHIP_ROUNDS (6) kills; EVTRAIL_SHIP_SEED repeats a run."""
import json
import os
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from shipping import COMMAND, Shipping

NUMBERS = os.environ["SHIP_NUMBERS"]
ROUNDS = int(os.environ.get("EVTRAIL_SHIP_ROUNDS", "6"))
SEED = int(os.environ.get("EVTRAIL_SHIP_SEED", time.time_ns() % 1000000007))

everything = Shipping("failover")
work, environment = everything.work, everything.environment
start, leave = everything.start, everything.leave


def start_collector(number):
    return start(COMMAND, "collect", "--listen", f"unix:{work}/socket{number}", "--store", f"{work}/store{number}", "--no-sync")


def start_sender():
    return start(COMMAND, "send", "--all", "-c", f"unix:{work}/socket0", "-c", f"unix:{work}/socket1", "--spool", f"{work}/spool", "--drain-time", "120s")


def status():
    done = subprocess.run([COMMAND, "send", "--status", "--json", "--spool", f"{work}/spool"], env=environment, capture_output=True, text=True)
    try:
        return json.loads(done.stdout)
    except ValueError:
        return {}


def kill(process):
    process.kill()
    process.wait()


def fail(text):
    everything.fail(f"seed {SEED}: {text}")


def wait_for(what, services, holds, away=()):
    """As a service manager would, what could not start (an address that is held by what was killed) is started again meanwhile."""
    until = time.monotonic() + 120
    while not holds():
        if time.monotonic() > until:
            fail(f"not in time: {what}")
        for name, again in (("sender", start_sender), (0, lambda: start_collector(0)), (1, lambda: start_collector(1))):
            if services[name].poll() is not None and name not in away:
                services[name] = again()
        time.sleep(0.02)


def read(number):
    """What a store has, each process's set alone, and what it calls lost."""
    seen, lost = {}, {}
    for folder, _, names in os.walk(f"{work}/store{number}"):
        if not any(name.endswith(".evt") for name in names):
            continue
        done = subprocess.run([COMMAND, "cat", "--json", folder], env=environment, capture_output=True, text=True, errors="replace")
        if done.returncode not in (0, 1):
            fail(f"cat: {done.returncode}: {done.stderr[-1000:]}")
        for line in done.stdout.splitlines():
            event = json.loads(line)
            if "lost" in event:
                lost[event["cause"]] = lost.get(event["cause"], 0) + event["lost"]
            elif event.get("name") == "n.number":
                key = (event["pid"], event["fields"]["thread"], event["fields"]["value"])
                if key in seen:
                    fail(f"stored twice in {number}: {key}")
                seen[key] = True
    return set(seen), lost


def main():
    chance = random.Random(SEED)
    services = {0: start_collector(0), 1: start_collector(1), "sender": start_sender()}
    emitters = [start(NUMBERS, str(pause), stdout=subprocess.PIPE, text=True) for pause in (3000, 10000)]
    emitted, away = 0, ()
    for turn in range(ROUNDS):
        acked = status().get("acked_events", 0)
        wait_for("events are acknowledged", services, lambda: status().get("acked_events", 0) > acked or services["sender"].poll() is not None, away)
        victims = chance.choice(((0,), (0, 1), (0, "sender"), (1, "sender")))
        for victim in victims:
            kill(services[victim])
        time.sleep(chance.uniform(0, 0.05))
        away = (0,) if victims[0] == 0 and chance.random() < 0.6 else () # one stays away for a round
        for number in (0, 1):
            if number not in away and services[number].poll() is not None:
                services[number] = start_collector(number)
        if "sender" in victims:
            if turn == ROUNDS // 2: # while no sender runs
                emitters[0].send_signal(signal.SIGTERM)
                emitted += int(emitters.pop(0).communicate(timeout=120)[0])
            services["sender"] = start_sender()
    for emitter in emitters:
        emitter.send_signal(signal.SIGTERM)
        emitted += int(emitter.communicate(timeout=120)[0])
    wait_for("all is acknowledged", services, lambda: services["sender"].poll() is None and status().get("unacked_batches", 1) == 0 and not [name for name in os.listdir(f"{work}/run") if name.endswith(".trail")], away)
    for service in ("sender", *(number for number in (0, 1) if number not in away)):
        services[service].send_signal(signal.SIGTERM)
        if services[service].wait(timeout=240) not in (0, 1, -signal.SIGTERM): # one that has just been started
            fail(f"{service} ends with {services[service].returncode}")
    (first, lost_first), (second, lost_second) = read(0), read(1)
    lost = {cause: lost_first.get(cause, 0) + lost_second.get(cause, 0) for cause in {**lost_first, **lost_second}}
    both, together = len(first & second), len(first | second)
    print(f"failover: seed {SEED}: {ROUNDS} kills, {emitted} emitted, {len(first)} and {len(second)} stored, {both} of them by both, lost {lost}")
    if together != emitted or lost:
        fail(f"{emitted - together} are not accounted for")
    if both > emitted // 4 + 4000: # those that were under way, in each connection that was cut
        fail("what was acknowledged was sent again")
    leave()


try:
    main()
except Exception as error:  # leave nothing behind
    fail(repr(error))
