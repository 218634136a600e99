// SPDX-License-Identifier: ISC
// Making elements. What a trace says of itself comes in as text nodes and attributes only, and without characters that
// change how the text around them reads.
var SVG = "http://www.w3.org/2000/svg";
function clean(text) {
    return String(text).replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g, c => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));
}
function fill(element, attributes, children) {
    for (var key in attributes || {}) {
        var value = attributes[key];
        if (value === undefined || value === null || value === false) continue;
        if (typeof value === "function") element.addEventListener(key, value);
        else element.setAttribute(key, value === true ? "" : value);
    }
    children.forEach(function add(child) {
        if (child === null || child === undefined || child === false) return;
        if (Array.isArray(child)) child.forEach(add);
        else element.append(typeof child === "object" ? child : clean(child));
    });
    return element;
}
function h(name, attributes) {
    return fill(document.createElement(name), attributes, Array.prototype.slice.call(arguments, 2));
}
function s(name, attributes) {
    return fill(document.createElementNS(SVG, name), attributes, Array.prototype.slice.call(arguments, 2));
}
function empty(element) {
    while (element.firstChild) element.removeChild(element.firstChild);
    return element;
}
function by(id) { return document.getElementById(id); }
function say(text) { by("said").textContent = clean(text); }

// The colours in force, for canvases.
function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
function canvasFor(canvas, width, height) {
    var ratio = window.devicePixelRatio || 1;
    canvas.width = Math.max(1, Math.round(width * ratio));
    canvas.height = Math.max(1, Math.round(height * ratio));
    canvas.style.height = height + "px";
    var context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    return context;
}

// What the address after # says: from, to, span, search, theme ... Names only that the page knows.
var state = {};
function stateRead() {
    state = {};
    var text = location.hash.slice(1);
    if (text.indexOf("=") < 0) return;
    text.split("&").forEach(part => {
        var at = part.indexOf("=");
        if (at > 0) try { state[part.slice(0, at)] = decodeURIComponent(part.slice(at + 1)); } catch (ignored) { /* not ours */ }
    });
}
var stateTimer = 0;
function stateSet(key, value) {
    if (value === null || value === "" || value === undefined) delete state[key];
    else state[key] = String(value);
    clearTimeout(stateTimer);
    stateTimer = setTimeout(() => {
        var text = Object.keys(state).sort().map(k => k + "=" + encodeURIComponent(state[k])).join("&");
        try { history.replaceState(null, "", "#" + text); } catch (ignored) { /* a page in a sandbox */ }
    }, 150);
}
