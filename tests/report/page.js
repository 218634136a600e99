// SPDX-License-Identifier: ISC
// Opens the pages that browser.sh made in headless Chromium, uses every view, and holds their figures against evtrail stat's.
// Usage: node page.js FOLDER; $BROWSER, $NODE_PATH; with $SHOTS=FOLDER pictures are left there.
"use strict";
const fs = require("fs");
const os = require("os");
const path = require("path");
const {chromium} = require("playwright-core");
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const folder = process.argv[2];
const EVIL = "</script><script>document.title='broken'</script><img src=x onerror=alert(1)>";
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const faults = [];
let context;

function check(what, good, detail) {
    if (!good) faults.push(what + (detail === undefined ? "" : ": " + JSON.stringify(detail).slice(0, 400)));
}
function equal(what, got, wanted) {
    check(what, JSON.stringify(got) === JSON.stringify(wanted), {got, wanted});
}
function stat(name) {
    return fs.readFileSync(path.join(folder, name + ".jsonl"), "utf8").trim().split("\n").map((line) => JSON.parse(line));
}
// A page whose every request, error and message of the policy counts as a fault.
async function open(name, options) {
    const page = await context.newPage();
    const o = Object.assign({scheme: "light", hash: "", width: 1280}, options);
    await page.setViewportSize({width: o.width, height: 900});
    await page.emulateMedia({colorScheme: o.scheme, reducedMotion: "reduce"});
    page.on("pageerror", (error) => faults.push(name + ": " + error.stack));
    page.on("console", (message) => faults.push(name + ": console: " + message.text()));
    page.on("request", (request) => { if (!/^(file:|blob:)/.test(request.url()) || (request.url().startsWith("file:") && !request.url().includes(name + ".html"))) faults.push(name + ": request " + request.url()); });
    page.on("dialog", (dialog) => { faults.push(name + ": a dialog: " + dialog.message()); dialog.dismiss(); });
    await page.goto("file://" + path.join(folder, name + ".html") + o.hash);
    await page.waitForSelector("html[data-ready]", {timeout: 20000});
    return page;
}
// Everything once on the screen, so that all is drawn.
async function walk(page) {
    await page.evaluate(async () => {
        for (let y = 0; y < document.body.scrollHeight; y += 500) {
            scrollTo(0, y);
            await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        }
        scrollTo(0, 0);
    });
}
async function cells(page, table) {
    return page.locator(table + " tbody tr").evaluateAll((rows) => rows.map((row) => Array.from(row.children).map((cell) => cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value))));
}
async function showAll(page, table) {
    for (;;) {
        const more = page.locator(table).locator("xpath=ancestor::div[2]/button");
        if (!(await more.count()) || !(await more.first().isVisible())) return;
        await more.first().click();
    }
}
async function shot(page, name) {
    if (!process.env.SHOTS) return;
    await walk(page);
    await page.screenshot({path: path.join(process.env.SHOTS, name + ".png"), fullPage: true});
}
async function range(page) {
    return page.evaluate(() => document.querySelector("#strip").getAttribute("aria-valuetext"));
}
// Whether a canvas has anything on it.
async function painted(page, selector) {
    return page.locator(selector).first().evaluate((canvas) => {
        const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        const seen = new Set();
        for (let i = 0; i < data.length; i += 4) seen.add(data[i] << 16 | data[i + 1] << 8 | data[i + 2]);
        return seen.size;
    });
}

// Searches for the one event whose row has this text; returns the row's text.
async function searched(page, words, text) {
    await page.fill("#search", words);
    await page.waitForFunction((part) => /of 1$/.test(document.querySelector("#events output").textContent) && document.querySelector("#event-table tbody").textContent.includes(part), text, {timeout: 10000});
    return page.locator("#event-table tbody").textContent();
}

