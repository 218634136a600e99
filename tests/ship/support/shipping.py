# SPDX-License-Identifier: ISC
"""What the programs that break connections and kill share: a folder of their own, processes in it, and the sum: what is stored is what was
emitted less what is counted as lost, and nothing is stored twice."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

COMMAND = os.environ["EVTRAIL_COMMAND"]


class Failed(Exception):
    pass


class Shipping:
    def __init__(self, name, in_memory=True):
        self.name = name
        self.work = tempfile.mkdtemp(prefix=f"evtrail-{name}-", dir="/dev/shm" if in_memory and os.access("/dev/shm", os.W_OK) else None)
        self.environment = dict(os.environ, EVTRAIL_DIR=f"{self.work}/run", EVTRAIL="*")
        os.mkdir(f"{self.work}/run", 0o700)
        self.log = open(f"{self.work}/log", "a")
        self.started = []
        self.mounted = None

    def mount(self, folder, size):
        """A disk of its own; the caller has a mount namespace."""
        os.mkdir(f"{self.work}/{folder}", 0o700)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", f"{self.work}/{folder}"], check=True)
        self.mounted = f"{self.work}/{folder}"

    def remount(self, how):
        subprocess.run(["mount", "-o", f"remount,{how}", self.mounted], check=True)

    def start(self, *words, **more):
        process = subprocess.Popen(words, env=self.environment, **{"stdin": subprocess.DEVNULL, "stdout": self.log, "stderr": self.log, **more})
        self.started.append(process)
        return process

    def kill(self, process):
        process.kill()
        process.wait()

    def end(self, process, what, again):
        """Gracefully. One that has no handler for the signal yet is started again."""
        for _ in range(20):
            process.send_signal(signal.SIGTERM)
            try:
                code = process.wait(timeout=300)
            except subprocess.TimeoutExpired:
                raise Failed(f"{what} does not end")
            if code != -signal.SIGTERM:
                break
            process = again()
            time.sleep(0.2)
        if code not in (0, 1):
            raise Failed(f"{what} ends with {code}")

    def leave(self):
        for process in self.started:
            if process.poll() is None:
                self.kill(process)
        if self.mounted:
            subprocess.run(["umount", "-l", self.mounted])
        if not os.environ.get("EVTRAIL_KEEP"):
            shutil.rmtree(self.work, ignore_errors=True)

    def fail(self, text):
        self.log.flush()
        with open(f"{self.work}/log", errors="replace") as lines:
            sys.stderr.write("".join(lines.readlines()[-40:]))
        print(f"{self.name}: {text}", file=sys.stderr)
        self.leave()
        sys.exit(1)

    def wait_for(self, what, condition):
        until = time.monotonic() + float(os.environ.get("EVTRAIL_SHIP_WAIT", "120"))
        while not condition():
            if time.monotonic() > until:
                raise Failed(f"not in time: {what}")
            time.sleep(0.02)

    def run(self, *words):
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True, errors="replace")
        if done.returncode not in (0, 1):
            raise Failed(f"{' '.join(words[1:3])}: {done.returncode}: {done.stderr[-2000:]}")
        return done

    def status(self):
        """Of the sender, {} while there is none."""
        done = subprocess.run([COMMAND, "send", "--status", "--json", "--spool", f"{self.work}/spool"], env=self.environment, capture_output=True,
                              text=True)
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def collector_status(self):
        done = subprocess.run([COMMAND, "collect", "--store", f"{self.work}/store", "--status", "--json"], env=self.environment, capture_output=True, text=True)
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def said(self, text):
        with open(f"{self.work}/log", errors="replace") as lines:
            return text in lines.read()

    def stored_files(self):
        for folder, _, names in os.walk(f"{self.work}/store"):
            names = sorted(name for name in names if name.endswith(".evt"))
            if names:
                yield folder, [f"{folder}/{name}" for name in names]

    def check(self, emitted):
        """Each process's set alone: its numbers, and its losses by cause."""
        seen, lost = set(), {}
        for folder, files in self.stored_files():
            for path in files:
                self.run(COMMAND, "verify", "--quiet", path)
            text = self.run(COMMAND, "cat", "--json", folder).stdout
            for line in text.splitlines():
                event = json.loads(line)
                if "lost" in event:
                    lost[event["cause"]] = lost.get(event["cause"], 0) + event["lost"]
                elif event.get("name") == "n.number":
                    key = (event["pid"], event["fields"]["thread"], event["fields"]["value"])
                    if key in seen:
                        raise Failed(f"stored twice: {key}")
                    seen.add(key)
        total = len(seen) + sum(lost.values())
        if total != emitted:
            for line in {key[:2] for key in seen}:
                values = sorted(key[2] for key in seen if key[:2] == line)
                gaps = [(a, b) for a, b in zip([-1] + values, values) if b != a + 1]
                print(f"process {line[0]} thread {line[1]}: up to {values[-1]}, not there between {gaps[:5]}", file=sys.stderr)
            raise Failed(f"emitted {emitted}, stored {len(seen)}, lost {lost}: {emitted - total} are not accounted for")
        if "torn" in lost:
            raise Failed(f"of these {lost['torn']} are lost in files")
        return len(seen), lost


