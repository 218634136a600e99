// SPDX-License-Identifier: ISC
// Quantities as people read them, as evtrail stat writes them.
function digits3(value) {
    return value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}
function ns(value) {
    if (value === null || value === undefined || isNaN(value)) return "–";
    var a = Math.abs(value), sign = value < 0 ? "−" : "";
    if (a < 1000) return sign + (a < 10 && a % 1 ? a.toFixed(1) : Math.round(a)) + " ns";
    if (a < 999.5e3) return sign + digits3(a / 1e3) + " µs";
    if (a < 999.5e6) return sign + digits3(a / 1e6) + " ms";
    if (a < 120e9) return sign + digits3(a / 1e9) + " s";
    if (a < 7200e9) return sign + digits3(a / 60e9) + " min";
    return sign + digits3(a / 3600e9) + " h";
}
function whole(value) {
    return Number(value).toLocaleString("en-US");
}
function short(value) {
    if (!isFinite(value)) return isNaN(value) ? "NaN" : value > 0 ? "∞" : "−∞";
    var a = Math.abs(value), units = ["", "k", "M", "G", "T", "P", "E"], i = 0;
    if (a < 1000) return a % 1 ? String(+value.toPrecision(3)) : String(value);
    while (a >= 999.5 && i < 6) { a /= 1000; i++; }
    return (value < 0 ? "−" : "") + digits3(a) + " " + units[i];
}
function bytes(value) {
    var units = ["B", "KiB", "MiB", "GiB", "TiB"], i = 0;
    while (value >= 1023.5 && i < 4) { value /= 1024; i++; }
    return (i ? digits3(value) : Math.round(value)) + " " + units[i];
}
function percent(part, of) {
    if (!of) return "–";
    var value = 100 * part / of;
    return (value && value < 0.1 ? "<0.1" : value > 99.9 && value < 100 ? ">99.9" : value.toFixed(1)) + " %";
}
function quantity(value, unit) {
    if (value === null || value === undefined) return "–";
    if (!isFinite(value)) return short(value);
    if (unit === "ns") return ns(value);
    if (unit === "us") return ns(value * 1e3);
    if (unit === "ms") return ns(value * 1e6);
    if (unit === "s") return ns(value * 1e9);
    if (unit === "bytes") return bytes(value);
    return short(value) + (unit ? " " + unit : "");
}
// Time since the trace's start, in one unit for the whole page, with as many places as a step of so many ns needs.
var base = {ns: 1e9, unit: " s"};
function baseSet(length) {
    base = length >= 1e9 ? {ns: 1e9, unit: " s"} : length >= 1e6 ? {ns: 1e6, unit: " ms"} : {ns: 1e3, unit: " µs"};
}
function moment(at, step) {
    var places = Math.max(0, Math.min(9, Math.ceil(-Math.log10(Math.max(step || 1e3, 1) / base.ns) - 1e-9)));
    return (at / base.ns).toFixed(places) + base.unit;
}
function clock(startText, at) {
    var big = BigInt(startText) + BigInt(Math.round(at)), date = new Date(Number(big / 1000000n));
    return date.toISOString().replace("T", " ").replace("Z", "") + String(Number(big % 1000000n)).padStart(6, "0").slice(0, 3) + " UTC";
}
// Where an axis has its ticks: steps of 1, 2, 5 times a power of ten.
function ticks(from, to, count) {
    var step = Math.pow(10, Math.floor(Math.log10((to - from) / count || 1)));
    [2, 5, 10].some(by => {
        if ((to - from) / step <= count) return true;
        step = by === 2 ? step * 2 : by === 5 ? step * 2.5 : step * 2;
    });
    var list = [];
    for (var i = Math.ceil(from / step - 1e-9); i * step <= to + step * 1e-9 && list.length < 50; i++) list.push(i * step + 0);
    return {step: step, list: list};
}
// The same for values of a unit: sizes have steps of powers of 1,024.
function valueTicks(from, to, count, unit) {
    var by = unit === "bytes" ? Math.pow(1024, Math.max(0, Math.floor(Math.log(Math.max(to, 1)) / Math.log(1024)))) : 1;
    return ticks(from / by, to / by, count).list.map(v => v * by);
}
function numberOf(text) { return text === "inf" ? Infinity : text === "-inf" ? -Infinity : Number(text); }
