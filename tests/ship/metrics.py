#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# The metrics of send and collect keep to Prometheus's text format and to what promtool check metrics wants; what an operator needs is there for each sender.
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

COMMAND = os.environ["EVTRAIL_COMMAND"]
EMITTER = os.environ["EMITTER"]
work = tempfile.mkdtemp(prefix="evt-metrics.")
sessions = tempfile.mkdtemp(prefix="evt-metrics.", dir="/dev/shm")
os.environ["EVTRAIL_DIR"] = sessions
os.environ.pop("EVTRAIL", None)
children = []


def start(*words):
    children.append(subprocess.Popen([COMMAND, *words], stderr=open(f"{work}/log", "ab")))
    return children[-1]


def page(path):
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(path)
        asking.sendall(b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n")
        answer = b"".join(iter(lambda: asking.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 200 OK" in head and b"text/plain; version=0.0.4" in head, head
    return body.decode()


def until(what, test):
    for _ in range(1200):
        try:
            found = test()
        except (FileNotFoundError, ConnectionRefusedError, ConnectionResetError):
            found = None
        if found:
            return found
        assert all(child.poll() is None for child in children), open(f"{work}/log").read()
        time.sleep(0.1)
    raise AssertionError(f"never: {what}; {open(f'{work}/log').read()}")


SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
UNITS = {"ms", "us", "ns", "s", "sec", "msec", "milliseconds", "microseconds", "nanoseconds", "minutes", "hours", "days", "weeks", "kb", "mb", "gb", "b", "kib",
         "mib", "kilobytes", "megabytes", "bits", "percent"}
TYPES = {"counter", "gauge", "histogram", "summary", "untyped"}


def parts_of(kind):
    return {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count", "")}.get(kind, ("",))


def lint(text):
    """{(name, labels): value}"""
    assert text.endswith("\n")
    helped, types, order, samples = {}, {}, [], {}
    for line in text.splitlines():
        if line.startswith("# HELP "):
            _, _, name, words = line.split(" ", 3)
            assert name not in helped and words.strip(), line
            helped[name] = words
            continue
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in types and name in helped and kind in TYPES, line
            types[name] = kind
            order.append(name)
            continue
        match = SAMPLE.fullmatch(line)
        assert match, f"no sample: {line}"
        name, labels, value = match.groups()
        family = order[-1]
        assert name in [family + part for part in parts_of(types[family])], f"{name} stands behind {family}"
        pairs, at = [], 0
        while labels and at < len(labels):
            pair = LABEL.match(labels, at)
            assert pair, f"labels: {line}"
            pairs.append(pair.groups())
            at = pair.end()
        names = [pair[0] for pair in pairs]
        assert len(set(names)) == len(names) and not any(label.startswith("__") for label in names), line
        assert ("le" in names) == name.endswith("_bucket") and "quantile" not in names, line
        key = name, tuple(sorted(pairs))
        assert key not in samples, f"twice: {line}"
        samples[key] = float(value)
    for name, kind in types.items():
        words = name.split("_")
        assert name == name.lower() and not UNITS & set(words), f"unit: {name}"
        assert (words[-1] == "total") == (kind == "counter"), f"{name} is a {kind}"
        assert words[-1] not in ("count", "sum", "bucket", "gauge", "counter", "histogram", "summary", "info"), name
        assert kind != "counter" or all(value >= 0 for (one, _), value in samples.items() if one == name), name
        if kind == "histogram":
            buckets = [value for (one, labels), value in samples.items() if one == name + "_bucket"]
            assert buckets == sorted(buckets) and buckets[-1] == samples[name + "_count", ()], name
            assert (name + "_bucket", (("le", "+Inf"),)) in samples and (name + "_sum", ()) in samples, name
    return samples


def of_sender(samples, name):
    return {labels: value for (one, labels), value in samples.items() if one == "evtrail_collect_sender_" + name}


try:
    start("collect", "--listen", f"unix:{work}/socket", "--store", f"{work}/store", "--metrics", f"unix:{work}/collect")
    before = None
    for turn in (1, 2):
        sender = start("send", "--all", "-c", f"unix:{work}/socket", "--spool", f"{work}/spool", "--metrics", f"unix:{work}/send", "--drain-time", "60s")
        until("the sender is connected", lambda: lint(page(f"{work}/send"))["evtrail_send_connected", ()] == 1)
        subprocess.run([EMITTER, "-n", "400"], check=True, stdout=subprocess.DEVNULL, env=os.environ | {"EVTRAIL": "* policy=drop keep=1"})
        own = until("all is acknowledged", lambda: next((s for s in [lint(page(f"{work}/send"))] if s["evtrail_send_acked_events_total", ()] >= 2000), None))
        for name in ("lag_seconds", "unacked_bytes", "oldest_seconds", "sent_bytes_per_second", "acked_events_per_second", "written_events_per_second",
                     "latency_seconds_sum"):
            assert ("evtrail_send_" + name, ()) in own, name
        assert any(name == "evtrail_send_dropped_events_total" for name, _ in own) and any(name == "evtrail_send_lost_events_total" for name, _ in own)
        samples = until("the collector has it", lambda: next((s for s in [lint(page(f"{work}/collect"))] if sum(of_sender(s, "events_total").values()) >= 2000 * turn), None))
        for name in ("lag_seconds", "unacked_bytes", "events_per_second", "bytes_per_second", "lost_events_total", "refused_batches_total", "events_total",
                     "connections"):
            series = of_sender(samples, name)
            assert len({tuple(pair for pair in labels if pair[0] in ("host", "from")) for labels in series}) == 1, (name, series)
        events = of_sender(samples, "events_total")
        assert before is None or before.keys() == events.keys(), (before, events)
        before = events
        sender.send_signal(signal.SIGTERM)
        assert sender.wait(100) == 0, open(f"{work}/log").read()
        children.remove(sender)
    gone = until("the sender is gone", lambda: next((s for s in [lint(page(f"{work}/collect"))] if sum(of_sender(s, "connections").values()) == 0), None))
    assert of_sender(gone, "events_total").keys() == before.keys()
    print("metrics: as Prometheus wants them")
finally:
    for child in children:
        child.terminate()
        child.wait()
    shutil.rmtree(work)
    shutil.rmtree(sessions)
