// SPDX-License-Identifier: ISC
// What ran, for how long, what was lost, what to look at; and which events there were.
var LEVELS = ["", "critical", "error", "warning", "info", "debug", "trace"];
var LEVEL_PLURALS = ["", "critical", "errors", "warnings"];
function tile(name, value, below, bad, raw) {
    return h("div", {class: "tile" + (bad ? " bad" : "")}, h("dt", null, name), h("dd", {"data-value": raw}, value, below ? h("span", null, below) : null));
}
function severe(model) {
    var counts = [0, 0, 0, 0];
    model.rows.forEach(row => { if (row.level >= 1 && row.level <= 3) counts[row.level] += row.count; });
    return counts;
}
function plural(count, word) { return whole(count) + " " + word + (count === 1 ? "" : "s"); }
function lostText(model) {
    return model.lost.map(one => whole(one.count) + " " + one.cause).join(", ");
}
// [kind, sentence]: loss first.
function verdicts(model) {
    var list = [], counts = severe(model), open = 0, unmatched = 0, untracked = 0;
    if (model.lost_events) list.push(["bad", plural(model.lost_events, "event") + " (" + percent(model.lost_events, model.events + model.lost_events) + ") are missing: " + lostText(model) + "."]);
    if (model.faults) list.push(["bad", "The input is damaged in " + plural(model.faults, "place") + "; what is intact was read."]);
    if (counts[1] + counts[2]) list.push(["bad", plural(counts[1] + counts[2], "event") + " of level error or worse."]);
    if (counts[3]) list.push(["warn", plural(counts[3], "warning") + "."]);
    model.spans.forEach(row => { open += row.span.open; unmatched += row.span.unmatched; });
    model.classes.forEach(row => { untracked += row.entity.untracked; });
    if (open) list.push(["warn", plural(open, "span") + " had not ended when the trace did."]);
    if (unmatched) list.push(["warn", plural(unmatched, "end") + " of spans came without a begin."]);
    if (untracked) list.push(["warn", plural(untracked, "entit") .replace(/entits?$/, "entities") + " did not fit into memory and are only counted."]);
    if (model.cut) list.push(["warn", plural(model.cut, "event") + " were too long and were cut by the program."]);
    if (!model.lost_events && !model.faults) list.unshift(["good", model.events ? "No event was lost." : "The trace has no event."]);
    return list;
}
function summaryView(model, other) {
    var seconds = model.length / 1e9, counts = severe(model);
    var box = h("section", {id: "summary", "aria-labelledby": "summary-title"}, h("h2", {id: "summary-title"}, "Summary"));
    box.append(h("dl", {class: "tiles"},
        tile("Length", ns(model.length), clock(model.start, 0)),
        tile("Events", whole(model.events), short(model.events / seconds) + "/s, " + bytes(model.bytes) + (other ? "; before " + whole(other.events) : ""), false, model.events),
        tile("Lost", whole(model.lost_events), model.lost_events ? lostText(model) : "nothing", model.lost_events > 0, model.lost_events),
        tile("Processes", whole(model.processes.length), plural(model.tracks.length, "thread")),
        tile("Errors", whole(counts[1] + counts[2]), plural(counts[3], "warning"), counts[1] + counts[2] > 0),
        tile("Spans", whole(model.spans.reduce((sum, row) => sum + row.span.count, 0)), plural(model.spans.length, "name"))));
    var series = [{name: "events", colour: "c0", values: rate(model.series, model), under: true}];
    box.append(timeChart({title: "Events over time", note: "events a second", unit: "", series: series, buckets: model.buckets, step: model.width, lost: model.gaps, height: 150}));
    if (model.lost.length) box.append(timeChart({title: "Events lost over time", note: "by cause, as counted when the loss was seen", unit: "", stack: true, buckets: model.buckets, step: model.width, height: 120,
        series: model.lost.map((one, i) => ({name: one.cause, colour: "c" + [3, 1, 7, 4, 6, 2, 5, 0][i % 8], values: one.series}))}));
    box.append(processTable(model));
    box.append(h("div", {class: "card"}, h("h3", null, "Event names"), rowsTable(model, other)));
    return box;
}
// Counts of buckets as a rate; the last bucket may be a short one.
function rate(series, model) {
    var out = new Float64Array(series.length);
    for (var i = 0; i < out.length; i++) {
        var long = i === out.length - 1 ? Math.max(model.length - i * model.width, model.width * 0.2) : model.width;
        out[i] = series[i] * 1e9 / long;
    }
    return out;
}
function processTable(model) {
    var list = sortedTable({label: "Processes", rows: model.processes, limit: 12, columns: [
        {name: "process", class: "text name", text: p => p.command},
        {name: "pid", text: p => String(p.pid), value: p => p.pid},
        {name: "parent", text: p => String(p.parent), value: p => p.parent},
        {name: "events", text: p => whole(p.events), value: p => p.events},
        {name: "threads", text: p => whole(threadsOf(model, p)), value: p => threadsOf(model, p)},
        {name: "started", class: "text", text: p => clock(p.start, 0)},
        {name: "host", class: "text", text: p => p.host},
        {name: "program", class: "text name", text: p => p.program}]});
    return h("div", {class: "card"}, h("h3", null, "Processes"), list);
}
function threadsOf(model, process) {
    var at = model.processes.indexOf(process);
    return model.tracks.filter(track => track.process === at).length;
}
// A small picture of when; its height is each row's own.
function spark(series) {
    if (!series || !series.length) return "";
    var most = Math.max.apply(null, Array.prototype.slice.call(series)), wide = 120 / series.length, d = "";
    for (var i = 0; i < series.length; i++) if (series[i]) d += "M" + (i * wide).toFixed(1) + " 16h" + Math.max(0.8, wide).toFixed(1) + "V" + (16 - 15 * series[i] / most).toFixed(1) + "h-" + Math.max(0.8, wide).toFixed(1) + "z";
    return s("svg", {class: "spark c0", width: 120, height: 17, "aria-hidden": "true"}, s("path", {class: "under", d: d}));
}
function rowKey(row) { return row.kind + " " + row.name; }
function rowsTable(model, other) {
    var before = {}, columns;
    (other ? other.rows : []).forEach(row => { before[rowKey(row)] = row; });
    columns = [
        {name: "event", class: "text name", text_sort: true, text: row => row.name},
        {name: "kind", class: "text", text_sort: true, text: row => row.kind},
        {name: "level", class: "text", node: row => h("span", {class: "level" + row.level}, LEVELS[row.level] || "?"), value: row => row.level},
        {name: "count", text: row => whole(row.count), value: row => row.count, raw: row => row.count},
        {name: "per second", text: row => short(row.count / model.length * 1e9), value: row => row.count},
        {name: "over time", class: "text", node: row => spark(row.series), value: row => row.count},
        {name: "bytes", text: row => bytes(row.bytes), value: row => row.bytes, raw: row => row.bytes}];
    if (other) columns.push({name: "before", text: row => before[rowKey(row)] ? whole(before[rowKey(row)].count) : "–", value: row => before[rowKey(row)] ? before[rowKey(row)].count : -1},
        {name: "change", node: row => change(row.count, before[rowKey(row)] && before[rowKey(row)].count, true), value: row => before[rowKey(row)] ? row.count / before[rowKey(row)].count : Infinity});
    return sortedTable({id: "rows", label: "Event names", by: 3, limit: 25, columns: columns, pick: row => { eventsShow(row.name); },
        rows: model.rows.filter(row => row.count > 0)});
}
