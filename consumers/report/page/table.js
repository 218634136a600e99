// SPDX-License-Identifier: ISC
// A table that sorts by a click on a column's head. columns: {name, text(row), value(row), class, first, sort}.
// What a reader chose of a table holds for the one that replaces it.
var tables = {};
function sortedTable(o) {
    var now = tables[o.label] || {}, by = now.by === undefined ? o.by === undefined ? -1 : o.by : now.by, down = now.down !== false, limit = now.limit || o.limit || 200;
    var body = h("tbody"), more = h("button", {type: "button", click: () => { limit *= 4; rows(); }}, "Show more");
    var heads = o.columns.map((column, i) => {
        var button = h("button", {type: "button", click: () => {
            down = by === i ? !down : !column.text_sort;
            by = i;
            rows();
        }}, column.name);
        return h("th", {scope: "col", class: column.class}, button);
    });
    function value(column, row) { return column.value ? column.value(row) : column.text(row); }
    function rows() {
        tables[o.label] = {by: by, down: down, limit: limit};
        var list = o.rows.slice(), column = o.columns[by];
        if (column) list.sort((a, b) => {
            var x = value(column, a), y = value(column, b), order = x === y ? 0 : x === null || x === undefined ? 1 : y === null || y === undefined ? -1 : x < y ? -1 : 1;
            return down ? -order : order;
        });
        heads.forEach((head, i) => {
            if (i === by) head.setAttribute("aria-sort", down ? "descending" : "ascending");
            else head.removeAttribute("aria-sort");
        });
        empty(body);
        list.slice(0, limit).forEach(row => {
            var tr = h("tr", {class: o.selected && o.selected(row) ? "selected" : null});
            o.columns.forEach((column, i) => {
                var inside = column.node ? column.node(row) : column.text(row), attributes = {class: column.class};
                if (column.raw) attributes["data-value"] = column.raw(row);
                if (i === 0) {
                    attributes.scope = "row";
                    tr.append(h("th", attributes, o.pick ? h("button", {type: "button", "aria-pressed": o.selected && o.selected(row) ? "true" : "false", click: () => { o.pick(row); rows(); }}, inside) : inside));
                } else tr.append(h("td", attributes, inside));
            });
            body.append(tr);
        });
        more.hidden = list.length <= limit;
        more.textContent = "Show more of " + whole(list.length);
    }
    rows();
    var box = h("div", null, h("div", {class: "scroll", tabindex: "0", role: "group", "aria-label": o.label}, h("table", {class: "wide", id: o.id}, o.caption ? h("caption", null, o.caption) : null,
        h("thead", null, h("tr", null, heads)), body)), more);
    box.refresh = rows;
    return box;
}
// More time is worse; more of something else (plain) is neither.
function change(now, before, plain) {
    if (!before || now === undefined || now === null) return h("span", {class: "zero"}, "–");
    var part = now / before - 1;
    var text = (part >= 0 ? "+" : "−") + (Math.abs(part) >= 10 ? "×" + digits3(now / before) : (100 * Math.abs(part)).toFixed(1) + " %");
    return h("span", {class: plain ? null : part > 0.05 ? "more" : part < -0.05 ? "less" : "zero"}, text);
}
