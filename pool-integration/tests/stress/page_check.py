# SPDX-License-Identifier: ISC
"""Checks a page of pool-stress: well-formed, self-contained, nothing hostile in it takes effect. Usage: page_check.py PAGE"""
import base64
import hashlib
import html.parser
import json
import re
import sys

VOID = {"meta", "br", "hr", "img", "input", "link"}
EMPTY_SVG = {"path", "line", "rect", "circle"}
ELEMENTS = set("""html head meta title style body a header div h1 h2 h3 button p span dl dt dd nav main section table thead tbody caption
tr th td figure figcaption ul li svg path line rect text details summary script footer strong code""".split())


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.ids, self.links, self.faults = [], [], [], []
        self.scripts, self.styles, self.policy, self.tables, self.areas = [], [], None, 0, []

    def fault(self, text):
        self.faults.append(f"line {self.getpos()[0]}: {text}")

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        values = dict(attributes)
        if tag not in ELEMENTS:
            self.fault(f"<{tag}>")
        if len(names) != len(set(names)):
            self.fault(f"<{tag}> has an attribute twice")
        for name, value in attributes:
            if name.startswith("on") or name in ("style", "src", "srcset", "action", "data", "xlink:href"):
                self.fault(f"<{tag} {name}>")
            if name == "href":
                self.links.append(value)
            if name == "id":
                self.ids.append(value)
        if tag == "meta" and values.get("http-equiv") == "Content-Security-Policy":
            self.policy = values["content"]
        if tag == "table":
            self.tables += 1
        if "area" in values.get("class", "").split():
            self.areas.append(values)
        if tag not in VOID:
            self.open.append((tag, values))

    def handle_startendtag(self, tag, attributes):
        if tag not in EMPTY_SVG:
            self.fault(f"<{tag}/>")
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open[-1][0] != tag:
            self.fault(f"</{tag}> closes {self.open[-1:]}")
        else:
            self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1][0] == "script":
            self.scripts.append((self.open[-1][1].get("type"), data))
        if self.open and self.open[-1][0] == "style":
            self.styles.append(data)


def hashed(text):
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def main(path):
    text = open(path, encoding="utf-8").read()  # strict: it must be UTF-8
    page = Page()
    page.feed(text)
    page.close()
    faults = page.faults
    check = lambda good, what: good or faults.append(what)
    check(not page.open, f"not closed: {page.open}")
    check(not re.search(r"https?://|url\(|@import|//[a-z]+\.", text), "a reference to a network")
    check(len(page.ids) == len(set(page.ids)), "an id twice")
    for link in page.links:
        check(link.startswith("#") and link[1:] in page.ids, f"link {link}")
    check(page.policy and page.policy.startswith("default-src 'none';"), "no policy")
    check("unsafe" not in page.policy, "an unsafe policy")
    code = [script for kind, script in page.scripts if kind is None]
    data = [script for kind, script in page.scripts if kind == "application/json"]
    check(len(code) == 1 and f"script-src {hashed(code[0])}" in page.policy, "the script's hash")
    check(len(page.styles) == 1 and f"style-src {hashed(page.styles[0])}" in page.policy, "the style's hash")
    check(len(code) + len(data) == len(page.scripts), "another script")
    check(len(data) == len(page.areas), "charts without data")
    for script in data:
        chart = json.loads(script)
        for line in chart["lines"]:
            check(len(line["v"]) == len(chart["x"]), "a line of another length")
    for area in page.areas:
        check(area.get("tabindex") == "0" and area.get("aria-label"), "a chart that no keyboard reaches")
    check(page.tables >= len(page.areas), "a chart without a table")
    check('name="viewport"' in text and "prefers-color-scheme" in text and "@media print" in text, "style")
    for fault in faults[:10]:
        print(f"{path}: {fault}")
    return 1 if faults else 0


sys.exit(main(sys.argv[1]))
