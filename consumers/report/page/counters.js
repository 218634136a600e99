// SPDX-License-Identifier: ISC
// Counters: figures, and values over time with each bucket's extremes.
var countersShown = 0;
function countersView(model, other) {
    var box = h("section", {id: "counters", "aria-labelledby": "counters-title"}, h("h2", {id: "counters-title"}, "Counters")), before = {}, shown = 8, count = countersShown;
    (other ? other.counters : []).forEach(row => { before[row.name] = row.counter; });
    function column(name, key) {
        return {name: name, text: row => quantity(numberOf(row.counter[key]), row.counter.unit), value: row => numberOf(row.counter[key]), raw: row => row.counter[key]};
    }
    var columns = [{name: "counter", class: "text name", text_sort: true, text: row => row.name},
        {name: "count", text: row => whole(row.counter.count), value: row => row.counter.count, raw: row => row.counter.count},
        column("last", "last"), column("least", "min"), column("greatest", "max")];
    if (other) columns.push({name: "greatest before", text: row => before[row.name] ? quantity(Number(before[row.name].max), row.counter.unit) : "–"},
        {name: "change", node: row => change(Number(row.counter.max), before[row.name] && Number(before[row.name].max), true), value: row => before[row.name] ? Number(row.counter.max) / Number(before[row.name].max) : Infinity});
    box.append(h("div", {class: "card"}, sortedTable({id: "counter-table", label: "Counters", rows: model.counters, by: 1, limit: 20, columns: columns})));
    var drawn = model.counters.filter(row => row.counter.lasts), grid = h("div", {class: model.counters.length > 1 ? "grid2" : ""}), more = h("button", {type: "button", class: "tool", click: () => { add(); }}, "Show more counters");
    function add() {
        drawn.slice(grid.childNodes.length, countersShown = Math.max(count, grid.childNodes.length + shown)).forEach(row => {
            var c = row.counter;
            grid.append(timeChart({title: row.name, note: c.unit ? "in " + c.unit : null, unit: c.unit, buckets: model.buckets, step: model.width, hold: true, steps: true, lost: model.gaps, height: 170, loose: true,
                series: [{name: "lowest to highest", colour: "c0", lows: c.lows, highs: c.highs}, {name: "last", colour: "c0", values: c.lasts}]}));
        });
        more.hidden = grid.childNodes.length >= drawn.length;
    }
    add();
    box.append(grid);
    box.append(more);
    return box;
}
