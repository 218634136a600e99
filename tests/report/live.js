// SPDX-License-Identifier: ISC
// The page of evtrail web in headless Chromium: it moves, what its reader was doing stays, it can be held still, and its last figures are
// evtrail stat's. Usage: node live.js FOLDER EVTRAIL SUBJECT; $BROWSER, $NODE_PATH; with $SHOTS=FOLDER pictures are left there.
"use strict";
const fs = require("fs");
const os = require("os");
const path = require("path");
const {spawn, execFileSync} = require("child_process");
const {chromium} = require("playwright-core");
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const [folder, evtrail, subject] = process.argv.slice(2);
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const BOUND = {timeout: 60000};
const trace = path.join(folder, "live.evt");
const faults = [], children = [];
let context;

function check(what, good, detail) {
    if (!good) faults.push(what + (detail === undefined ? "" : ": " + JSON.stringify(detail).slice(0, 400)));
}
function equal(what, got, wanted) {
    check(what, JSON.stringify(got) === JSON.stringify(wanted), {got, wanted});
}
// A program of ours whose standard error is searched for a text; gives its match.
function started(file, args, pattern) {
    const child = spawn(file, args, {stdio: ["ignore", "ignore", "pipe"]});
    children.push(child);
    child.over = new Promise((done) => child.on("exit", (code) => done(code)));
    return new Promise((done, failed) => {
        let text = "";
        child.stderr.on("data", (part) => {
            text += part;
            const found = pattern.exec(text);
            if (found) done({child, found});
        });
        child.on("exit", (code) => failed(new Error(file + " ended with " + code + ": " + text)));
    });
}
async function until(what, test) {
    for (const end = Date.now() + BOUND.timeout; Date.now() < end; await new Promise((done) => setTimeout(done, 20))) {
        const got = test();
        if (got) return got;
    }
    throw new Error("never: " + what);
}
// With `refused`, that it is told so is what is wanted: the console may say it before the page has loaded.
async function open(address, scheme, refused) {
    const page = await context.newPage();
    await page.setViewportSize({width: 1280, height: 900});
    await page.emulateMedia({colorScheme: scheme || "light", reducedMotion: "reduce"});
    page.on("pageerror", (error) => faults.push("live: " + error.stack));
    page.on("console", (message) => { if (!refused) faults.push("live: console: " + message.text()); });
    page.on("request", (request) => { if (new URL(request.url()).origin !== new URL(address).origin) faults.push("live: request " + request.url()); });
    await page.goto(address);
    return page;
}
function ready(page) { return page.evaluate(() => Number(document.documentElement.dataset.ready)); }
// So many updates from now on.
async function updates(page, count) {
    for (let i = 0; i < count; i++) await page.waitForFunction((had) => Number(document.documentElement.dataset.ready) > had, await ready(page), BOUND);
}
async function cells(page, table) {
    return page.locator(table + " tbody tr").evaluateAll((rows) => rows.map((row) => Array.from(row.children).map((cell) => cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value))));
}
async function shot(page, name) {
    if (process.env.SHOTS) await page.screenshot({path: path.join(process.env.SHOTS, name + ".png"), fullPage: true});
}

