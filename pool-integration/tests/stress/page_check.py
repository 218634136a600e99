# SPDX-License-Identifier: ISC
"""Checks a page of pool-stress: it is that of evtrail report, has the figures that --json prints, and nothing in them is markup.
Usage: page_check.py PAGE [JSON]"""
import json
import re
import sys


def main(path, figures=None):
    text = open(path, encoding="utf-8").read()  # strict: it must be UTF-8
    faults = []
    check = lambda good, what: good or faults.append(what)
    scripts = re.findall(r"<script([^>]*)>", text)
    check(scripts == [' type="application/json" id="given"', ' type="application/octet-stream" id="data"', ""], f"scripts: {scripts}")
    policy = re.search('Content-Security-Policy" content="([^"]*)"', text)
    check(policy and policy[1].startswith("default-src 'none'; ") and "unsafe" not in policy[1], f"policy: {policy and policy[1]}")
    given = json.loads(re.search(r'id="given">([^<]*)</script>', text)[1])
    check(figures is None or given == json.load(open(figures, encoding="utf-8")), "the figures are not those of --json")
    check("pool" in given and "well" in given, "no figures of a pool")
    for fault in faults:
        print(f"{path}: {fault}")
    return bool(faults)


sys.exit(main(*sys.argv[1:]))
