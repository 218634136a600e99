// SPDX-License-Identifier: ISC
// Entities: how many of a class were in which state, for how long, and each one by itself.
// A state's colour says its sort where its name does; meaning never hangs on it alone.
var SORTS = [[/idle|free|ready|spare|parked|sleep/i, "c8"], [/wait|queue|pend|block|throttl|hungry/i, "c1"], [/err|fail|broken|dead|eject|lost/i, "c3"]];
function stateColours(entity) {
    var next = 0, palette = ["c0", "c2", "c4", "c6", "c5", "c7"];
    return entity.states.map(one => {
        var sort = SORTS.filter(pair => pair[0].test(one.name))[0];
        return sort ? sort[1] : palette[next++ % palette.length];
    });
}
function entitiesView(model) {
    var box = h("section", {id: "entities", "aria-labelledby": "entities-title"}, h("h2", {id: "entities-title"}, "Entities"));
    model.classes.forEach(row => { box.append(classView(model, row)); });
    return box;
}
function classView(model, row) {
    var entity = row.entity, colours = stateColours(entity), total = entity.states.reduce((sum, one) => sum + one.total, 0);
    var listed = [];
    model.listed.forEach((one, i) => { if (one.row === row.number) { one.number = i; listed.push(one); } });
    var series = entity.states.map((one, i) => ({name: one.name, colour: colours[i], values: one.average || []})).filter(one => one.values.length);
    var sums = entity.states.map(one => one.name + " " + percent(one.total, total)).join(", ");
    var box = h("div", {class: "class"});
    var left = timeChart({title: row.name + ": states over time", note: "how many are in which state, on average", unit: "", stack: true, series: series, buckets: model.buckets, step: model.width, lost: model.gaps, summary: "Of their time: " + sums + "."});
    var right = h("div", {class: "card"}, h("h3", null, row.name + ": states"), sortedTable({label: row.name + ", states", rows: entity.states.map((one, i) => ({state: one, colour: colours[i]})), by: 2, columns: [
        {name: "state", class: "text name", text_sort: true, node: one => [h("span", {class: "swatch line " + one.colour, "aria-hidden": "true"}), " " + clean(one.state.name)], text: one => one.state.name},
        {name: "now", text: one => whole(one.state.now), value: one => one.state.now, raw: one => one.state.now},
        {name: "time", text: one => ns(one.state.total), value: one => one.state.total},
        {name: "share", text: one => percent(one.state.total, total), value: one => one.state.total},
        {name: "on average", text: one => short(+(one.state.total / model.length).toPrecision(3)), value: one => one.state.total}]}),
    h("p", {class: "note"}, "At the end ", h("b", {"data-value": entity.live}, whole(entity.live)), " are there and ", h("b", {"data-value": entity.gone}, whole(entity.gone)), " are gone." +
        (entity.untracked ? " " + plural(entity.untracked, "other") + " did not fit." : "")));
    box.append(h("div", {class: "pair"}, left, right));
    if (listed.length) {
        var more = h("details", null, h("summary", null, plural(listed.length, "entity").replace(/entitys$/, "entities") + " of " + clean(row.name) + (entity.live + entity.gone > listed.length ? ", the first of " + whole(entity.live + entity.gone) : "") + ", one by one"));
        more.addEventListener("toggle", () => { if (more.open && more.childNodes.length === 1) fill(more, null, [strips(model, row, listed, colours), listedTable(model, row, listed, colours)]); });
        box.append(h("div", {class: "card"}, more));
        if (listed.length <= 16 && listed.some(one => one.changes > 1)) more.open = true;
    }
    return box;
}
function entityName(one) { return one.name || "#" + one.id; }
function parentName(model, one) {
    if (one.parent === "0") return "";
    var parent = model.listed.filter(other => other.id === one.parent && other.row !== one.row)[0];
    return parent ? entityName(parent) : "#" + one.parent;
}
function times(one) {
    var list = [], sum = 0;
    for (var i = 0; i < one.time.length; i += 2) { list.push([one.time[i], one.time[i + 1]]); sum += one.time[i + 1]; }
    return {list: list, sum: sum};
}
function shareBar(one, row, colours) {
    var t = times(one), text = t.list.map(pair => row.entity.states[pair[0]].name + " " + percent(pair[1], t.sum)).join(", ");
    return [h("span", {class: "share", "aria-hidden": "true"}, t.list.map(pair => {
        var bar = h("i", {class: colours[pair[0]]});
        bar.style.width = 100 * pair[1] / t.sum + "%";
        return bar;
    })), " " + clean(text)];
}
function listedTable(model, row, listed, colours) {
    return sortedTable({label: row.name + ", one by one", rows: listed, limit: 50, columns: [
        {name: "entity", class: "text name", text_sort: true, text: entityName},
        {name: "of", class: "text name", text: one => parentName(model, one)},
        {name: "seen first", text: one => moment(one.first, 1e6), value: one => one.first},
        {name: "gone", text: one => one.gone < 0 ? "" : moment(one.gone, 1e6), value: one => one.gone},
        {name: "changes", text: one => whole(one.changes), value: one => one.changes},
        {name: "state", class: "text", text: one => one.state < 0 ? "gone" : row.entity.states[one.state].name},
        {name: "time in each state", class: "text", node: one => shareBar(one, row, colours), text: () => ""}]});
}
function strips(model, row, listed, colours) {
    var tracks = listed.slice(0, 60).map(one => ({number: one.number, name: entityName(one), lanes: 1}));
    return trackChart({title: row.name + ": each one's states", model: model, slices: model.strips, tracks: tracks,
        colour: name => colours[name] || "c8", name: name => row.entity.states[name] ? row.entity.states[name].name : "?", what: "state"});
}
