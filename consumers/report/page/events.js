// SPDX-License-Identifier: ISC
// Single events: search, filters, pages; and taking the data out again.
var PAGE = 100, eventsPage = 0, newest = false, eventsShow = () => {};
function eventsView(model) {
    var events = model.events_kept, box = h("section", {id: "events", "aria-labelledby": "events-title"}, h("h2", {id: "events-title"}, "Events"));
    var search = h("input", {type: "search", id: "search", placeholder: "words in name or fields"}), level = h("select", {id: "level"}, h("option", {value: ""}, "any"), [1, 2, 3, 4, 5].map(n => h("option", {value: n}, LEVELS[n] + (n > 1 ? " and worse" : ""))));
    var within = h("input", {type: "checkbox", id: "within"}), body = h("tbody"), count = h("output", {"for": "search level within"}), page = eventsPage, found = [], job = 0, from, to;
    var back = h("button", {type: "button", click: () => { page--; show(); }}, "Back"), on = h("button", {type: "button", click: () => { page++; show(); }}, "On");
    search.value = state.search || "";
    level.value = state.level || "";
    within.checked = state.within !== "0";
    function words() { return search.value.toLowerCase().split(/\s+/).filter(Boolean); }
    function matches(i, list, most) {
        var type = events.types[events.type[i]];
        if (most && !(type.level >= 1 && type.level <= most)) return false;
        if (within.checked && (events.time[i] < view.from || events.time[i] > view.to)) return false;
        if (!list.length) return true;
        var name = type.name.toLowerCase(), left = list.filter(word => name.indexOf(word) < 0);
        if (!left.length) return true;
        var text = (events.text(i) + events.around(i)).toLowerCase() + " " + trackName(model, events.track[i] - 1).toLowerCase();
        return left.every(word => text.indexOf(word) >= 0);
    }
    function again() { page = 0; run(); }
    // In pieces, so that the page stays alive with a million events.
    function run() {
        var list = words(), most = Number(level.value), mine = ++job, i = 0;
        found = [];
        from = view.from;
        to = view.to;
        (function piece() {
            if (mine !== job) return;
            var end = performance.now() + 12;
            for (; i < events.size && (i & 255 || performance.now() < end || i === 0); i++) if (matches(i, list, most)) found.push(i);
            if (i < events.size) { if (i & 255) i++; count.textContent = "searching…"; setTimeout(piece, 0); return; }
            show();
        })();
    }
    function show() {
        eventsPage = page = Math.max(0, Math.min(Math.ceil(found.length / PAGE) - 1, page));
        empty(body);
        (newest ? found.slice(-(page + 1) * PAGE, found.length - page * PAGE).reverse() : found.slice(page * PAGE, page * PAGE + PAGE)).forEach(i => {
            var type = events.types[events.type[i]], took = events.duration(i);
            body.append(h("tr", null, h("th", {scope: "row"}, moment(events.time[i], 100)), h("td", {class: "text"}, events.track[i] ? trackName(model, events.track[i] - 1) : "–"),
                h("td", {class: "text level" + type.level}, LEVELS[type.level] || "?"), h("td", {class: "text"}, type.kind), h("td", {class: "text name"}, type.name),
                h("td", {class: "text long"}, events.text(i) + (took >= 0 ? " took " + ns(took) : ""), h("span", {class: "quiet"}, events.around(i)))));
        });
        count.textContent = found.length ? whole(page * PAGE + 1) + " to " + whole(Math.min(found.length, page * PAGE + PAGE)) + " of " + whole(found.length) : "none";
        back.disabled = page <= 0;
        on.disabled = (page + 1) * PAGE >= found.length;
    }
    var timer = 0;
    function later() { clearTimeout(timer); timer = setTimeout(again, 120); }
    search.addEventListener("input", () => { stateSet("search", search.value); later(); });
    level.addEventListener("change", () => { stateSet("level", level.value); again(); });
    within.addEventListener("change", () => { stateSet("within", within.checked ? null : "0"); again(); });
    eventsShow = name => {
        search.value = name;
        stateSet("search", name);
        again();
        box.scrollIntoView();
        search.focus({preventScroll: true});
    };
    var thinned = events.types.filter(type => type.each > 1);
    box.append(h("div", {class: "card"},
        h("p", {class: "note"}, events.size === model.events ? "All " + whole(events.size) + " events of the trace." :
            whole(events.size) + " of " + whole(model.events) + " events are in this page: of " + plural(thinned.length, "name") + " with many, every second, fourth, eighth or so (see below); of the others" + (newest ? ", and of the newest," : "") + " all."),
        h("div", {class: "filters"}, h("label", null, "Search ", search), h("label", null, "Level ", level), h("label", null, within, " only the time shown"), back, on, count),
        h("div", {class: "scroll", tabindex: "0", role: "group", "aria-label": "Events"}, h("table", {class: "wide", id: "event-table"}, h("thead", null, h("tr", null,
            [["time"], ["thread", "text"], ["level", "text"], ["kind", "text"], ["event", "text"], ["fields", "text"]].map(head => h("th", {scope: "col", class: head[1]}, head[0])))), body)),
        thinned.length ? h("details", null, h("summary", null, "How many of each name are here"), sortedTable({label: "Events in this page by name", by: 2, rows: thinned, limit: 50, columns: [
            {name: "event", class: "text name", text_sort: true, text: type => type.name}, {name: "kind", class: "text", text: type => type.kind},
            {name: "in the trace", text: type => whole(type.seen), value: type => type.seen},
            {name: "here", text: type => whole(type.kept), value: type => type.kept},
            {name: "every", text: type => whole(type.each) + "th", value: type => type.each}]})) : null,
        h("div", {class: "tools"}, h("span", {class: "note"}, "Take the data out: "),
            h("button", {type: "button", id: "save-csv", click: () => { save("events.csv", "text/csv", csv(model, found)); }}, "found events, CSV"),
            h("button", {type: "button", id: "save-jsonl", click: () => { save("events.jsonl", "application/x-ndjson", jsonLines(model, found)); }}, "found events, JSON lines"),
            h("button", {type: "button", id: "save-json", click: () => { save("figures.json", "application/json", figures(model)); }}, "all figures, JSON"))));
    var chart = {element: box, draw: () => { if (within.checked && (view.from !== from || view.to !== to)) again(); }, seen: true};
    charts.push(chart);
    run();
    return box;
}
function save(name, type, text) {
    var url = URL.createObjectURL(new Blob([text], {type: type})), link = h("a", {href: url, download: name});
    document.body.append(link);
    link.click();
    document.body.removeChild(link);
    setTimeout(() => { URL.revokeObjectURL(url); }, 10000);
    say("Saved " + name);
}
function fieldsOf(model, i) {
    var events = model.events_kept, out = {};
    events.types[events.type[i]].fields.forEach(field => {
        var value = events.value(i, field);
        out[field.name] = typeof value === "bigint" ? String(value) : value;
    });
    return out;
}
function exactTime(model, i) { return String(BigInt(model.start) + BigInt(model.events_kept.time[i])); }
function jsonLines(model, list) {
    var events = model.events_kept;
    return list.map(i => {
        var type = events.types[events.type[i]], track = model.tracks[events.track[i] - 1] || {}, process = model.processes[track.process] || {};
        var line = {ns: exactTime(model, i), pid: process.pid, process: process.command, tid: track.tid, thread: track.name, level: LEVELS[type.level], kind: type.kind, name: type.name, fields: fieldsOf(model, i)};
        if (events.duration(i) >= 0) line.dur = events.duration(i);
        if (events.around(i)) line.context = events.around(i).trim();
        return JSON.stringify(line);
    }).join("\n") + "\n";
}
// A cell that a spreadsheet would take for a formula gets a quote before it.
function cell(value) {
    var text = String(value === null || value === undefined ? "" : value);
    if (/^[=+\-@\t\r]/.test(text) && isNaN(Number(text))) text = "'" + text;
    return /[",\n\r]/.test(text) ? '"' + text.replace(/"/g, '""') + '"' : text;
}
function csv(model, list) {
    var events = model.events_kept, lines = ["ns,process,pid,thread,tid,level,kind,name,dur,fields,context"];
    list.forEach(function (i) {
        var type = events.types[events.type[i]], track = model.tracks[events.track[i] - 1] || {}, process = model.processes[track.process] || {};
        lines.push([exactTime(model, i), process.command, process.pid, track.name, track.tid, LEVELS[type.level], type.kind, type.name, events.duration(i) >= 0 ? events.duration(i) : "", JSON.stringify(fieldsOf(model, i)), events.around(i).trim()].map(cell).join(","));
    });
    return lines.join("\r\n") + "\r\n";
}
function figures(model) {
    return JSON.stringify({start: model.start, from: model.from, to: model.to, events: model.events, bytes: model.bytes, lost: model.lost.map(one => ({cause: one.cause, count: one.count})),
        processes: model.processes, rows: model.rows, listed: model.listed}, (key, value) => value instanceof Float64Array ? Array.from(value) : value, 1);
}