// ---- the tests ----
async function figuresEqualStats(name) {
    const page = await open(name), lines = stat(name);
    await showAll(page, "#rows");
    const rows = await cells(page, "#rows"), events = lines.filter((one) => one.what === "event");
    equal(name + ": event names", rows.length, events.length);
    for (const one of events)
        check(name + ": " + one.name + " " + one.kind, rows.some((row) => row[1] === one.kind && row[3] === one.count && row[6] === one.bytes && (row[0] === one.name || one.name.includes("<"))), one);
    const spans = await cells(page, "#span-table");
    for (const one of lines.filter((line) => line.what === "span")) {
        const row = spans.find((cell) => cell[0] === one.name);
        check(name + ": span " + one.name, row, spans);
        if (row && one.count) equal(name + ": " + one.name, row.slice(1, 9), [one.count, one.open, one.p50_ns, one.p90_ns, one.p99_ns, one.p999_ns, one.max_ns, one.mean_ns]);
    }
    const counters = await cells(page, "#counter-table");
    for (const one of lines.filter((line) => line.what === "counter" && line.last !== null && Math.abs(line.last) < 1e15)) {
        const row = counters.find((cell) => cell[0] === one.name);
        check(name + ": counter " + one.name, row, counters);
        if (row) equal(name + ": " + one.name, row.slice(1, 5), [one.count, one.last, one.min, one.max]);
    }
    const total = lines.find((one) => one.what === "total"), tiles = await page.locator(".tile dd[data-value]").evaluateAll((all) => all.map((one) => Number(one.dataset.value)));
    equal(name + ": totals", tiles, [total.events, total.lost]);
    for (const one of lines.filter((line) => line.what === "entity")) {
        const card = page.locator("#entities .card", {has: page.locator("h3", {hasText: one.name + ": states"})}).first();
        equal(name + ": " + one.name + " at the end", await card.locator("b[data-value]").evaluateAll((all) => all.map((b) => Number(b.dataset.value))), [one.live, one.gone]);
    }
    if (total.lost) check(name + ": the loss is said first", (await page.locator(".verdict").first().textContent()).includes(total.lost.toLocaleString("en-US")));
    await page.close();
}
async function everyView(scheme, width) {
    const what = scheme + " " + width, page = await open("trace", {scheme, width});
    await walk(page);
    equal(what + ": sections", await page.locator("main > section > h2").allTextContents(), ["Summary", "Spans", "Counters", "Entities", "Timeline", "Events"]);
    check(what + ": the timeline is drawn", await painted(page, "#timeline .tracks canvas") > 4);
    check(what + ": latency is drawn", await painted(page, "#span-detail canvas") > 2);
    for (const section of ["summary", "spans", "counters", "entities"])
        check(what + ": lines in " + section, await page.locator("#" + section + " svg path[d^=M]").count() > 0);
    check(what + ": nothing is wider than the page", await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), await page.evaluate(() => document.documentElement.scrollWidth));
    const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    equal(what + ": ground", ground, scheme === "dark" ? "rgb(20, 24, 28)" : "rgb(246, 247, 248)");
    for (let turn = 0; turn < 3; turn++) // those inside others come with them
        for (const details of await page.locator("details").all()) if (!(await details.evaluate((one) => one.open)) && await details.isVisible()) await details.locator("summary").first().click();
    await walk(page);
    check(what + ": each chart has its table", await page.locator("figure details").evaluateAll((all) => all.every((one) => one.querySelector("table"))));
    await page.evaluate(axeInFrame(), []);
    const found = await page.evaluate(() => window.axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}));
    equal(what + ": axe", found.violations.map((one) => [one.id, one.nodes.map((node) => [node.html.slice(0, 120), node.any.map((a) => a.message)]).slice(0, 3)]), []);
    await shot(page, "all-" + scheme + "-" + width);
    await page.close();
}
// The page's policy forbids adding a script; evaluating text from outside is not the page's doing.
function axeInFrame() { return new Function(axe + "; window.axe = axe;"); }

