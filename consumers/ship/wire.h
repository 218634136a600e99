/* SPDX-License-Identifier: ISC
 *
 * The protocol between senders, the collector and live readers, message by message: one function puts each kind, one parses it.
 * docs/collector-protocol.md is the text of this.
 *
 * Pure: bytes and structs, no allocation, no clock, no descriptor. Every length is bounded before it is used. Numbers are little-endian.
 */
#ifndef EVTRAIL_CONSUMERS_SHIP_WIRE_H
#define EVTRAIL_CONSUMERS_SHIP_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- versions, features, limits ---------------------------------------------------------------------------------- */

#define WIRE_MAGIC 0x57747645u /* "EvtW": the first byte of a plain connection is 'E'; TLS begins with 0x16, HTTP with a verb */

enum {
    WIRE_VERSION_MIN = 1, /* what this program speaks */
    WIRE_VERSION_MAX = 1,
    WIRE_HEADER_BYTES = 32,
    WIRE_HEADER_BYTES_MAX = 256,  /* later versions may append to it */
    WIRE_SMALL_MAX = 64 << 10,    /* payload of all but FRAMES, DATA and TRACE */
    WIRE_PAYLOAD_MAX = 3 << 20,   /* of those */
    WIRE_PAYLOAD_LEAST = 64 << 10, /* the smallest limit that a peer may set in HELLO or WELCOME */
    WIRE_CHANNELS_MAX = 16,       /* streams open at once in one connection, numbered from 0 */
    WIRE_SOURCES_MAX = 4096,      /* sources known at once in one stream, numbered from 0 */
    WIRE_GAP_ENTRIES_MAX = 1024,
    WIRE_HOST_BYTES = 64,  /* longest texts, without the NUL that the structs have */
    WIRE_AGENT_BYTES = 64,
    WIRE_BOOT_BYTES = 40,
    WIRE_PATTERN_BYTES = 128,
    WIRE_REASON_BYTES = 400,
    WIRE_STREAM_ID_BYTES = 16,
    WIRE_OUT_BYTES = 1024, /* room that every wire_put_...() but wire_put_gap() needs */
    WIRE_GAP_ENTRY_BYTES = 40,
    WIRE_GAP_ROOM = WIRE_HEADER_BYTES + 16 + WIRE_GAP_ENTRY_BYTES * WIRE_GAP_ENTRIES_MAX,
};

#define WIRE_TYPES(X) \
    X(hello, 1, "who connects: versions, features, role") \
    X(welcome, 2, "the collector's answer: version and features in force, limits") \
    X(open, 3, "a stream begins or goes on in this connection") \
    X(opened, 4, "from which sequence it goes on") \
    X(frames, 5, "file frames that batches need: SUPER, SOURCE, SCHEMA, CLOCK") \
    X(data, 6, "one batch, with the frames that belong to it") \
    X(gap, 7, "sequences that will not come, and what was lost with them") \
    X(ack, 8, "all up to this sequence is on disk; how much may be sent") \
    X(refuse, 9, "one batch that will not be taken; the rest goes on") \
    X(ping, 10, "are you there, and what is your clock") \
    X(pong, 11, "the answer to a ping") \
    X(drain, 12, "no more will come from here; acknowledge what there is") \
    X(bye, 13, "the end of the connection, and why") \
    X(trace, 14, "to a live reader: bytes of a trace file") \
    X(watch, 15, "to a sender: whether somebody watches live what it sends")

enum wire_type {
#define X(name, number, text) WIRE_##name = number,
    WIRE_TYPES(X)
#undef X
};
/* "HELLO", ...; "?" for others. */
const char *wire_type_name(unsigned type);

enum {
    WIRE_FLAG_IGNORE = 1, /* who does not know this type steps over the message; without it that ends the connection */
};

