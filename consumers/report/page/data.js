// SPDX-License-Identifier: ISC
// The data of a trace: text in the page, decompressed once. open() gives what every view works on; a page that is fed live can
// call it again with new bytes and show the result.
function decode64(text) {
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
    var raw = atob(text), out = new Uint8Array(raw.length);
    for (var i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
    return out;
}
function planes(columns, ref) {
    return {at: ref[0], count: ref[1], planes: ref[2], delta: ref[3], bytes: columns};
}
// A column of numbers as doubles: exact to 2^53.
function numbers(columns, ref) {
    var out = new Float64Array(ref[1]), count = ref[1];
    for (var plane = 0, scale = 1; plane < ref[2]; plane++, scale *= 256) {
        var from = ref[0] + plane * count;
        for (var i = 0; i < count; i++) out[i] += columns[from + i] * scale;
    }
    if (ref[3]) for (i = 1; i < count; i++) out[i] += out[i - 1];
    return out;
}
function value64(column, index) {
    var value = 0n;
    for (var plane = column.planes - 1; plane >= 0; plane--)
        value = value << 8n | BigInt(column.bytes[column.at + plane * column.count + index]);
    return value;
}
function valueSmall(column, index) {
    var value = 0;
    for (var plane = column.planes - 1; plane >= 0; plane--)
        value = value * 256 + column.bytes[column.at + plane * column.count + index];
    return value;
}
function enumsOf(text) {
    var map = {};
    text.split(",").forEach(part => {
        var at = part.indexOf("=");
        if (at > 0) map[part.slice(0, at).trim()] = part.slice(at + 1).trim();
    });
    return map;
}
function slicesOf(columns, from) {
    var out = {joined: from.joined, grain: from.grain};
    ["from", "length", "before", "after", "track", "lane", "name", "count", "parent"].forEach(key => { if (from[key]) out[key] = numbers(columns, from[key]); });
    out.size = out.from.length;
    return out;
}

// Field types by number (trace.h).
var BOOL = 1, HEX_FIRST = 10, HEX_LAST = 13, F32 = 14, F64 = 15, POINTER = 16, STRING = 17, BYTES = 18, ENUM = 19;
function fieldReader(model, field) {
    var column = planes(model.columns, field.values), small = column.planes <= 6, view = new DataView(new ArrayBuffer(8));
    var signed = (field.type >= 2 && field.type <= 5) || field.type === ENUM, names = field.enums ? enumsOf(field.enums) : null;
    return index => {
        if (field.type === STRING || field.type === BYTES) {
            var number = valueSmall(column, index);
            return number ? model.text(number) : null;
        }
        if (field.type === F32 || field.type === F64) {
            view.setBigUint64(0, value64(column, index));
            return field.type === F32 ? view.getFloat32(4) : view.getFloat64(0);
        }
        var value = small ? valueSmall(column, index) : value64(column, index);
        if (field.type === BOOL) return Boolean(value);
        if (field.type === POINTER || (field.type >= HEX_FIRST && field.type <= HEX_LAST)) return "0x" + value.toString(16);
        if (signed) value = small ? (value % 2 ? -(value + 1) / 2 : value / 2) : (value & 1n ? -(value >> 1n) - 1n : value >> 1n);
        if (names && names[value] !== undefined) return names[value];
        return typeof value === "bigint" && value >= -9007199254740991n && value <= 9007199254740991n ? Number(value) : value;
    };
}
function fieldText(field, value) {
    if (value === null) return "(null)";
    if (field.type === STRING) return JSON.stringify(value);
    if (field.type === BYTES) return "<" + value + ">";
    if (typeof value === "number" && (field.unit === "ns" || field.unit === "bytes")) return quantity(value, field.unit);
    return String(value) + (field.unit && field.unit !== "errno" && typeof value === "number" ? " " + field.unit : "");
}

// Single events: times, types, and each one's place among its type's.
function eventsOf(model, from) {
    var events = {time: numbers(model.columns, from.time), type: numbers(model.columns, from.type), track: numbers(model.columns, from.track),
        context: from.context && numbers(model.columns, from.context), types: from.types, skipped: from.skipped};
    var size = events.time.length, place = new Uint32Array(size), next = new Uint32Array(from.types.length);
    for (var i = 0; i < size; i++) place[i] = next[events.type[i]]++;
    events.size = size;
    from.types.forEach(type => {
        type.fields.forEach(field => { field.read = fieldReader(model, field); });
        type.took = type.durations ? planes(model.columns, type.durations) : null;
    });
    events.duration = i => {
        var type = from.types[events.type[i]];
        return type.took ? valueSmall(type.took, place[i]) - 1 : -1;
    };
    events.around = i => events.context && events.context[i] ? model.text(events.context[i]) : "";
    events.value = (i, field) => field.read(place[i]);
    events.text = i => from.types[events.type[i]].fields.map(field => field.name + "=" + fieldText(field, field.read(place[i]))).join(" ");
    return events;
}

function open(bytes) {
    var length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
    var model = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
    var columns = model.columns = bytes.subarray(4 + length), decoder = new TextDecoder();
    var ends = numbers(columns, model.sample.text_ends), heap = model.sample.texts[0];
    model.text = number => decoder.decode(columns.subarray(heap + (number > 1 ? ends[number - 2] : 0), heap + ends[number - 1]));
    model.byNumber = {};
    model.rows.forEach(row => {
        model.byNumber[row.number] = row;
        if (row.series) row.series = numbers(columns, row.series);
        if (row.span && row.span.heat) row.span.heat.max = numbers(columns, row.span.heat.max);
    });
    model.series = model.series ? numbers(columns, model.series) : [];
    model.lost.forEach(lost => { lost.series = lost.series ? numbers(columns, lost.series) : []; });
    model.slices = slicesOf(columns, model.slices);
    model.strips = slicesOf(columns, model.strips);
    model.events_kept = eventsOf(model, model.sample);
    model.length = Math.max(model.length, 1);
    model.gaps = gapsOf(model.losses);
    model.spans = model.rows.filter(row => row.span);
    model.counters = model.rows.filter(row => row.counter);
    model.classes = model.rows.filter(row => row.entity);
    model.hosts = new Set(model.processes.map(p => p.host)).size;
    return model;
}
// Stretches in which something was lost, whose ever it was.
function gapsOf(losses) {
    var gaps = [];
    losses.slice().sort((a, b) => a.from - b.from).forEach(loss => {
        var last = gaps[gaps.length - 1];
        if (last && loss.from <= last.to) { last.to = Math.max(last.to, loss.to); last.count += loss.count; }
        else gaps.push({from: loss.from, to: loss.to, count: loss.count});
    });
    return gaps;
}
function trackName(model, number) {
    var track = model.tracks[number];
    if (!track) return "–";
    var process = model.processes[track.process], many = model.processes.length > 1;
    return (many && process ? (model.hosts > 1 ? process.host + "/" : "") + process.command + ":" + process.pid + " " : "") + (track.name || "thread") + ":" + track.tid;
}
