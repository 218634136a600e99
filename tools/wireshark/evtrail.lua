-- SPDX-License-Identifier: ISC
--
-- Shows the protocol between `evtrail send`, `evtrail collect` and live readers (docs/collector-protocol.md) in Wireshark and tshark, and the trace
-- file's frames (docs/file-format.md) that it carries. Plain TCP on port 7423, or wherever a connection begins with "EvtW".
--
--     tshark -X lua_script:tools/wireshark/evtrail.lua -r capture.pcap -Y evtrail
--     cp tools/wireshark/evtrail.lua ~/.local/lib/wireshark/plugins/

local PORT = 7423
local HEADER_BYTES = 32
local PAYLOAD_MAX = 3 * 1024 * 1024

local evtrail = Proto("evtrail", "evtrail collector protocol")

local types = {
    [1] = "HELLO", [2] = "WELCOME", [3] = "OPEN", [4] = "OPENED", [5] = "FRAMES", [6] = "DATA", [7] = "GAP", [8] = "ACK", [9] = "REFUSE",
    [10] = "PING", [11] = "PONG", [12] = "DRAIN", [13] = "BYE", [14] = "TRACE", [15] = "WATCH",
}
local roles = { [1] = "sender", [2] = "reader" }
local byes = {
    [0] = "done", "shutdown", "protocol", "version", "feature", "denied", "size", "checksum", "sequence", "stream", "limit", "timeout", "store",
    "window", "role", "internal", "tls", "superseded", "lost",
}
local refusals = { "damaged", "size", "source", "content", "denied", "ahead", "busy", "owner" }
local causes = { "spool-oldest", "spool-newest", "spool-age", "refused", "damaged", "disk", "elsewhere" }
local tags = {
    EvtF = "SUPER", EvtP = "SOURCE", EvtC = "CLOCK", EvtM = "SCHEMA", EvtA = "ACCOUNT", EvtB = "BATCH", EvtO = "OFFSET", EvtS = "MARK",
    EvtI = "INDEX", EvtE = "END",
}

local f = {
    magic = ProtoField.string("evtrail.magic", "Magic"),
    type = ProtoField.uint8("evtrail.type", "Type", base.DEC, types),
    flags = ProtoField.uint8("evtrail.flags", "Flags", base.HEX),
    ignorable = ProtoField.bool("evtrail.flags.ignore", "May be ignored", 8, nil, 0x01),
    header_bytes = ProtoField.uint16("evtrail.header_bytes", "Header bytes"),
    payload_bytes = ProtoField.uint32("evtrail.payload_bytes", "Payload bytes"),
    payload_crc = ProtoField.uint32("evtrail.payload_crc", "Payload CRC-32C", base.HEX),
    sequence = ProtoField.uint64("evtrail.sequence", "Sequence"),
    channel = ProtoField.uint32("evtrail.channel", "Channel"),
    header_crc = ProtoField.uint32("evtrail.header_crc", "Header CRC-32C", base.HEX),
    crc_bad = ProtoField.bool("evtrail.crc_bad", "Checksum wrong"),
    version_min = ProtoField.uint16("evtrail.version_min", "Lowest version"),
    version_max = ProtoField.uint16("evtrail.version_max", "Highest version"),
    version = ProtoField.uint16("evtrail.version", "Version in force"),
    role = ProtoField.uint32("evtrail.role", "Role", base.DEC, roles),
    offered = ProtoField.uint64("evtrail.offered", "Features offered", base.HEX),
    required = ProtoField.uint64("evtrail.required", "Features required", base.HEX),
    features = ProtoField.uint64("evtrail.features", "Features in force", base.HEX),
    payload_max = ProtoField.uint32("evtrail.payload_max", "Largest payload"),
    channels_max = ProtoField.uint32("evtrail.channels_max", "Channels"),
    ping_ms = ProtoField.uint32("evtrail.ping_ms", "Ping interval (ms)"),
    id = ProtoField.uint64("evtrail.id", "Id", base.HEX),
    realtime = ProtoField.int64("evtrail.realtime_ns", "Realtime clock (ns)"),
    host = ProtoField.string("evtrail.host", "Host"),
    boot = ProtoField.string("evtrail.boot_id", "Boot id"),
    agent = ProtoField.string("evtrail.agent", "Program"),
    host_pattern = ProtoField.string("evtrail.host_pattern", "Hosts wanted"),
    program_pattern = ProtoField.string("evtrail.program_pattern", "Programs wanted"),
    stream = ProtoField.bytes("evtrail.stream", "Stream"),
    first = ProtoField.uint64("evtrail.first", "Lowest sequence"),
    next = ProtoField.uint64("evtrail.next", "Next new sequence"),
    created = ProtoField.int64("evtrail.created_ns", "Created (ns)"),
    name = ProtoField.string("evtrail.name", "Name"),
    resume = ProtoField.uint64("evtrail.resume", "Resume at"),
    last = ProtoField.uint64("evtrail.last", "Last sequence"),
    cause = ProtoField.uint32("evtrail.cause", "Cause", base.DEC, causes),
    entries = ProtoField.uint32("evtrail.entries", "Entries"),
    source = ProtoField.uint32("evtrail.source", "Source"),
    ring = ProtoField.uint32("evtrail.ring", "Ring"),
    lost = ProtoField.uint64("evtrail.lost", "Events lost"),
    limit = ProtoField.uint64("evtrail.limit", "Limit (bytes)"),
    hold = ProtoField.uint32("evtrail.hold_us", "Hold events for (us)"),
    received = ProtoField.uint64("evtrail.received", "Received"),
    refusal = ProtoField.uint32("evtrail.refusal", "Refusal", base.DEC, refusals),
    reason = ProtoField.string("evtrail.reason", "Reason"),
    sent = ProtoField.int64("evtrail.sent_ns", "Ping sent (ns)"),
    got = ProtoField.int64("evtrail.received_ns", "Ping received (ns)"),
    answered = ProtoField.int64("evtrail.answered_ns", "Answered (ns)"),
    bye = ProtoField.uint32("evtrail.bye", "Code", base.DEC, byes),
    retry = ProtoField.uint32("evtrail.retry_ms", "Come again after (ms)"),
    frame = ProtoField.string("evtrail.frame", "Frame"),
    frame_bytes = ProtoField.uint32("evtrail.frame.bytes", "Frame bytes"),
    events = ProtoField.uint64("evtrail.batch.events", "Events"),
    events_before = ProtoField.uint64("evtrail.batch.events_before", "Events before"),
    pid = ProtoField.uint32("evtrail.source.pid", "Process id"),
    rest = ProtoField.bytes("evtrail.rest", "Not known here"),
}
evtrail.fields = f
local expert_bad = ProtoExpert.new("evtrail.malformed", "Malformed", expert.group.MALFORMED, expert.severity.ERROR)
evtrail.experts = { expert_bad }