/* Features: HELLO offers some and may require some; those in force are offered by both sides, and said in WELCOME. */
enum {
    WIRE_FEATURE_columns = 1 << 0, /* batches of codec 1 (docs/file-format.md section 3) */
    WIRE_FEATURE_refuse = 1 << 1,  /* the sender sets refused batches aside; without it a refusal is a BYE */
    WIRE_FEATURE_clock = 1 << 2,   /* PONG tells the realtime clock */
    WIRE_FEATURE_live = 1 << 3,    /* the collector serves live readers */
};
#define WIRE_FEATURES (WIRE_FEATURE_columns | WIRE_FEATURE_refuse | WIRE_FEATURE_clock | WIRE_FEATURE_live)

enum wire_role {
    WIRE_ROLE_sender = 1,
    WIRE_ROLE_reader = 2,
};

/* Why a connection ends. The last column: whether it makes sense to connect again without anybody changing something. */
#define WIRE_BYES(X) \
    X(done, 0, true, "done") \
    X(shutdown, 1, true, "shutting down") \
    X(protocol, 2, false, "protocol error") \
    X(version, 3, false, "no common version") \
    X(feature, 4, false, "a required feature is missing") \
    X(denied, 5, false, "not allowed") \
    X(size, 6, false, "message too large") \
    X(checksum, 7, true, "checksum wrong") \
    X(sequence, 8, true, "sequence wrong") \
    X(stream, 9, true, "stream not available") \
    X(limit, 10, true, "limit exceeded") \
    X(timeout, 11, true, "timed out") \
    X(store, 12, true, "cannot store") \
    X(window, 13, false, "window exceeded") \
    X(role, 14, false, "role not served") \
    X(internal, 15, true, "internal error") \
    X(tls, 16, false, "wrong transport") \
    X(superseded, 17, true, "superseded by a newer connection") \
    X(lost, 18, true, "connection lost") /* never sent: a side notes it when the link ends without a BYE */

enum wire_bye_code {
#define X(name, number, again, text) WIRE_BYE_##name = number,
    WIRE_BYES(X)
#undef X
    WIRE_BYE_CODES = 19,
};
/* "protocol", ...; "?" for others. And whether to try again (codes that are not known: yes). */
const char *wire_bye_name(unsigned code);
bool wire_bye_again(unsigned code);

/* Why one batch, or one stream, is refused. */
#define WIRE_REFUSALS(X) \
    X(damaged, 1, "a checksum inside is wrong, or a frame is no frame") \
    X(size, 2, "larger than the collector takes") \
    X(source, 3, "its source was not declared") \
    X(content, 4, "it does not decode within its bounds") \
    X(denied, 5, "not allowed by the collector's rules") \
    X(ahead, 6, "the collector has more of this stream than the sender: begin a new stream") \
    X(busy, 7, "the stream is open in another connection") \
    X(owner, 8, "the stream belongs to another sender")

enum wire_refusal {
#define X(name, number, text) WIRE_REFUSE_##name = number,
    WIRE_REFUSALS(X)
#undef X
};
const char *wire_refusal_name(unsigned code); /* "damaged", ...; "?" */

/* Why events of a gap are lost. */
#define WIRE_GAP_CAUSES(X) \
    X(oldest, 1, "spool-oldest", "the spool was full: the oldest made room") \
    X(newest, 2, "spool-newest", "the spool was full: the newest found no room") \
    X(age, 3, "spool-age", "too old to be kept any longer") \
    X(refused, 4, "refused", "the collector would not take it: it is set aside") \
    X(damaged, 5, "damaged", "it could not be read any more") \
    X(disk, 6, "disk", "the spool's disk was full or failed") \
    X(elsewhere, 7, "elsewhere", "not lost: another collector has it on disk")

enum wire_gap_cause {
#define X(name, number, word, text) WIRE_GAP_##name = number,
    WIRE_GAP_CAUSES(X)
#undef X
};
const char *wire_gap_cause_name(unsigned cause); /* "spool-oldest", ...; "?" */

/* ---- messages ----------------------------------------------------------------------------------------------------- */

