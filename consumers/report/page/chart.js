// SPDX-License-Identifier: ISC
// The time that is shown, which all charts share, and charts over it: SVG with a cursor, a readout, keys, and a table.
var view = {from: 0, to: 1, length: 1}, charts = [], waiting = false;
function viewSet(from, to) {
    var least = Math.min(view.length, 1000), width = Math.max(least, Math.min(view.length, to - from));
    from = Math.max(0, Math.min(view.length - width, from));
    if (from === view.from && from + width === view.to) return;
    view.from = from;
    view.to = from + width;
    stateSet("from", from > 0 ? Math.round(from) : null);
    stateSet("to", view.to < view.length ? Math.round(view.to) : null);
    redraw();
}
function zoom(factor, around) {
    var at = around === undefined ? (view.from + view.to) / 2 : around;
    viewSet(at - (at - view.from) * factor, at + (view.to - at) * factor);
}
function shift(part) {
    var by = (view.to - view.from) * part;
    by = Math.max(-view.from, Math.min(view.length - view.to, by));
    viewSet(view.from + by, view.to + by);
}
function redraw() {
    charts.forEach(chart => { chart.stale = true; });
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(draw);
}
function draw() {
    waiting = false;
    charts.forEach(chart => {
        if (!chart.stale || !chart.seen) return;
        chart.stale = false;
        chart.draw();
    });
}
// A chart is drawn when it is on the screen, and again when its width changes.
var watcher = new IntersectionObserver(entries => {
    entries.forEach(entry => {
        var chart = entry.target.chart;
        if (!chart) return;
        chart.seen = entry.isIntersecting;
        if (chart.seen && chart.stale) { chart.stale = false; chart.draw(); }
    });
}, {rootMargin: "300px"});
var sizes = new ResizeObserver(entries => {
    entries.forEach(entry => {
        var chart = entry.target.chart, width = Math.round(entry.contentRect.width);
        if (!chart || chart.width === width || width === 0) return;
        chart.width = width;
        chart.stale = true;
        if (chart.seen) { chart.stale = false; chart.draw(); }
    });
});
function watch(element, chart) {
    element.chart = chart;
    chart.stale = true;
    chart.width = 0;
    charts.push(chart);
    watcher.observe(element);
    sizes.observe(element);
}
function unwatch(root) {
    charts = charts.filter(chart => {
        if (!root.contains(chart.element)) return true;
        watcher.unobserve(chart.element);
        sizes.unobserve(chart.element);
        return false;
    });
}
// On paper all is light, and all is drawn.
var themeShown = null;
window.addEventListener("beforeprint", () => {
    themeShown = document.documentElement.getAttribute("data-theme");
    document.documentElement.setAttribute("data-theme", "light");
    charts.forEach(chart => { chart.width = chart.element.clientWidth; if (chart.width) chart.draw(); });
});
window.addEventListener("afterprint", () => {
    if (themeShown) document.documentElement.setAttribute("data-theme", themeShown);
    else document.documentElement.removeAttribute("data-theme");
    redraw();
});

// ---- pointer and keys over time ----
// `on`: at(x) gives the moment, move(x or null), mark(x1, x2) shows a choice, keys: what else a key does.
function timePointer(area, on) {
    var start = null;
    function x(event) { return event.clientX - area.getBoundingClientRect().left; }
    area.addEventListener("pointerdown", event => {
        if (event.button !== 0 || event.pointerType === "touch") return;
        start = x(event);
        area.setPointerCapture(event.pointerId);
    });
    area.addEventListener("pointermove", event => {
        if (start !== null && Math.abs(x(event) - start) > 4) on.mark(Math.min(start, x(event)), Math.max(start, x(event)));
        on.move(x(event), event);
    });
    area.addEventListener("pointerup", event => {
        var from = start, to = x(event);
        start = null;
        on.mark(0, 0);
        if (from === null) return;
        if (Math.abs(to - from) > 4) viewSet(on.at(Math.min(from, to)), on.at(Math.max(from, to)));
        else if (on.click) on.click(to, event);
    });
    area.addEventListener("pointercancel", () => { start = null; on.mark(0, 0); });
    area.addEventListener("pointerleave", () => { if (document.activeElement !== area) on.move(null); });
    area.addEventListener("dblclick", () => { viewSet(0, view.length); });
    area.addEventListener("wheel", event => {
        if (!event.ctrlKey && !event.shiftKey && !event.altKey) return;
        event.preventDefault();
        if (event.shiftKey) shift((event.deltaY || event.deltaX) > 0 ? 0.1 : -0.1);
        else zoom(event.deltaY > 0 ? 1.25 : 0.8, on.at(x(event)));
    }, {passive: false});
    area.addEventListener("keydown", event => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        var around = on.cursor ? on.cursor() : undefined, key = event.key, used = true;
        if (key === "+" || key === "=") zoom(0.5, around);
        else if (key === "-" || key === "_") zoom(2, around);
        else if (key === "0") viewSet(0, view.length);
        else if (event.shiftKey && key === "ArrowLeft") shift(-0.25);
        else if (event.shiftKey && key === "ArrowRight") shift(0.25);
        else used = on.keys ? on.keys(key) : false;
        if (used) event.preventDefault();
    });
}