-- ---- CRC-32C -----------------------------------------------------------------------------------------------------------------

local crc_table = {}
for i = 0, 255 do
    local crc = i
    for _ = 1, 8 do
        crc = bit32 and (bit32.band(crc, 1) == 1 and bit32.bxor(bit32.rshift(crc, 1), 0x82f63b78) or bit32.rshift(crc, 1))
            or (bit.band(crc, 1) == 1 and bit.bxor(bit.rshift(crc, 1), 0x82f63b78) or bit.rshift(crc, 1))
    end
    crc_table[i] = crc
end
local lib = bit32 or bit

local function crc32c(crc, bytes)
    crc = lib.bnot(crc)
    for i = 0, bytes:len() - 1 do
        crc = lib.bxor(lib.rshift(crc, 8), crc_table[lib.band(lib.bxor(crc, bytes:get_index(i)), 0xff)])
    end
    crc = lib.bnot(crc)
    return crc < 0 and crc + 4294967296 or crc
end

-- ---- reading fields one after the other ------------------------------------------------------------------------------------------

local Fields = {}
Fields.__index = Fields

local function fields(buffer, tree)
    return setmetatable({ buffer = buffer, tree = tree, at = 0, bad = false }, Fields)
end

function Fields:take(bytes)
    if self.bad or self.at + bytes > self.buffer:len() then
        self.bad = true
        return nil
    end
    self.at = self.at + bytes
    return self.buffer(self.at - bytes, bytes)
end

function Fields:number(field, bytes)
    local range = self:take(bytes)
    if range and field then self.tree:add_le(field, range) end
    if not range then return nil end
    return bytes == 8 and range:le_uint64() or range:le_uint()
end

function Fields:text(field)
    local length = self:take(2)
    local range = length and (length:le_uint() == 0 and "" or self:take(length:le_uint()))
    if range == "" then
        self.tree:add(field, length, "")
        return ""
    end
    if range then self.tree:add(field, range) end
    return range and range:string() or nil
end

function Fields:finish()
    if self.bad then self.tree:add_proto_expert_info(expert_bad, "the payload is cut") end
    if not self.bad and self.at < self.buffer:len() then self.tree:add(f.rest, self.buffer(self.at)) end
end