struct wire_header {
    uint8_t type, flags;
    uint16_t header_bytes;
    uint32_t payload_bytes;
    uint32_t payload_crc;
    uint32_t channel;  /* OPEN gives a stream its number in this connection; 0 where none is meant */
    uint64_t sequence; /* of DATA, GAP (the first), ACK, REFUSE; else 0 */
};
struct wire_hello {
    uint16_t version_min, version_max;
    uint32_t role; /* enum wire_role */
    uint64_t offered, required; /* features */
    uint32_t payload_max;       /* largest FRAMES, DATA or TRACE payload that the client takes or will send */
    uint32_t flags;             /* 0 */
    uint64_t agent_id;          /* random, of the client's process: tells its reconnects from another's */
    int64_t realtime_ns;
    char host[WIRE_HOST_BYTES + 1];
    char boot_id[WIRE_BOOT_BYTES + 1];
    char agent[WIRE_AGENT_BYTES + 1];              /* "evtrail 0.1.0" */
    char host_pattern[WIRE_PATTERN_BYTES + 1];     /* readers: whose streams, with * and ?; "": all */
    char program_pattern[WIRE_PATTERN_BYTES + 1];
};
struct wire_welcome {
    uint16_t version; /* chosen: the highest that both speak */
    uint64_t features; /* in force */
    uint64_t collector_id; /* random, made with the store: another id has other streams */
    uint32_t payload_max;  /* largest FRAMES or DATA payload that the collector takes */
    uint32_t channels_max;
    uint32_t ping_ms;      /* silence after which a PING is sent; after five of them the peer is dead */
    uint64_t limit;        /* as in ACK */
    int64_t realtime_ns;
    char host[WIRE_HOST_BYTES + 1];
    char agent[WIRE_AGENT_BYTES + 1];
};
struct wire_open {
    uint8_t stream[WIRE_STREAM_ID_BYTES];
    uint64_t first; /* lowest sequence that the sender still has (or knows the gap of) */
    uint64_t next;  /* the sequence that its next new batch will get: >= first >= 1 */
    int64_t created_ns;
    char name[WIRE_AGENT_BYTES + 1]; /* of the spool, for people; may be "" */
};
struct wire_opened {
    uint64_t resume; /* the collector has all before this on disk; 1: nothing */
};
struct wire_gap_entry {
    uint32_t source; /* the stream's number of it, declared before; UINT32_MAX: not known */
    uint32_t ring;   /* UINT32_MAX: several, or not known */
    uint32_t cause;  /* enum wire_gap_cause */
    uint64_t events; /* 0: not known how many */
    int64_t from_ns, to_ns; /* realtime of the sender; 0: not known */
};
struct wire_gap {
    uint64_t last; /* header.sequence .. last are missing, both included */
    uint32_t cause; /* of most of it */
    uint32_t count;
    const struct wire_gap_entry *entries; /* to put */
    const uint8_t *raw; /* parsed: wire_gap_entry_at() */
};
struct wire_ack {
    uint64_t limit;    /* bytes (headers and payloads of FRAMES, DATA, GAP; of TRACE in the other direction) that may have been sent in this connection */
    uint64_t received; /* highest sequence of the channel that arrived; not all of it need be on disk */
};
struct wire_refuse {
    uint32_t code; /* enum wire_refusal; a header.sequence of 0 refuses the stream */
    char reason[WIRE_REASON_BYTES + 1];
};
struct wire_ping {
    uint64_t id;
    int64_t sent_ns; /* realtime of who asks */
};
struct wire_pong {
    uint64_t id;
    int64_t sent_ns;                 /* of the ping, as it said */
    int64_t received_ns, answered_ns; /* realtime of who answers */
};
struct wire_watch {
    uint32_t hold_us; /* no longer than this is an event to be held for others to come into its batch; 0: nobody watches, as the sender likes */
};
struct wire_bye {
    uint32_t code;     /* enum wire_bye_code */
    uint32_t retry_ms; /* not before; 0: as you like */
    char reason[WIRE_REASON_BYTES + 1]; /* a sentence that says what to do */
};

