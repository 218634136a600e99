// SPDX-License-Identifier: ISC
// Stretches of time on tracks, on a canvas: threads with their spans, entities with their states.
// o: title, model, slices, tracks [{number, name, lanes}], colour(name), name(name), marks [{track, at, level, text}], what
function trackChart(o) {
    var chart = {width: 0, picked: -1}, gutter = 168, slices = o.slices, canvas = h("canvas", {role: "img", "aria-label": o.title}), where = {}, rows = [], top = 22;
    o.tracks.forEach(track => {
        var lanes = Math.max(1, track.lanes), tall = lanes <= 3 ? 18 : lanes <= 8 ? 13 : lanes <= 24 ? 7 : 4;
        where[track.number] = rows.length;
        rows.push({track: track, top: top, lanes: lanes, tall: tall, first: 0, count: 0});
        top += Math.max(26, lanes * tall + 8);
    });
    var height = top + 4, ends = new Float64Array(slices.size);
    canvas.style.height = height + "px";
    for (var i = 0; i < slices.size; i++) ends[i] = slices.from[i] + slices.length[i];
    var lists = rows.map(() => []);
    for (i = 0; i < slices.size; i++) if (where[slices.track[i]] !== undefined) lists[where[slices.track[i]]].push(i);
    lists.forEach(list => { list.sort((a, b) => slices.lane[a] - slices.lane[b] || slices.from[a] - slices.from[b]); });
    var area = h("div", {class: "tracks", tabindex: "0", role: "application", "aria-label": o.title + "; arrow keys go from one to the next, Enter zooms to it, plus and minus zoom"}, canvas);
    var readout = h("p", {class: "readout"}, hint()), details = h("details", null, h("summary", null, "Table of what is shown")), pick = null;
    chart.element = area;
    function hint() {
        var drawn = 0, joined = 0;
        lists.forEach(list => { list.forEach(i => { drawn++; joined += slices.count[i] - 1; }); });
        return whole(drawn) + " drawn" + (joined ? "; of those that began within " + ns(slices.grain) + " of each other the longest, and in its shade " + whole(joined) + " more" : "") + ". Drag to zoom.";
    }
    function x(at) { return gutter + (at - view.from) / (view.to - view.from) * (chart.width - gutter - RIGHT); }
    function at(px) { return view.from + (Math.max(gutter, px) - gutter) / (chart.width - gutter - RIGHT) * (view.to - view.from); }
    function visible(i) { return ends[i] + slices.after[i] >= view.from && slices.from[i] - slices.before[i] <= view.to; }
    function drawAxis(context, c) {
        var t = ticks(view.from, view.to, Math.max(2, Math.floor((chart.width - gutter) / 85)));
        context.textAlign = "center";
        t.list.forEach(v => {
            context.fillStyle = c.soft;
            context.fillText(moment(v, t.step), Math.max(gutter + 20, x(v)), 13);
            context.fillStyle = c.grid;
            context.fillRect(Math.round(x(v)), 19, 1, height - 20);
        });
    }
    function drawRow(context, row, list, c) {
        context.textAlign = "left";
        context.fillStyle = c.faint;
        context.fillRect(0, row.top - 4, chart.width, 1);
        context.fillStyle = c.ink;
        context.fillText(fit(context, row.track.name, gutter - 14), 6, row.top + 13);
        context.save();
        context.beginPath();
        context.rect(gutter, row.top - 3, chart.width - gutter - RIGHT, row.lanes * row.tall + 8);
        context.clip();
        (o.losses || []).forEach(loss => {
            if (loss.track !== row.track.number && loss.track >= 0) return;
            context.globalAlpha = 0.16;
            context.fillStyle = c.bad;
            context.fillRect(x(loss.from), row.top - 3, Math.max(2, x(loss.to) - x(loss.from)), row.lanes * row.tall + 8);
            context.globalAlpha = 1;
        });
        var last = -1, lane = -1, gap = row.tall > 5 ? 1 : 0;
        for (var k = 0; k < list.length; k++) {
            var i = list[k];
            if (!visible(i)) continue;
            var y = row.top + Math.min(slices.lane[i], row.lanes - 1) * row.tall, left = x(slices.from[i]), right = x(ends[i]), many = slices.count[i] > 1;
            if (slices.lane[i] !== lane) { lane = slices.lane[i]; last = -1; }
            if (many) {
                var l = x(slices.from[i] - slices.before[i]), r = x(ends[i] + slices.after[i]);
                if (r - l > 1.5) { context.globalAlpha = 0.3; context.fillStyle = c.name(slices.name[i]); context.fillRect(l, y, r - l, row.tall - gap); context.globalAlpha = 1; }
            }
            if (right <= last && right - left < 1) continue;
            context.fillStyle = c.name(slices.name[i]);
            context.fillRect(left, y, Math.max(1, right - left - (right - left > 3 ? 0.75 : 0)), row.tall - gap);
            last = Math.max(left + 1, right);
            if (row.tall >= 12 && right - left > 44) {
                context.fillStyle = c.card;
                context.fillText(fit(context, o.name(slices.name[i]), Math.min(right, chart.width) - Math.max(left, gutter) - 8), Math.max(left, gutter) + 4, y + row.tall - 5);
            }
        }
        context.restore();
    }
    function drawMarks(context, c) {
        (o.marks || []).forEach(mark => {
            var row = rows[where[mark.track]], px = x(mark.at);
            if (!row || px < gutter || px > chart.width - RIGHT) return;
            context.fillStyle = mark.level <= 2 ? c.bad : c.warn;
            context.beginPath();
            context.moveTo(px - 4, row.top - 3);
            context.lineTo(px + 4, row.top - 3);
            context.lineTo(px, row.top + 5);
            context.fill();
        });
    }
    chart.draw = () => {
        if (!chart.width) chart.width = area.clientWidth;
        if (!chart.width) return;
        gutter = Math.round(Math.min(o.gutter || 168, chart.width * 0.35));
        var context = canvasFor(canvas, chart.width, height), cache = {};
        var c = {soft: colour("--soft"), ink: colour("--ink"), grid: colour("--grid"), faint: colour("--faint"), card: colour("--card"), bad: colour("--bad"), warn: colour("--c1"), name: n => cache[n] || (cache[n] = colour("--" + o.colour(n)))};
        context.font = "12px system-ui, sans-serif";
        drawAxis(context, c);
        rows.forEach((row, k) => { drawRow(context, row, lists[k], c); });
        drawMarks(context, c);
        (o.flows || []).forEach(one => {
            var row = rows[where[one.track]], next = rows[where[one.next]];
            if (row && next) link(context, one.from, row.top + row.tall / 2, one.to, next.top + next.tall / 2, c.soft);
        });
        if (pick) { context.fillStyle = colour("--pick"); context.fillRect(pick[0], 0, pick[1] - pick[0], height); }
        if (chart.picked >= 0) outline(context, chart.picked, c);
        if (details.open) table();
    };
    function outline(context, i, c) {
        var row = rows[where[slices.track[i]]];
        if (!row) return;
        var left = Math.max(gutter, x(slices.from[i]) - 1), right = Math.min(chart.width - RIGHT, x(ends[i]) + 1);
        context.strokeStyle = c.ink;
        context.lineWidth = 2;
        if (right >= left) context.strokeRect(left, row.top + Math.min(slices.lane[i], row.lanes - 1) * row.tall - 1, Math.max(3, right - left), row.tall + 1);
        if (!slices.parent) return;
        for (var k = i, far = 0; slices.parent[k] && far < 50; k = slices.parent[k] - 1, far++) arrow(context, slices.parent[k] - 1, k, c);
        for (k = far = 0; k < slices.size && far < 200; k++) if (slices.parent[k] === i + 1) { arrow(context, i, k, c); far++; }
    }
    function middle(i) {
        var row = rows[where[slices.track[i]]];
        return row && row.top + (Math.min(slices.lane[i], row.lanes - 1) + 0.5) * row.tall;
    }
    // From where a span was when another began to that one.
    function arrow(context, from, to, c) { link(context, Math.min(slices.from[to], ends[from]), middle(from), slices.from[to], middle(to), c.ink); }
    function link(context, from, y, to, end, ink) {
        var a = Math.max(gutter, x(from)), b = Math.max(gutter, x(to)), down = Math.sign(end - y);
        if (y === undefined || end === undefined || from > view.to || to < view.from) return;
        context.strokeStyle = ink;
        context.lineWidth = 1.5;
        context.beginPath();
        context.moveTo(a, y);
        context.lineTo(b, end);
        context.moveTo(b - 4, end - 5 * down);
        context.lineTo(b, end);
        context.lineTo(b + 4, end - 5 * down);
        context.stroke();
    }
    function found(px, py) {
        var row = rows.filter(one => py >= one.top - 4 && py < one.top + Math.max(22, one.lanes * one.tall + 4))[0];
        if (!row || px < gutter) return -1;
        var lane = Math.floor((py - row.top) / row.tall), best = -1, moment = at(px), reach = (view.to - view.from) / (chart.width - gutter) * 3;
        lists[rows.indexOf(row)].forEach(i => {
            if (Math.min(slices.lane[i], row.lanes - 1) !== lane) return;
            if (moment < slices.from[i] - slices.before[i] - reach || moment > ends[i] + slices.after[i] + reach) return;
            if (best < 0 || distance(i, moment) < distance(best, moment)) best = i;
        });
        return best;
    }
    function distance(i, moment) { return moment < slices.from[i] ? slices.from[i] - moment : moment > ends[i] ? moment - ends[i] : 0; }
    function tell(i) {
        var track = o.tracks[where[slices.track[i]]];
        return [h("b", null, o.name(slices.name[i])), h("span", null, " from ", h("b", null, moment(slices.from[i], 100))), h("span", null, " for ", h("b", null, ns(slices.length[i]))), h("span", null, track ? " " + track.name : ""),
            slices.parent && slices.parent[i] ? h("span", null, " within ", h("b", null, o.name(slices.name[slices.parent[i] - 1]))) : null, slices.count[i] > 1 ? h("span", null, " the longest of " + whole(slices.count[i]) + " here") : null, o.open && ends[i] >= o.model.length && o.open(slices.name[i]) ? h("span", null, " no end was seen") : null];
    }
    function show(i) {
        if (i === chart.picked) return;
        chart.picked = i;
        empty(readout);
        if (i < 0) readout.textContent = hint();
        else fill(readout, null, tell(i));
        chart.draw();
    }
    function markAt(px, py) {
        return (o.marks || []).filter(mark => { var row = rows[where[mark.track]]; return row && Math.abs(x(mark.at) - px) < 6 && Math.abs(row.top - py) < 9; })[0];
    }
    function step(key) {
        var order = [];
        rows.forEach((row, k) => { lists[k].forEach(i => { if (visible(i)) order.push(i); }); });
        if (!order.length) return true;
        var place = order.indexOf(chart.picked), row = chart.picked >= 0 ? where[slices.track[chart.picked]] : 0, next;
        if (place < 0) next = order[0];
        else if (key === "ArrowRight") next = order[Math.min(order.length - 1, place + 1)];
        else if (key === "ArrowLeft") next = order[Math.max(0, place - 1)];
        else for (var k = row + (key === "ArrowDown" ? 1 : -1); k >= 0 && k < rows.length && next === undefined; k += key === "ArrowDown" ? 1 : -1) next = lists[k].filter(visible)[0];
        if (next === undefined) return true;
        show(next);
        var at = rows[where[slices.track[next]]];
        if (at.top < area.scrollTop + 24 || at.top > area.scrollTop + area.clientHeight - 40) area.scrollTop = at.top - 40;
        return true;
    }
    timePointer(area, {
        at: at,
        move: (px, event) => {
            if (px === null) return show(-1);
            var py = event.clientY - area.getBoundingClientRect().top + area.scrollTop, mark = markAt(px, py);
            if (mark) { chart.picked = -2; fill(empty(readout), null, [h("b", null, mark.text), h("span", null, " at ", h("b", null, moment(mark.at, 100)))]); return; }
            show(found(px, py));
        },
        mark: (a, b) => { pick = b > a ? [a, b] : null; chart.draw(); },
        cursor: () => chart.picked >= 0 ? slices.from[chart.picked] + slices.length[chart.picked] / 2 : undefined,
        keys: key => {
            if (key === "Escape") { show(-1); return true; }
            if (key === "Enter" && chart.picked >= 0) { var i = chart.picked, wide = Math.max(slices.length[i], 500); viewSet(slices.from[i] - wide, ends[i] + wide); return true; }
            return /^Arrow/.test(key) ? step(key) : false;
        }
    });
    area.addEventListener("focus", () => { readout.setAttribute("aria-live", "polite"); });
    area.addEventListener("blur", () => { readout.removeAttribute("aria-live"); });
    function table() {
        var list = [], total = 0;
        lists.forEach(one => { one.forEach(i => { if (visible(i) && total++ < 300) list.push(i); }); });
        unfold(details, h("div", {class: "scroll", tabindex: "0", role: "group", "aria-label": o.title + ", table"}, h("table", {class: "wide"}, total > 300 ? h("caption", null, "The first 300 of " + whole(total) + " in the time shown; zoom in for others") : null,
            h("thead", null, h("tr", null, [o.what, "where", "from", "for", "stands for"].map((name, i) => h("th", {scope: "col", class: i < 2 ? "text" : null}, name)))),
            h("tbody", null, list.map(i => {
                var track = o.tracks[where[slices.track[i]]];
                return h("tr", null, h("th", {scope: "row", class: "text name"}, o.name(slices.name[i])), h("td", {class: "text"}, track.name), h("td", null, moment(slices.from[i], 100)), h("td", null, ns(slices.length[i])), h("td", null, whole(slices.count[i])));
            })))));
    }
    unfolds(details, table);
    watch(area, chart);
    return h("figure", {class: "chart"}, h("figcaption", null, h("h3", null, o.title)), o.legend || null, area, readout, details);
}
// Where there are many lanes, those of one name come together, longest in all first, as many as it has at once (at most 6).
function lanesByName(model, number, order) {
    var slices = model.slices, byName = {}, base = 0;
    for (var i = 0; i < slices.size; i++) if (slices.track[i] === number) (byName[slices.name[i]] = byName[slices.name[i]] || []).push(i);
    order.forEach(row => {
        var list = byName[row.number], ends = [];
        if (!list) return;
        list.sort((a, b) => slices.from[a] - slices.from[b]);
        list.forEach(i => {
            var lane = 0, soonest = 0;
            for (; lane < ends.length && ends[lane] > slices.from[i]; lane++) if (ends[lane] < ends[soonest]) soonest = lane;
            if (lane === 6) lane = soonest;
            ends[lane] = Math.max(ends[lane] || 0, slices.from[i] + slices.length[i]);
            slices.lane[i] = base + lane;
        });
        base += ends.length;
    });
    return base;
}
function fit(context, text, room) {
    text = clean(text);
    if (room < 12) return "";
    if (context.measureText(text).width <= room) return text;
    var low = 0, high = text.length;
    while (low < high) {
        var middle = low + high + 1 >> 1;
        if (context.measureText(text.slice(0, middle) + "…").width <= room) low = middle;
        else high = middle - 1;
    }
    return low ? text.slice(0, low) + "…" : "";
}
function timelineView(model) {
    var box = h("section", {id: "timeline", "aria-labelledby": "timeline-title"}, h("h2", {id: "timeline-title"}, "Timeline")), used = {}, slices = model.slices;
    for (var i = 0; i < slices.size; i++) used[slices.track[i]] = true;
    var marks = [], events = model.events_kept;
    for (i = 0; i < events.size; i++) {
        var type = events.types[events.type[i]];
        if (type.level >= 1 && type.level <= 3 && events.track[i]) marks.push({track: events.track[i] - 1, at: events.time[i], level: type.level, text: type.name});
        if (marks.length > 4000) break;
    }
    marks.forEach(mark => { used[mark.track] = true; });
    var flows = [], last = Object.create(null); // from each event of a flow to the next of it
    for (i = 0; i < events.size && flows.length < 2000; i++) {
        type = events.types[events.type[i]];
        if (type.kind !== "flow" || !events.track[i] || !type.fields[0]) continue;
        var id = String(events.value(i, type.fields[0])), before = last[id], here = {track: events.track[i] - 1, at: events.time[i]};
        used[here.track] = true;
        if (before) flows.push({track: before.track, from: before.at, next: here.track, to: here.at});
        last[id] = here;
    }
    var all = model.tracks.map((track, number) => ({number: number, name: trackName(model, number), lanes: track.lanes, events: track.events}))
        .filter(track => used[track.number]).sort((a, b) => b.events - a.events);
    var names = model.spans.slice().sort((a, b) => (b.span.total || 0) - (a.span.total || 0)), colours = {};
    names.forEach((row, k) => { colours[row.number] = k < 8 ? "c" + k : "c8"; });
    all.slice(0, 100).forEach(track => { if (track.lanes > 8) track.lanes = lanesByName(model, track.number, names); });
    var key = h("ul", {class: "legend"}, names.slice(0, 8).map(row => h("li", {class: colours[row.number]}, h("span", {class: "swatch", "aria-hidden": "true"}), row.name)),
        names.length > 8 ? h("li", {class: "c8"}, h("span", {class: "swatch", "aria-hidden": "true"}), whole(names.length - 8) + " others") : null,
        marks.length ? h("li", null, "▼ warnings and errors") : null, flows.length ? h("li", null, "↘ flows") : null, model.losses.length ? h("li", {class: "cbad"}, h("span", {class: "swatch band", "aria-hidden": "true"}), "events lost") : null);
    box.append(trackChart({title: "Threads and their spans", model: model, slices: slices, tracks: all.slice(0, 100), marks: marks, flows: flows, losses: model.losses, what: "span", legend: key, gutter: model.processes.length > 1 ? 250 : 168,
        open: n => model.byNumber[n] && model.byNumber[n].span.open > 0,
        colour: n => colours[n] || "c8", name: n => model.byNumber[n] ? model.byNumber[n].name : "?"}));
    if (all.length > 100) box.append(h("p", {class: "note"}, "The 100 threads with most events are drawn, of " + whole(all.length) + "."));
    return box;
}