// ---- a chart over time ----
var LEFT = 72, RIGHT = 14, BOTTOM = 22, TOP = 8;
// o: title, note, height, unit, series [{name, colour, values, lows, highs, kind}], stack, log, lost; values by bucket.
// kind: line, band (lows to highs), dash. `buckets` and `step`: how many there are, and how long each lasts. heat: {cells, bins}.
function timeChart(o) {
    var chart = {width: 0, at: -1}, height = o.height || 190, stepNs = o.step, buckets = o.buckets;
    var svg = s("svg", {role: "img", "aria-label": o.title + ": " + (o.note || "over time"), height: height});
    var canvas = o.heat ? h("canvas", {"aria-hidden": "true"}) : null;
    var area = h("div", {class: "area", tabindex: "0", role: "application", "aria-label": o.title + " over time; arrow keys read values, plus and minus zoom"}, canvas, svg);
    var readout = h("p", {class: "readout"}), summary = o.summary || "Drag to zoom; arrow keys or pointer: values.";
    var details = h("details", null, h("summary", null, "Table"));
    var cursor = s("line", {class: "cursor", visibility: "hidden"}), picked = s("rect", {class: "picked", visibility: "hidden"});
    chart.element = area;
    readout.textContent = summary;

    function x(at) { return LEFT + (at - view.from) / (view.to - view.from) * (chart.width - LEFT - RIGHT); }
    function at(px) { return view.from + (px - LEFT) / (chart.width - LEFT - RIGHT) * (view.to - view.from); }
    function range() {
        var first = Math.max(0, Math.floor(view.from / stepNs)), last = Math.min(buckets - 1, Math.ceil(view.to / stepNs));
        return [first, Math.max(first, last)];
    }
    function bounds(first, last) {
        var low = o.log ? Infinity : 0, high = o.log ? 0 : -Infinity;
        for (var i = first; i <= last; i++) {
            var sum = 0;
            o.series.forEach(one => {
                var up = one.highs ? one.highs[i] : one.values[i], down = one.lows ? one.lows[i] : one.values[i];
                if (up === null || up === undefined || isNaN(up)) return;
                if (o.stack) sum += up;
                else { high = Math.max(high, up); if (!o.log || down > 0) low = Math.min(low, down); }
            });
            if (o.stack) high = Math.max(high, sum);
        }
        if (o.log) {
            low = isFinite(low) ? low : 1;
            high = Math.max(high, low * 1.01);
            if (o.heat) { var b = heatBounds(first, last); low = Math.min(low, b[0]); high = Math.max(high, b[1]); }
            return [Math.pow(2, Math.floor(Math.log2(low) * 2) / 2), Math.pow(2, Math.ceil(Math.log2(high * 1.02) * 2) / 2)];
        }
        if (!isFinite(high)) high = 1;
        if (low > 0 && low > high * 0.8 && o.loose) return [low - (high - low) * 0.2 || low * 0.99, high + (high - low) * 0.2 || high * 1.01];
        return [low < 0 ? low * 1.06 : 0, high > 0 ? high * 1.06 : low < 0 ? 0 : 1];
    }
    function heatBounds(first, last) {
        var cells = o.heat.cells, low = Infinity, high = 0;
        for (var i = 0; i < cells.length; i += 3) {
            if (cells[i] < first || cells[i] > last) continue;
            low = Math.min(low, Math.max(1, o.heat.bins[cells[i + 1]]));
            high = Math.max(high, o.heat.bins[cells[i + 1] + 1]);
        }
        return high ? [low, high] : [1, 10];
    }
    function scaleY(low, high) {
        var room = height - TOP - BOTTOM;
        return o.log ? v => TOP + room * (1 - (Math.log(Math.max(v, low)) - Math.log(low)) / (Math.log(high) - Math.log(low)))
            : v => TOP + room * (1 - (v - low) / (high - low));
    }
    function axes(y, low, high) {
        var g = s("g"), list = o.log ? logTicks(low, high, 7) : valueTicks(low, high, 4, o.unit), t = ticks(view.from, view.to, Math.max(2, Math.floor(chart.width / 80)));
        list.forEach(v => {
            var at = Math.round(y(v)) + 0.5;
            g.append(s("line", {class: v === 0 ? "baseline" : "gridline", x1: LEFT, x2: chart.width - RIGHT, y1: at, y2: at}));
            g.append(s("text", {x: LEFT - 8, y: at + 4, "text-anchor": "end"}, tick(v, o.unit)));
        });
        t.list.forEach(v => {
            g.append(s("text", {x: x(v), y: height - 5, "text-anchor": "middle"}, moment(v, t.step)));
            g.append(s("line", {class: "gridline", x1: x(v), x2: x(v), y1: height - BOTTOM, y2: height - BOTTOM + 4}));
        });
        return g;
    }
    // One point a bucket, in its middle; a gap where there is no value.
    function path(values, first, last, y) {
        var d = "", pen = false;
        for (var i = first; i <= last; i++) {
            var v = values[i];
            if (v === null || v === undefined || isNaN(v)) { if (!o.hold) pen = false; continue; }
            d += pen && o.steps ? "H" + x((i + 0.5) * stepNs).toFixed(1) + "V" + y(v).toFixed(1) : (pen ? "L" : "M") + x((i + 0.5) * stepNs).toFixed(1) + " " + y(v).toFixed(1);
            if (!pen && (i === last || values[i + 1] === null || values[i + 1] === undefined)) d += "h.5";
            pen = true;
        }
        return d;
    }
    // Where a line has few values, each is a dot.
    function dots(g, one, first, last, y) {
        var list = [];
        for (var i = first; i <= last && list.length <= 20; i++) if (one.values[i] !== null && one.values[i] !== undefined && !isNaN(one.values[i])) list.push(i);
        if (list.length <= 20) list.forEach(k => { g.append(s("circle", {class: "dot " + one.colour, cx: x((k + 0.5) * stepNs), cy: y(one.values[k]), r: 3})); });
    }
    function between(lows, highs, first, last, y) {
        var up = "", down = "", d = "";
        for (var i = first; i <= last + 1; i++) {
            var gap = i > last || highs[i] === null || highs[i] === undefined || isNaN(highs[i]);
            if (gap) {
                if (up) d += "M" + up.slice(1) + down + "Z";
                up = down = "";
                continue;
            }
            var a = x(i * stepNs).toFixed(1), b = x((i + 1) * stepNs).toFixed(1), top = y(highs[i]).toFixed(1), low = y(lows[i]).toFixed(1);
            up += "L" + a + " " + top + "L" + b + " " + top;
            down = "L" + b + " " + low + "L" + a + " " + low + down;
        }
        return d;
    }
    function stacked(first, last, y) {
        var base = new Float64Array(buckets), g = s("g");
        o.series.forEach(one => {
            var tops = new Float64Array(buckets);
            for (var i = first; i <= last; i++) tops[i] = base[i] + (one.values[i] || 0);
            g.append(s("path", {class: "stacked " + one.colour, d: between(base, tops, first, last, y)}));
            base = tops;
        });
        return g;
    }
    function heatDraw(y, first, last) {
        var context = canvasFor(canvas, chart.width, height), cells = o.heat.cells, most = 1, from = colour("--heat-0"), to = colour("--heat-1");
        for (var i = 0; i < cells.length; i += 3) if (cells[i] >= first && cells[i] <= last) most = Math.max(most, cells[i + 2]);
        var shades = [];
        for (i = 0; i <= 16; i++) shades.push(mix(from, to, i / 16));
        context.save();
        context.beginPath();
        context.rect(LEFT, 0, chart.width - LEFT - RIGHT, height);
        context.clip();
        for (i = 0; i < cells.length; i += 3) {
            if (cells[i] < first || cells[i] > last) continue;
            var left = x(cells[i] * stepNs), right = x((cells[i] + 1) * stepNs), top = y(o.heat.bins[cells[i + 1] + 1]), low = y(Math.max(1, o.heat.bins[cells[i + 1]]));
            context.fillStyle = shades[Math.round(16 * Math.log(1 + cells[i + 2]) / Math.log(1 + most))];
            context.fillRect(left, top, Math.max(1, right - left - (right - left > 3 ? 0.5 : 0)), Math.max(1, low - top));
        }
        context.restore();
    }
    chart.draw = () => {
        if (!chart.width) chart.width = area.clientWidth;
        if (!chart.width) return;
        var r = range(), b = bounds(r[0], r[1]), y = scaleY(b[0], b[1]), clip = "clip" + charts.indexOf(chart);
        empty(svg);
        svg.setAttribute("viewBox", "0 0 " + chart.width + " " + height);
        svg.setAttribute("height", height);
        svg.append(s("clipPath", {id: clip}, s("rect", {x: LEFT, y: 0, width: Math.max(1, chart.width - LEFT - RIGHT), height: height})));
        if (o.heat) heatDraw(y, r[0], r[1]);
        svg.append(axes(y, b[0], b[1]));
        var g = s("g", {"clip-path": "url(#" + clip + ")"});
        (o.lost || []).forEach(loss => {
            g.append(s("rect", {class: "lost", x: x(loss.from), y: TOP, width: Math.max(1.5, x(loss.to) - x(loss.from)), height: height - TOP - BOTTOM}, s("title", null, whole(loss.count) + " events lost")));
        });
        if (o.stack) g.append(stacked(r[0], r[1], y));
        else o.series.forEach(one => {
            if (one.highs) g.append(s("path", {class: "fill " + one.colour, d: between(one.lows, one.highs, r[0], r[1], y)}));
            if (one.under) g.append(s("path", {class: "fill " + one.colour, d: between(new Float64Array(buckets), one.values, r[0], r[1], y)}));
            if (one.values) dots(g, one, r[0], r[1], y);
            if (one.values && o.heat) g.append(s("path", {class: "line case", d: path(one.values, r[0], r[1], y)}));
            if (one.values) g.append(s("path", {class: "line " + (one.style || "") + " " + one.colour, d: path(one.values, r[0], r[1], y)}));
        });
        g.append(cursor);
        g.append(picked);
        svg.append(g);
        if (chart.at >= 0) show(chart.at);
        if (details.open) table();
    };
    function show(index) {
        var r = range();
        chart.at = index = Math.max(r[0], Math.min(r[1], index));
        var px = x((index + 0.5) * stepNs);
        cursor.setAttribute("x1", px);
        cursor.setAttribute("x2", px);
        cursor.setAttribute("y1", TOP);
        cursor.setAttribute("y2", height - BOTTOM);
        cursor.setAttribute("visibility", "visible");
        empty(readout);
        fill(readout, null, [h("b", null, moment(index * stepNs, stepNs)), o.series.filter(named).map(one => h("span", null, " " + one.name + " ", h("b", null, text(one, index))))]);
    }
    function named(one) { return one.name; }
    function text(one, i) {
        if (one.highs && !one.values) return quantity(one.lows[i], o.unit) + " to " + quantity(one.highs[i], o.unit);
        return quantity(one.values[i], o.unit);
    }
    function hide() {
        chart.at = -1;
        cursor.setAttribute("visibility", "hidden");
        readout.textContent = summary;
    }
    function table() {
        var r = range(), all = o.series.filter(named), rows = [];
        for (var i = r[0]; i <= r[1]; i++)
            if (all.some(one => { var v = (one.values || one.highs)[i]; return v !== null && v !== undefined && !isNaN(v) && v !== 0; })) rows.push(i);
        var body = h("tbody", null, rows.slice(0, 400).map(i => h("tr", null, h("th", {scope: "row"}, moment(i * stepNs, stepNs)), all.map(one => h("td", null, text(one, i))))));
        var caption = rows.length > 400 ? "The first 400 of " + whole(rows.length) + " points; zoom in for others" : rows.length ? "" : "No values in the time shown";
        unfold(details, h("div", {class: "scroll", tabindex: "0", role: "group", "aria-label": o.title + ", table"}, h("table", null, caption ? h("caption", null, caption) : null,
            h("thead", null, h("tr", null, h("th", {scope: "col"}, "from"), all.map(one => h("th", {scope: "col"}, one.name)))), body)));
    }
    unfolds(details, table);
    var steps = {ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -1e9, End: 1e9};
    timePointer(area, {
        at: at,
        move: px => { if (px === null) hide(); else show(Math.floor(at(px) / stepNs)); },
        mark: (a, b) => {
            picked.setAttribute("visibility", b > a ? "visible" : "hidden");
            picked.setAttribute("x", a);
            picked.setAttribute("y", TOP);
            picked.setAttribute("width", Math.max(0, b - a));
            picked.setAttribute("height", height - TOP - BOTTOM);
        },
        cursor: () => chart.at >= 0 ? (chart.at + 0.5) * stepNs : undefined,
        keys: key => {
            if (key === "Escape") { hide(); return true; }
            if (!(key in steps)) return false;
            var r = range();
            show(chart.at < 0 ? (steps[key] > 0 ? (key === "End" ? r[1] : r[0]) : key === "Home" ? r[0] : r[1]) : chart.at + steps[key]);
            return true;
        }
    });
    area.addEventListener("focus", () => { readout.setAttribute("aria-live", "polite"); });
    area.addEventListener("blur", () => { readout.removeAttribute("aria-live"); hide(); });
    watch(area, chart);
    return h("figure", {class: "chart"}, h("figcaption", null, h("h3", null, o.title), o.note ? h("p", {class: "note"}, o.note) : null),
        legend(o.series, o.stack), area, readout, details);
}
// What is below a summary is made when it is opened; what replaces it is as far down.
function unfold(details, box) {
    var at = details.lastChild.scrollTop;
    fold(details);
    details.append(box);
    box.scrollTop = at;
}
function fold(details) { while (details.childNodes.length > 1) details.removeChild(details.lastChild); }
function unfolds(details, make) {
    details.addEventListener("toggle", () => {
        if (!details.open) fold(details);
        else if (details.childNodes.length === 1) make();
    });
}
// At most so many: 1, 2, 5 of each power of ten, else powers of ten, else every so-manieth of them.
function logTicks(low, high, most) {
    var list = [], first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(high));
    [[1, 2, 5], [1, 3], [1]].some(parts => {
        list = [];
        for (var p = first; p <= last; p++) parts.forEach(m => { var v = m * Math.pow(10, p); if (v >= low && v <= high) list.push(v); });
        return list.length <= most;
    });
    var each = Math.ceil(list.length / most);
    return list.filter((v, i) => i % each === 0);
}
function tick(value, unit) { return quantity(value, /^(ns|us|ms|s|bytes)$/.test(unit) ? unit : "").replace(/\.0+(?=\D|$)/, ""); }
function legend(series, filled) {
    var named = series.filter(one => one.name);
    if (named.length < 2 && !filled) return null;
    return h("ul", {class: "legend"}, named.map(one => h("li", {class: one.colour}, h("span", {class: "swatch " + (filled ? "" : one.highs && !one.values ? "band" : "line"), "aria-hidden": "true"}), one.name)));
}
function rgb(text) {
    var n = parseInt(text.slice(1), 16);
    return text.length === 4 ? [(n >> 8) * 17, (n >> 4 & 15) * 17, (n & 15) * 17] : [n >> 16, n >> 8 & 255, n & 255];
}
function mix(a, b, part) {
    var x = rgb(a), y = rgb(b);
    return "rgb(" + x.map((v, i) => Math.round(v + (y[i] - v) * part)).join(",") + ")";
}