async function moves(page) {
    await page.waitForSelector("html[data-ready]", BOUND);
    equal("live: the address has no token", await page.evaluate(() => location.hash), "");
    equal("live: the title", await page.title(), "subject: evtrail web");
    equal("live: sections", await page.locator("main > section > h2").allTextContents(), ["Summary", "Spans", "Counters", "Entities", "Timeline", "Events"]);
    await updates(page, 2);
    const tile = () => page.locator(".tile dd[data-value]").first().getAttribute("data-value");
    check("live: the tile moves", Number(await tile()) > 100, await tile());
    check("live: lines are drawn", await page.locator("#summary svg path[d^=M]").count() > 0);
    check("live: it says so", (await page.textContent("#live")).startsWith("Live"), await page.textContent("#live"));
}
async function staysAsItIs(page) {
    await page.locator("#span-table tbody button", {hasText: "r.query"}).press("Enter");
    await page.locator("#span-table thead button", {hasText: "p99.9"}).press("Enter");
    await page.waitForFunction(() => { // a click of the mouse waits until nothing moves; one that comes just before all is drawn anew may be lost
        const details = document.querySelector("#summary figure details");
        if (details && !details.open) details.querySelector("summary").click();
        return document.querySelector("#summary figure .scroll");
    }, null, BOUND);
    await page.fill("#search", "r.request worker");
    await page.evaluate(() => document.querySelector("#search").setSelectionRange(2, 5));
    await page.evaluate(() => { document.querySelector("#summary figure .scroll").scrollTop = 40; document.querySelector("#spans").scrollIntoView(); });
    const before = await page.evaluate(() => document.querySelector("#spans").getBoundingClientRect().top);
    await updates(page, 3);
    check("live: the page stays where it is", Math.abs(await page.evaluate(() => document.querySelector("#spans").getBoundingClientRect().top) - before) < 3);
    check("live: the chosen span", (await page.locator("#span-detail h3").first().textContent()).startsWith("r.query"));
    equal("live: the order", await page.locator("#span-table th[aria-sort]").evaluateAll((all) => all.map((one) => [one.textContent, one.getAttribute("aria-sort")])), [["p99.9", "descending"]]);
    check("live: the table is open", await page.locator("#summary figure details").first().evaluate((one) => one.open && one.querySelectorAll("tbody tr").length > 0));
    equal("live: the table's place", await page.evaluate(() => document.querySelector("#summary figure .scroll").scrollTop), 40);
    equal("live: the search", await page.evaluate(() => [document.activeElement.id, document.activeElement.value, document.activeElement.selectionStart, document.activeElement.selectionEnd]), ["search", "r.request worker", 2, 5]);
    await page.waitForFunction(() => /of [1-9]/.test(document.querySelector("#events output").textContent), null, BOUND);
    await page.fill("#search", "");
    await page.locator("#strip").focus();
    for (const key of ["+", "+", "End"]) await page.keyboard.press(key);
    await page.waitForFunction(() => !document.querySelector("#all").disabled, null, BOUND);
    const text = () => page.evaluate(() => document.querySelector("#strip").getAttribute("aria-valuetext"));
    const shown = await text();
    await page.waitForFunction((had) => document.querySelector("#strip").getAttribute("aria-valuetext") !== had, shown, BOUND);
    check("live: the end of the time shown goes along", parseFloat((await text()).split(" to ")[1]) > parseFloat(shown.split(" to ")[1]), [shown, await text()]);
    await page.keyboard.press("0");
}
async function heldStill(page, scheme) {
    await page.locator("#hold").click();
    await page.waitForFunction(() => /more|events/.test(document.querySelector("#live").textContent), null, BOUND);
    const before = await ready(page), told = await page.textContent("#live");
    check("live: paused", /^Paused; since then/.test(told), told);
    await page.waitForFunction((had) => document.querySelector("#live").textContent !== had, told, BOUND);
    equal("live: nothing moves", await ready(page), before);
    await page.waitForFunction(() => /^1 to 100 of/.test(document.querySelector("#events output").textContent), null, BOUND);
    const times = await page.locator("#event-table tbody th").evaluateAll((all) => all.map((one) => parseFloat(one.textContent)));
    check("live: the newest events first", times.length === 100 && times[0] > times[99] && times.every((time, i) => i === 0 || time <= times[i - 1]), times.slice(0, 5));
    check("live: on to older ones", await page.locator("#events .filters button").nth(1).evaluate((one) => { one.click(); return parseFloat(document.querySelector("#event-table tbody th").textContent); }) <= times[99]);
    await page.locator("#events .filters button").nth(0).evaluate((one) => one.click());
    await page.evaluate(new Function(axe + "; window.axe = axe;"), []);
    const found = await page.evaluate(() => window.axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}));
    equal("live: axe " + scheme, found.violations.map((one) => [one.id, one.nodes.map((node) => [node.html.slice(0, 120), node.any.map((a) => a.message)]).slice(0, 3)]), []);
    await shot(page, "live-" + scheme);
    await page.locator("#hold").click();
    await updates(page, 1);
}
async function noToken(address) {
    const page = await open(address.replace(/#.*/, ""), "light", true); // another tab has its own storage
    await page.waitForFunction(() => /token/.test(document.querySelector("#live").textContent), null, BOUND);
    equal("live: nothing is shown without a token", await page.evaluate(() => document.querySelector("#main").childElementCount), 0);
    await page.close();
}
async function endsAsStat(page) {
    await page.waitForFunction(() => /has ended/.test(document.querySelector("#live").textContent), null, BOUND);
    const lines = execFileSync(evtrail, ["stat", "--json", trace], {encoding: "utf8"}).trim().split("\n").map((line) => JSON.parse(line));
    const total = lines.find((one) => one.what === "total");
    equal("live: totals", await page.locator(".tile dd[data-value]").evaluateAll((all) => all.map((one) => Number(one.dataset.value))), [total.events, total.lost]);
    const rows = await cells(page, "#rows"), spans = await cells(page, "#span-table");
    for (const one of lines.filter((line) => line.what === "event" && line.count > 50))
        check("live: " + one.name + " " + one.kind, rows.some((row) => row[0] === one.name && row[1] === one.kind && row[3] === one.count && row[6] === one.bytes), one);
    for (const one of lines.filter((line) => line.what === "span" && line.count)) {
        const row = spans.find((cell) => cell[0] === one.name);
        check("live: span " + one.name, row, spans);
        if (row) equal("live: " + one.name, row.slice(1, 9), [one.count, one.open, one.p50_ns, one.p90_ns, one.p99_ns, one.p999_ns, one.max_ns, one.mean_ns]);
    }
}

(async () => {
    const profile = fs.mkdtempSync(path.join(os.tmpdir(), "evtrail-browser."));
    const recording = spawn(evtrail, ["record", "--quiet", "--flush", "50ms", "-o", trace, "--", subject, "2000", "2", "steady"], {stdio: "inherit"});
    children.push(recording);
    await until("the file", () => fs.existsSync(trace) && fs.statSync(trace).size > 1000);
    const {child, found} = await started(evtrail, ["web", "--interval", "200ms", "--follow", trace], /(http:\S+)/);
    context = await chromium.launchPersistentContext(profile, {executablePath: process.env.BROWSER, args: FLAGS});
    try {
        const page = await open(found[1]), dark = await open(found[1], "dark");
        await moves(page);
        await noToken(found[1]);
        await staysAsItIs(page);
        await heldStill(page, "light");
        await updates(dark, 1); // a page of its own
        await heldStill(dark, "dark");
        recording.kill("SIGTERM"); // goes on to the program
        await endsAsStat(page);
        await endsAsStat(dark);
        child.kill("SIGTERM");
        equal("live: the exit code", await child.over, 0);
        await page.waitForFunction(() => /as well/.test(document.querySelector("#live").textContent), null, BOUND);
    } catch (error) { faults.push("live: " + error.stack); }
    await context.close();
    children.forEach((one) => { if (one.exitCode === null) one.kill("SIGKILL"); });
    fs.rmSync(profile, {recursive: true, force: true});
    faults.slice(0, 30).forEach((fault) => console.error(fault));
    console.log("live: " + (faults.length ? "FAILED" : "ok"));
    process.exit(faults.length ? 1 : 0);
})();