class Pair:
    """One sender, one collector, one program that emits; `through` goes before the collector's words."""

    def __init__(self, name, listen, through=(), more=()):
        self.all = Shipping(name)
        self.listen, self.through, self.more = listen.replace("WORK", self.all.work), through, more

    def start_collector(self):
        self.collector = self.all.start(*self.through, COMMAND, "collect", "--listen", self.listen, "--insecure", "--store", f"{self.all.work}/store",
                                        "--rotate-size", "256K", "--no-sync", "--stop-time", "500ms",
                                        *self.more)

    def start_sender(self, address=None):
        self.address = address or self.address
        self.sender = self.all.start(COMMAND, "send", "--all", "-c", self.address, "--insecure", "--spool", f"{self.all.work}/spool", "--drain-time", "120s")

    def start_emitter(self, pause_us=1000):
        self.emitter = self.all.start(os.environ["SHIP_NUMBERS"], str(pause_us), stdout=subprocess.PIPE, text=True)

    def acked(self):
        return self.all.status().get("acked_events", 0)

    def wait_acked(self, more, what):
        before = self.acked()
        self.all.wait_for(what, lambda: self.acked() >= before + more)

    def wait_spooled(self, batches, what):
        self.all.wait_for(what, lambda: self.all.status().get("unacked_batches", 0) >= batches)

    def finish(self):
        self.stop()
        self.all.leave()

    def stop(self):
        """The program, then the sender, which drains, then the collector; and the sum."""
        self.emitter.send_signal(signal.SIGTERM)
        emitted = int(self.emitter.communicate(timeout=120)[0])
        self.all.end(self.sender, "the sender", lambda: self.start_sender() or self.sender)
        self.all.end(self.collector, "the collector", lambda: self.start_collector() or self.collector)
        stored, lost = self.all.check(emitted)
        print(f"{self.all.name}: {emitted} emitted, {stored} stored, lost {lost or 0}")

    def port(self):
        """That it got; None: it does not listen yet."""
        with open(f"{self.all.work}/log", errors="replace") as lines:
            for line in lines:
                if "listening on" in line:
                    return int(line.split("listening on", 1)[1].split()[0].rstrip(",;").rsplit(":", 1)[1])
        return None

    def attempt(self, run, *more):
        try:
            run(self, *more)
        except Exception as error:  # leave nothing behind
            self.all.fail(str(error) if isinstance(error, Failed) else repr(error))


def within_namespaces(flags, what):
    """None in namespaces of our own. Else the exit code of this script run in such; 77: they may not be made."""
    if os.environ.get("SHIP_INSIDE"):
        return None
    if subprocess.run(["unshare", flags, "true"], capture_output=True).returncode:
        print(f"skipped: no {what} namespace may be made here")
        return 77
    return subprocess.run(["unshare", flags, sys.executable, os.path.abspath(sys.argv[0])], env=dict(os.environ, SHIP_INSIDE="1")).returncode