// ---- a histogram: durations on a logarithmic scale ----
// list: low, high, count triples; other: another trace's, drawn as an outline.
function rebin(list, from, to, bins) {
    var out = new Float64Array(bins), span = Math.log(to / from);
    for (var i = 0; i < list.length; i += 3) {
        var middle = Math.max(1, (list[i] + list[i + 1]) / 2), at = Math.floor(Math.log(middle / from) / span * bins);
        out[Math.max(0, Math.min(bins - 1, at))] += list[i + 2];
    }
    return out;
}
function histogram(o) {
    var chart = {width: 0}, height = o.height || 190, svg = s("svg", {role: "img", "aria-label": o.title, height: height}), area = h("div", {class: "area"}, svg);
    var bottom = Infinity, top = 1;
    [o.list, o.other || []].forEach(list => {
        if (!list.length) return;
        bottom = Math.min(bottom, Math.max(1, list[0]));
        top = Math.max(top, list[list.length - 2]);
    });
    if (!isFinite(bottom)) bottom = 1;
    bottom *= 0.97;
    if (top < bottom * 6) { var middle = Math.sqrt(bottom * top); bottom = middle / 2.5; top = middle * 2.5; }
    chart.element = area;
    chart.draw = () => {
        if (!chart.width) chart.width = area.clientWidth;
        if (!chart.width) return;
        var bins = Math.max(12, Math.min(80, Math.ceil(Math.log2(top / bottom) * 8), Math.floor((chart.width - LEFT) / 4)));
        var a = rebin(o.list, bottom, top, bins), b = o.other ? rebin(o.other, bottom, top, bins) : null;
        var sum = list => list.reduce((x, y) => x + y, 0) || 1, totalA = sum(a), totalB = b ? sum(b) : 1;
        var most = Math.max.apply(null, Array.prototype.map.call(a, v => v / totalA).concat(b ? Array.prototype.map.call(b, v => v / totalB) : [])) || 1;
        var x = v => LEFT + Math.log(v / bottom) / Math.log(top / bottom) * (chart.width - LEFT - RIGHT);
        var y = part => TOP + (height - TOP - BOTTOM) * (1 - part / most / 1.04);
        empty(svg);
        svg.setAttribute("viewBox", "0 0 " + chart.width + " " + height);
        svg.setAttribute("height", height);
        ticks(0, most * 100, 4).list.forEach(v => {
            svg.append(s("line", {class: v === 0 ? "baseline" : "gridline", x1: LEFT, x2: chart.width - RIGHT, y1: y(v / 100), y2: y(v / 100)}));
            svg.append(s("text", {x: LEFT - 8, y: y(v / 100) + 4, "text-anchor": "end"}, +v.toPrecision(2) + " %"));
        });
        logTicks(bottom, top, Math.max(2, Math.floor(chart.width / 75))).forEach(v => { svg.append(s("text", {x: x(v), y: height - 5, "text-anchor": "middle"}, tick(v, "ns"))); });
        var wide = (chart.width - LEFT - RIGHT) / bins, d = "";
        for (var i = 0; i < bins; i++) {
            if (a[i]) svg.append(s("rect", {class: "stacked c0", x: LEFT + i * wide + 0.5, y: y(a[i] / totalA), width: Math.max(1, wide - 1), height: Math.max(1, y(0) - y(a[i] / totalA))},
                s("title", null, ns(bottom * Math.pow(top / bottom, i / bins)) + " to " + ns(bottom * Math.pow(top / bottom, (i + 1) / bins)) + ": " + whole(a[i]))));
            if (b) d += (i ? "L" : "M") + (LEFT + i * wide).toFixed(1) + " " + y(b[i] / totalB).toFixed(1) + "h" + wide.toFixed(1);
        }
        if (b) svg.append(s("path", {class: "line c1", d: d}));
        (o.marks || []).forEach((mark, i) => {
            if (!(mark[1] >= bottom && mark[1] <= top)) return;
            svg.append(s("line", {class: "line thin dash cink", x1: x(mark[1]), x2: x(mark[1]), y1: TOP, y2: height - BOTTOM}));
            svg.append(s("text", {class: "mark", x: x(mark[1]) + 4, y: TOP + 10 + 13 * (i % 3)}, mark[0]));
        });
    };
    watch(area, chart);
    var details = h("details", null, h("summary", null, "Table"));
    unfolds(details, () => {
        var rows = [];
        for (var i = 0; i < o.list.length; i += 3) rows.push(h("tr", null, h("th", {scope: "row"}, ns(o.list[i]) + " to " + ns(o.list[i + 1])), h("td", null, whole(o.list[i + 2]))));
        details.append(h("div", {class: "scroll", tabindex: "0", role: "group", "aria-label": o.title + ", table"}, h("table", null,
            h("thead", null, h("tr", null, h("th", {scope: "col"}, "duration"), h("th", {scope: "col"}, "spans"))), h("tbody", null, rows))));
    });
    return h("figure", {class: "chart"}, h("figcaption", null, h("h3", null, o.title), o.note ? h("p", {class: "note"}, o.note) : null),
        o.other ? legend([{name: "this trace", colour: "c0"}, {name: "the other", colour: "c1", values: []}]) : null, area, h("p", {class: "readout"}, o.summary || ""), details);
}