async function hostileNames() {
    const page = await open("trace");
    await walk(page);
    equal("hostile: the title", await page.title(), "subject: evtrail report");
    equal("hostile: elements that no one made", await page.evaluate(() => document.querySelectorAll("img, iframe, object, embed, link, b > b, script[src]").length), 0);
    equal("hostile: scripts", await page.locator("script").count(), 2);
    check("hostile: the name is shown as text", (await page.locator("#rows").textContent()).includes(EVIL.slice(0, 20)));
    const text = await searched(page, "fdp", "fdp.exe");
    check("hostile: text that turns around is written out", text.includes("\\u202e") && !text.includes("\u202e"), text);
    check("hostile: controls are written out", text.includes("\\u001b") && !/[\x00-\x08\x0b-\x1f\x7f]/.test(text), text);
    check("hostile: NULL", (await searched(page, "__proto__", "toString")).includes("none=(null)"));
    check("hostile: a label", (await searched(page, "label.request", "r.bytes")).includes("label.request=<b>42"));
    const numbers = await searched(page, "r.numbers", "most=");
    for (const part of ["most=18446744073709551615", "least=-9223372036854775808", "half=0.5", "nan=NaN", "0xdeadbeef", "minus=-1"]) check("hostile: " + part, numbers.includes(part), numbers);
    await page.close();
    for (const hash of ["#from=NaN&to=-5", "#span=%E0%A4%A", "#" + encodeURIComponent(EVIL), "#at=title&search=%3Cb%3E", "#theme=__proto__", "#from=1e99&to=1e100"]) await (await open("trace", {hash})).close();
}
async function keyboard() {
    const page = await open("trace");
    await page.keyboard.press("Tab");
    equal("keyboard: first comes the way past the head", await page.evaluate(() => document.activeElement.className), "skip");
    await page.keyboard.press("Enter");
    equal("keyboard: then the figures", await page.evaluate(() => document.activeElement.id), "main");
    await page.locator("#summary .area").first().focus();
    const before = await range(page);
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    check("keyboard: values are read out", /events/.test(await page.locator("#summary .readout").first().textContent()));
    await page.keyboard.press("+");
    await page.keyboard.press("+");
    await page.waitForFunction((text) => document.querySelector("#strip").getAttribute("aria-valuetext") !== text, before);
    const zoomed = await range(page);
    await page.keyboard.press("Shift+ArrowRight");
    await page.waitForFunction((text) => document.querySelector("#strip").getAttribute("aria-valuetext") !== text, zoomed);
    await page.keyboard.press("0");
    await page.waitForFunction((text) => document.querySelector("#strip").getAttribute("aria-valuetext") === text, before);
    await page.locator("#timeline .tracks").focus();
    for (const key of ["ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft"]) await page.keyboard.press(key);
    check("keyboard: a span is told", / from .* for /.test(await page.locator("#timeline .readout").textContent()), await page.locator("#timeline .readout").textContent());
    await page.keyboard.press("Enter");
    await page.waitForFunction((text) => document.querySelector("#strip").getAttribute("aria-valuetext") !== text, before);
    await page.evaluate(() => document.activeElement.blur());
    await page.keyboard.press("/");
    equal("keyboard: search", await page.evaluate(() => document.activeElement.id), "search");
    await page.keyboard.type("r.failed");
    await page.locator("#within").press("Space");
    const failed = stat("trace").find((one) => one.name === "r.failed").count;
    await page.waitForFunction((count) => new RegExp("of " + count + "$").test(document.querySelector("#events output").textContent), failed);
    await page.locator("#theme").press("Enter");
    await page.locator("#theme").press("Enter");
    equal("keyboard: theme", await page.evaluate(() => document.documentElement.dataset.theme), "dark");
    await page.locator("#span-table thead button", {hasText: "p99.9"}).press("Enter");
    equal("keyboard: sorting", await page.locator("#span-table th[aria-sort]").evaluateAll((all) => all.map((one) => [one.textContent, one.getAttribute("aria-sort")])), [["p99.9", "descending"]]);
    await page.locator("#span-table tbody button", {hasText: "r.query"}).press("Enter");
    check("keyboard: another span", (await page.locator("#span-detail h3").first().textContent()).startsWith("r.query"));
    await page.waitForTimeout(300);
    const hash = await page.evaluate(() => location.hash);
    for (const part of ["search=r.failed", "span=r.query", "theme=dark", "within=0", "from="]) check("the address has " + part, hash.includes(part), hash);
    const shown = await range(page);
    await page.close();
    const again = await open("trace", {hash});
    equal("address: the same time", await range(again), shown);
    equal("address: the same search", await again.inputValue("#search"), "r.failed");
    check("address: the same span", (await again.locator("#span-detail h3").first().textContent()).startsWith("r.query"));
    equal("address: the same theme", await again.evaluate(() => document.documentElement.dataset.theme), "dark");
    await again.close();
}
async function pointer() {
    const page = await open("trace"), area = page.locator("#summary .area").first();
    await area.scrollIntoViewIfNeeded();
    const box = await area.boundingBox(), before = await range(page);
    await page.mouse.move(box.x + 300, box.y + 40);
    check("pointer: values", /events/.test(await page.locator("#summary .readout").first().textContent()));
    await page.mouse.down();
    await page.mouse.move(box.x + 500, box.y + 40, {steps: 4});
    await page.mouse.up();
    await page.waitForFunction((text) => document.querySelector("#strip").getAttribute("aria-valuetext") !== text, before);
    const part = await page.evaluate(() => document.querySelectorAll("#summary figure svg text").length);
    check("pointer: the axis follows", part > 2);
    await page.locator("#all").click();
    await page.waitForFunction((text) => document.querySelector("#strip").getAttribute("aria-valuetext") === text, before);
    const tracks = page.locator("#timeline .tracks");
    await tracks.scrollIntoViewIfNeeded();
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    const place = await tracks.boundingBox();
    for (let x = 200; x < place.width - 20; x += 15) {
        await page.mouse.move(place.x + x, place.y + 32);
        if (/ from .* for /.test(await page.locator("#timeline .readout").textContent())) break;
    }
    check("pointer: a span is told", / from .* for /.test(await page.locator("#timeline .readout").textContent()));
    const inner = () => page.locator("#timeline .readout").textContent();
    for (let x = 200; x < place.width - 20 && !/ within r.request/.test(await inner()); x += 7) await page.mouse.move(place.x + x, place.y + 50); // the second lane
    check("pointer: a span's parent is told", / within r.request/.test(await inner()), await inner());
    check("pointer: flows are told", (await page.locator("#timeline .legend").textContent()).includes("flows"));
    await page.fill("#search", "caller");
    await page.waitForFunction(() => /cpu=\d+ caller=\S+ stack=/.test(document.querySelector("#event-table tbody").textContent), null, {timeout: 10000});
    await page.locator("#rows tbody button", {hasText: "r.failed"}).click();
    equal("pointer: a name searches its events", await page.inputValue("#search"), "r.failed");
    // The time around a span is five times its own, at most all there is. Of 16 spans of one name in three threads the shortest takes less
    // than a fifth of the trace, however slow the machine was; the longest may take more, and then nothing changes.
    await page.locator("#span-detail .card tbody button").last().click();
    await page.waitForFunction((text) => document.querySelector("#strip").getAttribute("aria-valuetext") !== text, before);
    await page.close();
}
async function takenOut() {
    const page = await open("full"), lines = stat("many");
    async function saved(id) {
        const [download] = await Promise.all([page.waitForEvent("download"), page.locator(id).click()]);
        return fs.readFileSync(await download.path(), "utf8");
    }
    await page.fill("#search", "r.failed");
    const failed = lines.find((one) => one.name === "r.failed").count;
    await page.waitForFunction((count) => new RegExp("of " + count + "$").test(document.querySelector("#events output").textContent), failed);
    const events = (await saved("#save-jsonl")).trim().split("\n").map((line) => JSON.parse(line));
    equal("taken out: lines", events.length, failed);
    equal("taken out: fields", [events[0].name, events[0].fields.why, events[0].level], ["r.failed", "the peer \"closed\"\n", "error"]);
    await page.fill("#search", "r.bytes");
    await page.waitForFunction(() => /of 1$/.test(document.querySelector("#events output").textContent));
    equal("taken out: CSV", (await saved("#save-csv")).split("\r\n").length, 3);
    const figures = JSON.parse(await saved("#save-json"));
    equal("taken out: figures", figures.events, lines.find((one) => one.what === "total").events);
    await page.close();
}
async function compared() {
    const page = await open("both");
    await walk(page);
    check("against: another column", (await page.locator("#span-table thead").textContent()).includes("p99 before"));
    check("against: a change", /[+−]\d/.test(await page.locator("#span-table tbody").textContent()));
    check("against: both histograms", await page.locator("#span-detail figure svg path.c1").count() > 0);
    await shot(page, "against");
    await page.close();
}
async function given() {
    for (const scheme of ["light", "dark"]) {
        const page = await open("given", {scheme});
        await walk(page);
        const tables = await page.locator("#figures .card").evaluateAll((all) => all.map((one) => [one.querySelector("h3").textContent, Array.from(one.querySelectorAll("tbody tr")).map((row) => Array.from(row.children).map((cell) => cell.textContent))]));
        equal("given", tables, [["At a glance", [["well", "yes"], ["none", "–"]]], ["run", [["preset", "<img src=x>\\u202e"], ["seconds", "1.5"]]], ["pool", [["created", "12,345"], ["wait max", "2.50 ms"]]], ["pool: closed", [["idle", "3"], ["</script>", "4"]]],
            ["times", [["wait", "7", "1.50 µs", "–"], ["use", "8", "250 ns", "99 ns"]]], ["addresses", [["10.0.0.1:80", "5"], ["10.0.0.2:80", "7"]]], ["agreement: figures", [["a", "1; 2"]]]]);
        await page.evaluate(axeInFrame(), []);
        const found = await page.evaluate(() => window.axe.run("#figures", {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}));
        equal("given: axe", found.violations.map((one) => [one.id, one.nodes.map((node) => node.html.slice(0, 120))]), []);
        await shot(page, "given-" + scheme);
        await page.close();
    }
    const page = await open("unread");
    check("given: no JSON", (await page.textContent("#figures")).includes("no JSON"));
    await page.close();
}
async function nearlyNothing() {
    const wide = await open("wide");
    await walk(wide);
    await shot(wide, "wide");
    await wide.close();
    for (const name of ["nothing", "few"]) {
        const page = await open(name);
        await walk(page);
        equal(name + ": events", await page.locator("#event-table tbody tr").count(), name === "few" ? 3 : 0);
        await page.locator("#events .filters").click();
        await page.keyboard.press("+");
        await page.close();
    }
}
async function printed() {
    const page = await open("trace", {scheme: "dark"});
    await walk(page);
    await page.emulateMedia({media: "print", colorScheme: "dark"});
    equal("print: the ground is white", await page.evaluate(() => getComputedStyle(document.body).backgroundColor), "rgb(255, 255, 255)");
    const pdf = await page.pdf({format: "A4"});
    check("print", pdf.length > 20000, pdf.length);
    await page.close();
}
async function opensFast() {
    for (const [name, most] of [["many", 1000], ["wide", 2000], ["full", 2000]]) {
        const times = [];
        for (let i = 0; i < 3; i++) {
            const page = await open(name);
            times.push(await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(performance.now()), 0)))));
            await page.close();
        }
        console.log(name + ".html: " + Math.round(fs.statSync(path.join(folder, name + ".html")).size / 1024) + " KiB, opens in " + times.map(Math.round).join(", ") + " ms");
        check(name + " opens in " + most + " ms", process.env.SLOW || Math.min(...times) < most, times);
    }
}

(async () => {
    const profile = fs.mkdtempSync(path.join(os.tmpdir(), "evtrail-browser."));
    context = await chromium.launchPersistentContext(profile, {executablePath: process.env.BROWSER, args: FLAGS, acceptDownloads: true});
    const tests = {figures: () => figuresEqualStats("trace"), manyFigures: () => figuresEqualStats("many"), lossyFigures: () => figuresEqualStats("lossy"), light: () => everyView("light", 1280), dark: () => everyView("dark", 1280), narrow: () => everyView("light", 400),
        hostileNames, keyboard, pointer, takenOut, compared, given, nearlyNothing, printed, opensFast};
    for (const name of Object.keys(tests).filter((one) => !process.argv[3] || one === process.argv[3])) {
        const had = faults.length;
        try { await tests[name](); } catch (error) { faults.push(name + ": " + error.stack); }
        console.log(name + ": " + (faults.length === had ? "ok" : "FAILED"));
    }
    await context.close();
    fs.rmSync(profile, {recursive: true, force: true});
    faults.slice(0, 30).forEach((fault) => console.error(fault));
    process.exit(faults.length ? 1 : 0);
})();
