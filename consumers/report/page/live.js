// SPDX-License-Identifier: ISC
// A page that evtrail web feeds. A stream tells that there is more; the page then asks for all of it, draws it, and puts back what its reader was
// doing: where the page was, what was open, chosen, sorted, focused. One that is slow, held still or not looked at asks less often.
var feed = {number: 0, told: {events: 0, lost: 0, number: 0, done: false}, model: null, later: null, held: false, busy: false, gone: false, refused: false, down: false, wait: 500, took: 0};
var feedText = h("p", {class: "note", id: "live"}), hold = h("button", {type: "button", id: "hold", "aria-pressed": "false", click: () => {
    feed.held = !feed.held;
    hold.setAttribute("aria-pressed", String(feed.held));
    hold.textContent = feed.held ? "Go on" : "Pause";
    say(feed.held ? "Paused" : "Going on");
    feedSay();
    take();
    pull();
}}, "Pause");
// The token comes in the address once; this tab keeps it, and the address is for the state of the page.
function tokenTake() {
    var found = /[#&]token=([0-9a-f]+)/.exec(location.hash);
    try {
        if (found) sessionStorage.setItem("token", found[1]);
        feed.token = sessionStorage.getItem("token");
    } catch (ignored) { feed.token = found && found[1]; }
    if (found) history.replaceState(null, "", "#" + location.hash.slice(1).split("&").filter(part => part.indexOf("token=")).join("&"));
}
function ask(path) { return fetch(path, {headers: {Authorization: "Bearer " + feed.token}, cache: "no-store"}); }
function refused(answer) { return feed.refused = answer.status === 401 || answer.status === 403; }
function behind() { return feed.told.number > feed.number || feed.told.events > (feed.model || feed.told).events; }
function feedSay() {
    var done = feed.told.done && !behind(), more = feed.model ? feed.told.events - feed.model.events : 0;
    feedText.textContent = feed.refused ? "This page has no valid token: open the address that evtrail web has printed." :
        done ? (feed.gone ? "The trace has ended, and evtrail web as well." : "The trace has ended.") : feed.gone ? "No answer from evtrail web: what it said last." :
        feed.held ? "Paused" + (more > 0 ? "; since then " + plural(more, "event") + "." : ".") : feed.model ? "Live, as of " + ns(feed.model.length) + "." : "Waiting for evtrail web.";
    hold.hidden = feed.refused || done && !feed.held;
}
async function pull() {
    if (feed.busy || feed.held || document.hidden || feed.model && !behind()) return;
    feed.busy = true;
    try {
        var answer = await ask("data?after=" + feed.number);
        if (!refused(answer) && answer.status === 200) {
            var number = Number(answer.headers.get("X-Number")), packed = new Uint8Array(await answer.arrayBuffer());
            feed.later = open(fzstd.decompress(packed));
            feed.number = number;
            take();
        }
    } catch (ignored) { /* the stream will say so, too */ }
    feed.busy = false;
    feedSay();
    if (!feed.refused && !feed.gone && behind()) setTimeout(pull, Math.min(3000, 2 * feed.took)); // at most a third of the time
}
// Nothing moves under a pointer that is held down, or while text is selected.
function take() {
    if (!feed.later || feed.held || feed.down || !getSelection().isCollapsed) return;
    var begun = performance.now();
    feed.model = feed.later;
    feed.later = null;
    update(feed.model);
    feed.took = performance.now() - begun;
    feedSay();
}
async function listen() {
    try {
        var answer = await ask("updates");
        if (!refused(answer) && answer.ok) {
            var reader = answer.body.getReader(), decoder = new TextDecoder(), text = "", part;
            feed.gone = false;
            feed.wait = 500;
            while (!(part = await reader.read()).done) {
                text += decoder.decode(part.value, {stream: true});
                var parts = text.split("\n\n");
                text = parts.pop();
                parts.forEach(one => { if (one.indexOf("data: ") === 0) feed.told = JSON.parse(one.slice(6)); });
                feedSay();
                pull();
            }
        }
    } catch (ignored) { /* again below */ }
    feed.gone = true;
    feedSay();
    if (!feed.refused) setTimeout(listen, feed.wait = Math.min(10000, feed.wait * 2));
}

// ---- drawing anew ----
// Elements by what they are called and where, so that one can be found among those that replace it.
function places() {
    var map = {}, seen = {};
    document.querySelectorAll("#bar *, #main *").forEach(one => {
        if (!one.matches("details, summary, .scroll, .tracks, .area, .strip, a, button, input, select")) return;
        var box = one.closest("figure, .card, section, .bar"), head = box && box.querySelector("h3, h2");
        var key = one.tagName + "|" + (head ? head.textContent : "") + "|" + (one.getAttribute("aria-label") || one.id || (one.tagName === "DETAILS" ? one.firstChild : one).textContent);
        seen[key] = (seen[key] || 0) + 1;
        map[key + "|" + seen[key]] = one;
    });
    return map;
}
function anchor() {
    return Array.from(document.querySelectorAll("main > section")).filter(one => one.getBoundingClientRect().top < innerHeight / 3).pop();
}
function update(model) {
    var before = places(), scrolled = scrolls(before), focused = document.activeElement, top = anchor(), topId = top && top.id, topAt = top ? top.getBoundingClientRect().top : 0, y = scrollY;
    var all = view.to - view.from >= view.length, wide = view.to - view.from, rows = by("event-table") && by("event-table").tBodies[0];
    if (shown && !all) { // the end of the time shown goes along with the end
        state.from = String(Math.round(view.to >= view.length ? model.length - wide : view.from));
        if (view.to >= view.length) delete state.to;
        else state.to = String(Math.round(view.to));
    }
    document.title = (model.processes.length ? clean(model.processes[0].command) + (model.processes.length > 1 ? " and " + (model.processes.length - 1) + " more" : "") : "trace") + ": evtrail web";
    var at = shown ? null : state.at;
    if (shown) delete state.at; // where the page is, is kept below
    show(model, null);
    if (shown && at) state.at = at;
    if (rows && !by("event-table").tBodies[0].childNodes.length) Array.from(rows.childNodes).forEach(row => by("event-table").tBodies[0].append(row));
    restore(before, focused);
    top = topId && by(topId);
    scrollTo({top: y, behavior: "instant"});
    if (top) scrollBy({top: top.getBoundingClientRect().top - topAt, behavior: "instant"});
    charts.forEach(chart => {
        var box = chart.element.getBoundingClientRect();
        chart.seen = chart.seen || (box.bottom > -300 && box.top < innerHeight + 300);
    });
    draw();
    var after = places();
    scrolled.forEach(one => { if (after[one[0]]) after[one[0]].scrollTo(one[1]); });
    if (feed.x !== undefined) hover();
    document.documentElement.setAttribute("data-ready", model.events);
}
function restore(before, focused) {
    var found = {};
    for (var turn = 0; turn < 2; turn++) { // what is inside of others comes with them
        var after = places();
        Object.keys(before).forEach(key => {
            var old = before[key], one = after[key];
            if (!one || found[key]) return;
            found[key] = true;
            if (old.tagName === "DETAILS" && old.open !== one.open) {
                one.open = old.open;
                one.dispatchEvent(new Event("toggle"));
            }
            if (old.chart && one.chart && old.chart.at >= 0) one.chart.at = old.chart.at;
            if (old === focused) {
                one.focus({preventScroll: true});
                if (old.id === "search") one.setSelectionRange(old.selectionStart, old.selectionEnd);
            }
        });
    }
}
function scrolls(before) {
    return Object.keys(before).filter(key => before[key].scrollTop || before[key].scrollLeft)
        .map(key => [key, {top: before[key].scrollTop, left: before[key].scrollLeft, behavior: "instant"}]);
}
// What is under the pointer is read out again.
function hover() {
    var under = document.elementFromPoint(feed.x, feed.y);
    if (under) under.dispatchEvent(new PointerEvent("pointermove", {clientX: feed.x, clientY: feed.y, bubbles: true}));
}
document.addEventListener("pointermove", event => { if (event.isTrusted) { feed.x = event.clientX; feed.y = event.clientY; } }, true);
document.addEventListener("pointerleave", () => { feed.x = undefined; });
document.addEventListener("pointerdown", () => { feed.down = true; }, true);
["pointerup", "pointercancel"].forEach(name => document.addEventListener(name, () => { feed.down = false; setTimeout(take, 0); }, true));
document.addEventListener("selectionchange", () => { if (feed.later) setTimeout(take, 0); });
document.addEventListener("visibilitychange", pull);
window.addEventListener("hashchange", () => {
    tokenTake();
    stateRead();
    if (shown) update(feed.model);
    if (feed.refused) { feed.refused = false; listen(); }
});
newest = true; // events: the page begins with the latest
tokenTake();
stateRead();
themes();
by("theme").before(feedText, hold);
feedSay();
listen();
