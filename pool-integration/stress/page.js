"use strict";
(function () {
  var charts = Array.prototype.map.call(document.querySelectorAll("figure.chart"), function (figure) {
    var readout = figure.querySelector(".readout");
    return {
      area: figure.querySelector(".area"),
      cursor: figure.querySelector(".cursor"),
      readout: readout,
      summary: readout.textContent,
      data: JSON.parse(figure.querySelector("script").textContent),
      at: -1
    };
  });

  function part(parent, name, text, className) {
    var element = document.createElement(name);
    element.textContent = text;
    if (className) element.className = className;
    parent.appendChild(element);
    return element;
  }

  function show(chart, at) {
    var data = chart.data, count = data.x.length;
    chart.at = at = Math.max(0, Math.min(count - 1, at));
    var x = (at + 0.5) * 100 / count + "%";
    chart.cursor.setAttribute("x1", x);
    chart.cursor.setAttribute("x2", x);
    chart.cursor.setAttribute("visibility", "visible");
    chart.readout.textContent = "";
    part(chart.readout, "b", data.title + " " + data.x[at]);
    data.lines.forEach(function (line) {
      var span = part(chart.readout, "span", line.name + " ");
      part(span, "b", line.v[at], "k c" + line.colour);
    });
  }

  function hide(chart) {
    chart.at = -1;
    chart.cursor.setAttribute("visibility", "hidden");
    chart.readout.textContent = chart.summary;
  }

  /* Charts over time move together. */
  function each(chart, call) {
    charts.forEach(function (other) {
      if (other === chart || (chart.data.time && other.data.time)) call(other);
    });
  }
  function move(chart, at) {
    each(chart, function (other) { show(other, at); });
  }
  function leave(chart) {
    each(chart, hide);
  }

  var keys = {ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -1e9, End: 1e9};
  charts.forEach(function (chart) {
    var area = chart.area;
    function point(event) {
      var box = area.getBoundingClientRect();
      move(chart, Math.floor((event.clientX - box.left) / box.width * chart.data.x.length));
    }
    area.addEventListener("pointermove", point);
    area.addEventListener("pointerdown", point);
    area.addEventListener("pointerleave", function (event) {
      if (event.pointerType !== "touch" && document.activeElement !== area) leave(chart);
    });
    area.addEventListener("focus", function () {
      chart.readout.setAttribute("aria-live", "polite");
    });
    area.addEventListener("blur", function () {
      chart.readout.removeAttribute("aria-live");
      leave(chart);
    });
    area.addEventListener("keydown", function (event) {
      if (event.key === "Escape") leave(chart);
      if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      move(chart, chart.at < 0 && Math.abs(keys[event.key]) < 1e9 ? (keys[event.key] > 0 ? 0 : 1e9) : chart.at + keys[event.key]);
    });
    area.setAttribute("title", "Arrow keys or pointer: values");
  });

  var button = document.getElementById("theme"), names = ["", "light", "dark"], theme = "";
  function apply() {
    if (theme) document.documentElement.setAttribute("data-theme", theme);
    else document.documentElement.removeAttribute("data-theme");
    button.textContent = "Theme: " + (theme || "system");
  }
  try { theme = localStorage.getItem("pool-theme") || ""; } catch (ignored) { theme = ""; }
  if (names.indexOf(theme) < 0) theme = "";
  button.hidden = false;
  button.addEventListener("click", function () {
    theme = names[(names.indexOf(theme) + 1) % names.length];
    try { localStorage.setItem("pool-theme", theme); } catch (ignored) { /* a file may have no storage */ }
    apply();
  });
  apply();
})();