/* ---- putting: `out` has room for WIRE_OUT_BYTES (a gap: WIRE_GAP_ROOM); the message's bytes are returned ---- */
size_t wire_put_hello(uint8_t *out, const struct wire_hello *hello);
size_t wire_put_welcome(uint8_t *out, const struct wire_welcome *welcome);
size_t wire_put_open(uint8_t *out, uint32_t channel, const struct wire_open *open);
size_t wire_put_opened(uint8_t *out, uint32_t channel, const struct wire_opened *opened);
size_t wire_put_gap(uint8_t *out, uint32_t channel, uint64_t first, const struct wire_gap *gap);
size_t wire_put_ack(uint8_t *out, uint32_t channel, uint64_t sequence, const struct wire_ack *ack);
size_t wire_put_refuse(uint8_t *out, uint32_t channel, uint64_t sequence, const struct wire_refuse *refuse);
size_t wire_put_ping(uint8_t *out, const struct wire_ping *ping);
size_t wire_put_pong(uint8_t *out, const struct wire_pong *pong);
size_t wire_put_drain(uint8_t *out);
size_t wire_put_watch(uint8_t *out, const struct wire_watch *watch);
size_t wire_put_bye(uint8_t *out, const struct wire_bye *bye);
/* The header alone (WIRE_HEADER_BYTES) of a message whose payload is elsewhere: FRAMES, DATA, TRACE. payload_crc is the CRC-32C of the
 * payload, by wire_crc(). header_bytes is filled in. */
size_t wire_put_header(uint8_t *out, const struct wire_header *header);
/* Continues `crc` (0 to begin) over more bytes: CRC-32C. */
uint32_t wire_crc(uint32_t crc, const void *data, size_t bytes);
/* Fills a bye. */
void wire_bye_say(struct wire_bye *ret_bye, enum wire_bye_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* ---- parsing ------------------------------------------------------------------------------------------------------ */

/* What stands at `at`:
 *   > 0  a whole message of so many bytes, its checksums right: *ret_header, *ret_payload;
 *   0    not whole yet: *ret_wanted bytes in all are needed to say more (bounded by WIRE_HEADER_BYTES_MAX + payload_max);
 *   < 0  no message: -EPROTO (garbage), -EMSGSIZE (too long), -EBADMSG (a checksum is wrong); *ret_why says what. */
int64_t wire_next(const uint8_t *at, size_t bytes, uint32_t payload_max, struct wire_header *ret_header, const uint8_t **ret_payload,
                  size_t *ret_wanted, const char **ret_why);
/* Parsers take a payload that passed. NULL, or what is wrong. What is behind the known fields is of a later version, and ignored. */
const char *wire_parse_hello(const uint8_t *at, size_t bytes, struct wire_hello *ret_hello);
const char *wire_parse_welcome(const uint8_t *at, size_t bytes, struct wire_welcome *ret_welcome);
const char *wire_parse_open(const uint8_t *at, size_t bytes, struct wire_open *ret_open);
const char *wire_parse_opened(const uint8_t *at, size_t bytes, struct wire_opened *ret_opened);
const char *wire_parse_gap(const uint8_t *at, size_t bytes, uint64_t first, struct wire_gap *ret_gap);
const char *wire_parse_ack(const uint8_t *at, size_t bytes, struct wire_ack *ret_ack);
const char *wire_parse_refuse(const uint8_t *at, size_t bytes, struct wire_refuse *ret_refuse);
const char *wire_parse_ping(const uint8_t *at, size_t bytes, struct wire_ping *ret_ping);
const char *wire_parse_pong(const uint8_t *at, size_t bytes, struct wire_pong *ret_pong);
const char *wire_parse_watch(const uint8_t *at, size_t bytes, struct wire_watch *ret_watch);
const char *wire_parse_bye(const uint8_t *at, size_t bytes, struct wire_bye *ret_bye);
/* Entry `index` (< count) of a parsed gap. */
void wire_gap_entry_at(const struct wire_gap *gap, uint32_t index, struct wire_gap_entry *ret_entry);

#endif /* EVTRAIL_CONSUMERS_SHIP_WIRE_H */
