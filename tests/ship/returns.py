#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Programs that end while nobody reads them: the sender was killed, or its spool is full. What they emitted is shipped when the sender is back, or counted."""
import json
import os
import resource
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from shipping import COMMAND, Shipping

NUMBERS = os.environ["SHIP_NUMBERS"]

everything = Shipping("returns", in_memory=False)  # spools of several MB
work, environment = everything.work, everything.environment
start, leave, fail, wait_for = everything.start, everything.leave, everything.fail, everything.wait_for


def status(name):
    done = subprocess.run([COMMAND, "send", "--status", "--json", "--spool", f"{work}/{name}"], env=environment, capture_output=True, text=True)
    try:
        return json.loads(done.stdout)
    except ValueError:
        return {}


def no_room():
    """No segment may be made: as on a disk that is full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))


def sender(name, *words, **more):
    process = start(COMMAND, "send", "--all", "-c", f"unix:{work}/{name}.socket", "--spool", f"{work}/{name}", *(words or ("--drain-time", "120s")), **more)
    wait_for("the sender runs", lambda: status(name).get("running") or process.poll() is not None)
    return process


def collector(name):
    return start(COMMAND, "collect", "--listen", f"unix:{work}/{name}.socket", "--store", f"{work}/{name}.store", "--no-sync")


def emitter(pause):
    return start(NUMBERS, str(pause), stdout=subprocess.PIPE, text=True)


def end(process):
    process.send_signal(signal.SIGTERM)
    try:
        return process.communicate(timeout=240)[0]
    except subprocess.TimeoutExpired:
        fail("a program does not end")


def kill(process):
    process.kill()
    process.wait()


def check(name, emitted, loss):
    """The store's events, each once, and what it says is lost, are what was emitted."""
    seen, lost = 0, {}
    for folder, _, names in os.walk(f"{work}/{name}.store"):
        if not any(entry.endswith(".evt") for entry in names):
            continue
        sets = {entry[:-len(".00001.evt")] for entry in names if entry.endswith(".00001.evt")}
        for entry in sets:
            done = subprocess.run([COMMAND, "verify", "--json", f"{folder}/{entry}"], env=environment, capture_output=True, text=True)
            told = json.loads(done.stdout.splitlines()[-1])
            seen += told["events"]
            for cause, count in told["lost"].items():
                lost[cause] = lost.get(cause, 0) + count
    total = seen + sum(lost.values())
    if total != emitted:
        fail(f"{name}: emitted {emitted}, stored {seen}, lost {lost}: {emitted - total} are not accounted for")
    if not loss and lost:
        fail(f"{name}: lost {lost}")
    print(f"returns: {name}: {emitted} emitted, {seen} stored, lost {lost}")


def killed():
    """The program ends, as programs do, while the sender is away; another lives only then."""
    collecting = collector("killed")
    sending = sender("killed")
    program = emitter(2000)
    wait_for("events are acknowledged", lambda: status("killed").get("acked_events", 0) > 0)
    kill(sending)
    time.sleep(0.1)
    emitted = int(end(program))
    brief = emitter(2000)
    time.sleep(0.1)
    emitted += int(end(brief))
    if not os.path.exists(f"{work}/run/.wanted"):
        fail("the sender that was killed left no wish")
    sending = sender("killed")
    wait_for("all is taken", lambda: not [name for name in os.listdir(f"{work}/run") if name.endswith(".trail")])
    end(sending)
    if os.path.exists(f"{work}/run/.wanted"):
        fail("a sender that ends as it should wishes to come back")
    left = emitter(2000)
    time.sleep(0.05)
    end(left)
    if [name for name in os.listdir(f"{work}/run") if name.endswith(".trail")]:
        fail("a session is left although nobody wants it")
    end(collecting)
    check("killed", emitted, False)


def blocked():
    """Nothing finds room in the spool, and nothing is read: a program that was known ends, and one begins and ends. The sender is killed, and comes back."""
    sending = sender("blocked", preexec_fn=no_room)
    program = emitter(1000)
    wait_for("the spool is full", lambda: status("blocked").get("blocked"))
    os.utime(f"{work}/run/.watch", (1, 1))
    wait_for("the blocked sender says that it is there", lambda: os.stat(f"{work}/run/.watch").st_mtime > 1)
    emitted = int(end(program))
    brief = emitter(1000)
    time.sleep(0.1)
    emitted += int(end(brief))
    kill(sending)
    collecting = collector("blocked")
    sending = sender("blocked")
    wait_for("all is taken", lambda: not [name for name in os.listdir(f"{work}/run") if name.endswith(".trail")])
    end(sending)
    end(collecting)
    check("blocked", emitted, False)


def stopped():
    """A sender that waits for room when it is to end goes on waiting, and reads the rest when there is some."""
    sending = sender("stopped", preexec_fn=no_room)
    program = emitter(1000)
    wait_for("nothing finds room", lambda: status("stopped").get("blocked"))
    time.sleep(0.1)
    emitted = int(end(program))
    sending.send_signal(signal.SIGTERM)
    time.sleep(0.1)
    if sending.poll() is not None:
        fail("the sender does not wait for room")
    resource.prlimit(sending.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    collecting = collector("stopped")
    try:
        sending.wait(timeout=240)
    except subprocess.TimeoutExpired:
        fail("the sender does not end")
    end(collecting)
    check("stopped", emitted, False)


def left():
    """What is left in rings when there is no more time is told."""
    sending = sender("left", "--drain-time", "200ms", preexec_fn=no_room)
    program = emitter(1000)
    wait_for("nothing finds room", lambda: status("left").get("blocked"))
    end(sending)
    everything.log.flush()
    with open(f"{work}/log", errors="replace") as lines:
        if not [line for line in lines if "events are left in the rings of 1 " in line]:
            fail("it is not told what is left in rings")
    kill(program)


def dropped(name, last):
    """What a sender dropped is told, whether it is killed, ended, or ended at once, and also when its program is gone."""
    words = ("--spool-full", "drop-newest", "--drain-time", "120s")
    sending = sender(name, *words, preexec_fn=no_room)
    program = emitter(1000)
    wait_for("events are dropped", lambda: sum(status(name).get("dropped", {}).values()) > 0)
    emitted = int(end(program))
    while last and sending.poll() is None: # the second signal ends it at once
        sending.send_signal(last)
        time.sleep(0.05)
    collecting = collector(name)
    if last:
        sending = sender(name, *words)
    end(sending)
    end(collecting)
    check(name, emitted, True)
    told = subprocess.run([COMMAND, "stat", f"{work}/{name}.store"], env=environment, capture_output=True, text=True).stdout
    if "spool (disk " not in told:
        fail(f"{name}: stat does not say why: {told}")


try:
    dropped("ended", None)
    dropped("dropped", signal.SIGKILL)
    dropped("twice", signal.SIGTERM)
    killed()
    blocked()
    stopped()
    left()
    leave()
except Exception as error:  # leave nothing behind
    fail(repr(error))