-- ---- payloads ------------------------------------------------------------------------------------------------------------------

local payloads = {}

payloads[1] = function(p, info)
    p:number(f.version_min, 2)
    p:number(f.version_max, 2)
    local role = p:number(f.role, 4)
    p:number(f.offered, 8)
    p:number(f.required, 8)
    p:number(f.payload_max, 4)
    p:number(nil, 4)
    p:number(f.id, 8)
    p:number(f.realtime, 8)
    local host = p:text(f.host)
    p:text(f.boot)
    p:text(f.agent)
    p:text(f.host_pattern)
    p:text(f.program_pattern)
    info(" %s %s", roles[role] or "?", host or "?")
end
payloads[2] = function(p, info)
    p:number(f.version, 2)
    p:number(nil, 2)
    p:number(f.ping_ms, 4)
    p:number(f.features, 8)
    p:number(f.id, 8)
    p:number(f.payload_max, 4)
    p:number(f.channels_max, 4)
    p:number(f.limit, 8)
    p:number(f.realtime, 8)
    info(" %s", p:text(f.host) or "?")
    p:text(f.agent)
end
payloads[3] = function(p)
    local stream = p:take(16)
    if stream then p.tree:add(f.stream, stream) end
    p:number(f.first, 8)
    p:number(f.next, 8)
    p:number(f.created, 8)
    p:text(f.name)
end
payloads[4] = function(p, info)
    info(" at %s", tostring(p:number(f.resume, 8)))
end
payloads[7] = function(p, info)
    info("..%s", tostring(p:number(f.last, 8)))
    local cause = p:number(f.cause, 4)
    info(" %s", causes[cause] or "?")
    local count = p:number(f.entries, 4) or 0
    for i = 1, math.min(count, 1024) do
        local range = p:take(40)
        if not range then return end
        local entry = fields(range, p.tree:add(evtrail, range, "Entry " .. i))
        entry:number(f.source, 4)
        entry:number(f.ring, 4)
        entry:number(f.cause, 4)
        entry:number(nil, 4)
        entry:number(f.lost, 8)
        entry:number(f.realtime, 8)
        entry:number(f.realtime, 8)
    end
end
payloads[8] = function(p)
    p:number(f.limit, 8)
    p:number(f.received, 8)
end
payloads[9] = function(p, info)
    local code = p:number(f.refusal, 4)
    p:number(nil, 4)
    info(" %s", refusals[code] or "?")
    p:text(f.reason)
end
payloads[10] = function(p)
    p:number(f.id, 8)
    p:number(f.sent, 8)
end
payloads[11] = function(p)
    p:number(f.id, 8)
    p:number(f.sent, 8)
    p:number(f.got, 8)
    p:number(f.answered, 8)
end
payloads[12] = function() end
payloads[13] = function(p, info)
    local code = p:number(f.bye, 4)
    p:number(f.retry, 4)
    info(" %s: %s", byes[code] or "?", p:text(f.reason) or "?")
end

payloads[15] = function(p, info)
    info(" %d us", p:number(f.hold, 4) or 0)
end

-- ---- the trace file's frames ------------------------------------------------------------------------------------------------------

local function source_frame(frame, tree)
    tree:add_le(f.source, frame(16, 4))
    tree:add_le(f.pid, frame(20, 4))
end

local function numbered_frame(frame, tree)
    tree:add_le(f.source, frame(16, 4))
end

-- Returns the bytes of the zstd frame behind it.
local function batch_frame(frame, tree)
    tree:add_le(f.source, frame(20, 4))
    tree:add_le(f.ring, frame(24, 4))
    tree:add_le(f.events, frame(80, 8))
    tree:add_le(f.events_before, frame(88, 8))
    return frame(28, 4):le_uint()
end

local frames = { SOURCE = source_frame, SCHEMA = numbered_frame, CLOCK = numbered_frame, ACCOUNT = numbered_frame, OFFSET = numbered_frame, BATCH = batch_frame }
local frame_least = { SOURCE = 72, SCHEMA = 24, CLOCK = 48, ACCOUNT = 136, OFFSET = 40, BATCH = 224 }

