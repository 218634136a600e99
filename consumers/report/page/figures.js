// SPDX-License-Identifier: ISC
// Figures that a program gives along, as JSON: objects of values as tables of two columns, lists and objects of objects as tables of many.
function figureText(key, value) {
    if (value === null || value === undefined) return "–";
    if (Array.isArray(value)) return value.map(one => figureText(key, one)).join("; ");
    if (typeof value === "number") return /_ns$/.test(key) ? ns(value) : /bytes$/.test(key) ? bytes(value) : whole(value);
    return value === true ? "yes" : value === false ? "no" : String(value);
}
function figureName(key) { return key.replace(/_ns$/, "").replace(/_/g, " "); }
function isFigures(value) { return value !== null && typeof value === "object" && !(Array.isArray(value) && typeof value[0] !== "object"); }
function figureTable(box, title, rows, columns) {
    if (rows.length) box.append(h("div", {class: "card"}, h("h3", null, title), sortedTable({label: title, rows: rows, limit: 40, columns: columns})));
}
// Times in an object whose name ends in _ns are in ns, counts of them are not.
function figureTables(box, title, of, key, deep) {
    var keys = Object.keys(of), inner = keys.filter(name => isFigures(of[name])), first = {name: "figure", class: "text name", text_sort: true, text: row => figureName(row)};
    if (Array.isArray(of) || inner.length > 1 && inner.length === keys.length) {
        var names = [];
        inner.forEach(row => Object.keys(of[row]).forEach(name => { if (names.indexOf(name) < 0) names.push(name); }));
        var columns = names.map(name => ({name: figureName(name), class: inner.some(row => typeof of[row][name] === "string") ? "text name" : null,
            text: row => figureText(/_ns$/.test(key) && name !== "count" ? key : name, of[row][name]), value: row => of[row][name]}));
        figureTable(box, title, inner, Array.isArray(of) ? columns : [first].concat(columns));
        return;
    }
    figureTable(box, title, keys.filter(name => inner.indexOf(name) < 0), [first, {name: "value", text: name => figureText(name, of[name]), value: name => of[name]}]);
    if (deep < 4) inner.forEach(name => figureTables(box, (deep ? title + ": " : "") + figureName(name), of[name], name, deep + 1));
}
function figuresView(figures) {
    var box = h("section", {id: "figures", "aria-labelledby": "figures-title"}, h("h2", {id: "figures-title"}, "Figures")), grid = h("div", {class: "grid2"});
    figureTables(grid, "At a glance", figures, "", 0);
    box.append(grid);
    return box;
}
function figuresRead() {
    var element = by("given");
    if (!element) return;
    try {
        var figures = JSON.parse(element.textContent);
        given = () => figuresView(figures);
    } catch (error) {
        given = () => h("section", {id: "figures"}, h("p", {class: "quiet"}, "The figures that were given are no JSON: " + error.message));
    }
}
