// SPDX-License-Identifier: ISC
// The page: reads what is embedded, makes the views, and keeps the address, the theme and the time strip up to date.
var shown = null, given; // a view of figures that came along
function overview(model) {
    var chart = {width: 0}, canvas = h("canvas", {"aria-hidden": "true"}), out = h("output", {"for": "strip"});
    var strip = h("div", {class: "strip", id: "strip", tabindex: "0", role: "slider", "aria-label": "Time shown", "aria-valuemin": "0", "aria-valuemax": Math.round(model.length)}, canvas), pick = null;
    var series = model.series, most = Math.max.apply(null, Array.prototype.slice.call(series).concat(1)), reset = h("button", {type: "button", id: "all", click: () => { viewSet(0, view.length); }}, "Show all");
    chart.element = strip;
    chart.draw = () => {
        if (!chart.width) chart.width = strip.clientWidth;
        var context = canvasFor(canvas, chart.width, 34), wide = chart.width / (model.length / model.width);
        context.fillStyle = colour("--base");
        for (var i = 0; i < series.length; i++) {
            var tall = Math.sqrt(series[i] / most) * 30;
            context.fillRect(i * wide, 34 - tall, Math.max(0.6, wide), tall);
        }
        context.fillStyle = colour("--bad");
        model.gaps.forEach(loss => { context.fillRect(loss.from / model.length * chart.width, 0, Math.max(2, (loss.to - loss.from) / model.length * chart.width), 3); });
        var left = view.from / model.length * chart.width, right = view.to / model.length * chart.width;
        context.fillStyle = colour("--pick");
        if (pick) context.fillRect(pick[0], 0, pick[1] - pick[0], 34);
        if (view.to - view.from < view.length) {
            context.fillRect(left, 0, Math.max(2, right - left), 34);
            context.strokeStyle = colour("--focus");
            context.strokeRect(left + 0.5, 0.5, Math.max(2, right - left - 1), 33);
        }
        var text = moment(view.from, (view.to - view.from) / 100) + " to " + moment(view.to, (view.to - view.from) / 100);
        out.textContent = text + ", " + ns(view.to - view.from);
        strip.setAttribute("aria-valuenow", Math.round(view.from));
        strip.setAttribute("aria-valuetext", text);
        reset.disabled = view.to - view.from >= view.length;
    };
    timePointer(strip, {
        at: px => px / strip.clientWidth * view.length,
        move: () => {}, mark: (a, b) => { pick = b > a ? [a, b] : null; chart.draw(); },
        click: px => { var wide = view.to - view.from, at = px / strip.clientWidth * view.length; if (wide < view.length) viewSet(at - wide / 2, at + wide / 2); },
        keys: key => {
            if (key === "ArrowLeft") shift(-0.25);
            else if (key === "ArrowRight") shift(0.25);
            else if (key === "Home") viewSet(0, view.to - view.from);
            else if (key === "End") viewSet(view.length - (view.to - view.from), view.length);
            else return false;
            return true;
        }
    });
    watch(strip, chart);
    return h("div", {class: "range", role: "region", "aria-label": "Time shown"}, strip, out, h("button", {type: "button", "aria-label": "Zoom in", click: () => { zoom(0.5); }}, "+"), h("button", {type: "button", "aria-label": "Zoom out", click: () => { zoom(2); }}, "−"), reset);
}
// Shows a trace, and maybe another beside it. May be called again.
function show(model, other) {
    shown = model;
    unwatch(document.body);
    baseSet(model.length);
    view.length = model.length;
    view.from = 0;
    view.to = model.length;
    if (state.from || state.to) {
        var from = Number(state.from) || 0, to = Number(state.to) || model.length;
        if (to > from && from >= 0) { view.from = Math.min(from, model.length - 1); view.to = Math.min(to, model.length); }
    }
    var title = document.title.replace(/: evtrail \w+$/, "");
    by("title").textContent = title;
    by("when").textContent = clock(model.start, 0) + ", " + ns(model.length) + (model.hosts > 1 ? " on " + model.hosts + " hosts" : model.hosts ? " on " + clean(model.processes[0].host) : "");
    empty(by("verdict"));
    fill(by("verdict"), null, verdicts(model).map(one => h("p", {class: "verdict " + one[0]}, h("span", {"aria-hidden": "true"}, one[0] === "good" ? "✓" : "!"), one[1])));
    var main = empty(by("main")), bar = empty(by("bar")), sections = [["summary", "Summary", summaryView]];
    if (given) sections.push(["figures", "Figures", given]);
    if (model.spans.length) sections.push(["spans", "Spans", spansView]);
    if (model.counters.length) sections.push(["counters", "Counters", countersView]);
    if (model.classes.length) sections.push(["entities", "Entities", entitiesView]);
    if (model.slices.size || model.spans.length) sections.push(["timeline", "Timeline", timelineView]);
    sections.push(["events", "Events", eventsView]);
    bar.append(h("div", null, h("nav", {"aria-label": "On this page"}, sections.map(one => {
        return h("a", {href: "#" + one[0], click: event => {
            event.preventDefault();
            by(one[0]).scrollIntoView();
            stateSet("at", one[0]);
            by(one[0] + "-title").setAttribute("tabindex", "-1");
            by(one[0] + "-title").focus({preventScroll: true});
        }}, one[1]);
    })), model.events ? overview(model) : null));
    sections.forEach(one => { main.append(one[2](model, other)); });
    redraw();
    if (state.at && by(state.at) && main.contains(by(state.at))) by(state.at).scrollIntoView();
}
function themes() {
    var button = by("theme"), names = ["", "light", "dark"], theme = names.indexOf(state.theme) >= 0 ? state.theme : "";
    function apply() {
        if (theme) document.documentElement.setAttribute("data-theme", theme);
        else document.documentElement.removeAttribute("data-theme");
        button.textContent = "Theme: " + (theme || "system");
        redraw();
    }
    button.hidden = false;
    button.addEventListener("click", () => {
        theme = names[(names.indexOf(theme) + 1) % names.length];
        stateSet("theme", theme);
        apply();
    });
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    apply();
}
document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    if (event.key === "/" && by("search")) { event.preventDefault(); by("search").focus(); }
    if (event.target === document.body && event.key === "0") viewSet(0, view.length);
});