local function show_frames(p, info)
    local names = {}
    while not p.bad and p.at < p.buffer:len() do
        local left = p.buffer:len() - p.at
        local bytes = left >= 16 and p.buffer(p.at + 4, 4):le_uint() + 8 or 0
        if bytes < 16 or bytes > left then
            p.bad = true
            break
        end
        local frame = p:take(bytes)
        local tag = frame(8, 4):string()
        local name = tags[tag] or tag
        local tree = p.tree:add(f.frame, frame, name)
        tree:add(f.frame_bytes, frame(4, 4), bytes)
        names[#names + 1] = name
        local content = 0
        if frames[name] and bytes >= frame_least[name] then content = frames[name](frame, tree) or 0 end
        if name == "BATCH" and content > 0 then p:take(content) end
    end
    info(" [%s]", table.concat(names, " "))
end
payloads[5] = show_frames
payloads[6] = show_frames
payloads[14] = show_frames

-- ---- one message ---------------------------------------------------------------------------------------------------------------------

local function show_header(buffer, tree)
    tree:add(f.magic, buffer(0, 4))
    tree:add(f.type, buffer(4, 1))
    tree:add(f.flags, buffer(5, 1)):add(f.ignorable, buffer(5, 1))
    tree:add_le(f.header_bytes, buffer(6, 2))
    tree:add_le(f.payload_bytes, buffer(8, 4))
    tree:add_le(f.payload_crc, buffer(12, 4))
    tree:add_le(f.sequence, buffer(16, 8))
    tree:add_le(f.channel, buffer(24, 4))
    tree:add_le(f.header_crc, buffer(28, 4))
end

local function check(buffer, header_bytes, payload, tree)
    local crc = crc32c(0, buffer(0, 28):bytes())
    if header_bytes > HEADER_BYTES then crc = crc32c(crc, buffer(HEADER_BYTES, header_bytes - HEADER_BYTES):bytes()) end
    if crc ~= buffer(28, 4):le_uint() then
        tree:add(f.crc_bad, buffer(28, 4), true):add_proto_expert_info(expert_bad, "the header's checksum is wrong")
    end
    -- A large payload takes long in Lua: its own frames have checksums as well.
    if payload and payload:len() <= 65536 and crc32c(0, payload:bytes()) ~= buffer(12, 4):le_uint() then
        tree:add(f.crc_bad, buffer(12, 4), true):add_proto_expert_info(expert_bad, "the payload's checksum is wrong")
    end
end

local function message_length(buffer, pinfo, offset)
    local header_bytes, payload_bytes = buffer(offset + 6, 2):le_uint(), buffer(offset + 8, 4):le_uint()
    if buffer(offset, 4):string() ~= "EvtW" or header_bytes < HEADER_BYTES or header_bytes > 256 or payload_bytes > PAYLOAD_MAX then
        return buffer:len() - offset
    end
    return header_bytes + payload_bytes
end

local function show_message(buffer, pinfo, root)
    pinfo.cols.protocol = "evtrail"
    if buffer:len() < HEADER_BYTES or buffer(0, 4):string() ~= "EvtW" then
        root:add(evtrail, buffer()):add_proto_expert_info(expert_bad, "no message of evtrail's begins here")
        return buffer:len()
    end
    local kind, header_bytes = buffer(4, 1):uint(), buffer(6, 2):le_uint()
    local name = types[kind] or ("type " .. kind)
    local tree = root:add(evtrail, buffer(), "evtrail " .. name)
    local line = name
    show_header(buffer, tree)
    if header_bytes > buffer:len() or header_bytes < HEADER_BYTES then
        tree:add_proto_expert_info(expert_bad, "the header's length is impossible")
        return buffer:len()
    end
    local payload = header_bytes < buffer:len() and buffer(header_bytes) or nil
    local sequence = buffer(16, 8):le_uint64()
    if kind >= 6 and kind <= 9 then line = line .. " " .. buffer(24, 4):le_uint() .. "/" .. tostring(sequence) end
    check(buffer, header_bytes, payload, tree)
    if payloads[kind] and payload then
        local p = fields(payload, tree)
        payloads[kind](p, function(format, ...) line = line .. string.format(format, ...) end)
        p:finish()
    elseif payload then
        tree:add(f.rest, payload)
    end
    tree:append_text(line:sub(#name + 1))
    pinfo.cols.info:append((pinfo.cols.info and " " or "") .. line .. ";")
    return buffer:len()
end

function evtrail.dissector(buffer, pinfo, root)
    pinfo.cols.info = ""
    dissect_tcp_pdus(buffer, root, HEADER_BYTES, message_length, show_message)
    return buffer:len()
end

local function begins(buffer, pinfo, root)
    if buffer:len() < 4 or buffer(0, 4):string() ~= "EvtW" then return false end
    pinfo.conversation = evtrail
    evtrail.dissector(buffer, pinfo, root)
    return true
end

DissectorTable.get("tcp.port"):add(PORT, evtrail)
evtrail:register_heuristic("tcp", begins)
