// SPDX-License-Identifier: ISC
// Spans: all names in a table; of the chosen one latency over time, histogram, and the slowest.
var spanShown;
function spansView(model, other) {
    var box = h("section", {id: "spans", "aria-labelledby": "spans-title"}, h("h2", {id: "spans-title"}, "Spans"));
    var before = {}, ended = model.spans.filter(row => row.span.count);
    (other ? other.spans : []).forEach(row => { before[row.name] = row.span; });
    var chosen = model.spans.filter(row => row.name === (state.span || spanShown))[0] ||
        ended.slice().sort((a, b) => b.span.count - a.span.count)[0] || model.spans[0];
    var detail = h("div", {id: "span-detail"});
    function choose(row) {
        chosen = row;
        spanShown = row.name;
        unwatch(detail);
        fill(empty(detail), null, spanDetail(model, row, before[row.name]));
    }
    var columns = [{name: "span", class: "text name", text_sort: true, text: row => row.name},
        spanColumn("count", "count", whole), spanColumn("open", "open", whole), spanColumn("p50", "p50", ns), spanColumn("p90", "p90", ns), spanColumn("p99", "p99", ns),
        spanColumn("p99.9", "p999", ns), spanColumn("longest", "max", ns), spanColumn("mean", "mean", ns), spanColumn("in all", "total", ns)];
    if (other) ["p50", "p99"].forEach(key => {
        columns.push({name: key + " before", text: row => before[row.name] ? ns(before[row.name][key]) : "–", value: row => before[row.name] ? before[row.name][key] : -1},
            {name: "change", node: row => change(row.span[key], before[row.name] && before[row.name][key]), value: row => before[row.name] ? row.span[key] / before[row.name][key] : Infinity});
    });
    box.append(h("div", {class: "card"}, sortedTable({id: "span-table", label: "Spans", rows: model.spans, by: 1, limit: 40, columns: columns,
        caption: "Choose one to see how long it took, and when.", selected: row => row === chosen,
        pick: row => { stateSet("span", row.name); choose(row); say("Showing span " + row.name); }})));
    box.append(detail);
    choose(chosen);
    return box;
}
function spanColumn(name, key, format) {
    return {name: name, text: row => row.span[key] === undefined ? "–" : format(row.span[key]), value: row => row.span[key], raw: row => row.span[key]};
}
// Where there are few spans, neighbouring columns of the heat map become one.
function heatGroup(heat, count) {
    var each = 1;
    while (count / (heat.columns / each) < 8 && heat.columns / each > 48) each *= 2;
    var sums = {}, keys = [], max = new Float64Array(Math.ceil(heat.columns / each)), cells = [];
    for (var i = 0; i < heat.cells.length; i += 3) {
        var key = Math.floor(heat.cells[i] / each) * 1000 + heat.cells[i + 1];
        if (sums[key] === undefined) { sums[key] = 0; keys.push(key); }
        sums[key] += heat.cells[i + 2];
    }
    keys.sort((a, b) => a - b).forEach(one => { cells.push(Math.floor(one / 1000), one % 1000, sums[one]); });
    heat.max.forEach((v, k) => { k = Math.floor(k / each); max[k] = Math.max(max[k], v); });
    return {cells: cells, max: max, columns: max.length, each: each};
}
// Quantiles of each column of the heat map.
function heatLines(heat, bins, columns) {
    var counts = new Float64Array(columns), out = {p50: [], p99: []};
    for (var i = 0; i < heat.cells.length; i += 3) counts[heat.cells[i]] += heat.cells[i + 2];
    var seen = new Float64Array(columns);
    for (i = 0; i < columns; i++) out.p50.push(null), out.p99.push(null);
    for (i = 0; i < heat.cells.length; i += 3) { // by column, then by bin
        var column = heat.cells[i], bin = heat.cells[i + 1], middle = Math.max(1, (bins[bin] + bins[bin + 1]) / 2);
        seen[column] += heat.cells[i + 2];
        if (out.p50[column] === null && seen[column] >= counts[column] * 0.5) out.p50[column] = Math.min(middle, heat.max[column] || middle);
        if (out.p99[column] === null && seen[column] >= counts[column] * 0.99) out.p99[column] = Math.min(middle, heat.max[column] || middle);
    }
    return out;
}
function spanDetail(model, row, before) {
    var span = row.span, parts = [];
    if (!span.count) return [h("p", {class: "quiet"}, "No span of this name ended in the trace.")];
    if (span.heat) {
        var heat = heatGroup(span.heat, span.count), lines = heatLines(heat, model.bins, heat.columns), longest = Array.prototype.map.call(heat.max, (v, i) => lines.p50[i] === null ? null : Math.max(v, 1));
        parts.push(timeChart({title: row.name + ": latency over time", note: "when spans ended, and how long they took; the stronger the colour, the more", unit: "ns", log: true, height: 240, hold: true,
            heat: {cells: heat.cells, bins: model.bins}, buckets: heat.columns, step: model.width * 4 * heat.each, lost: model.gaps,
            series: [{name: "p50", colour: "c2", values: lines.p50}, {name: "p99", colour: "c1", values: lines.p99}, {name: "longest", colour: "c3", values: longest, style: "thin"}]}));
    }
    parts.push(histogram({title: row.name + ": how long", note: "share of spans by duration", list: span.histogram, other: before ? before.histogram : null, height: 240,
        marks: [["p50", span.p50], ["p99", span.p99]], summary: "Median " + ns(span.p50) + ", 99 % within " + ns(span.p99) + ", the longest " + ns(span.max) + "."}));
    var slow = sortedTable({label: "The slowest spans", rows: span.slow, limit: 16, by: 1, columns: [
        {name: "began", class: "text", node: one => h("span", {}, moment(one.from, 1000)), text: one => moment(one.from, 1000), value: one => one.from},
        {name: "took", text: one => ns(one.duration), value: one => one.duration, raw: one => one.duration},
        {name: "thread", class: "text", text: one => trackName(model, one.track)},
        {name: "id", text: one => one.id},
        {name: "what its end says", class: "text long", text: one => one.text}],
    pick: one => {
        viewSet(one.from - one.duration * 2, one.from + one.duration * 3);
        if (by("timeline")) by("timeline").scrollIntoView();
        say("Showing the time around this span");
    }});
    return [h("div", {class: parts.length > 1 ? "pair" : ""}, parts), h("div", {class: "card"}, h("h3", null, "The slowest"), slow)];
}
