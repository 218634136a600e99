/* SPDX-License-Identifier: ISC
 *
 * The event types and modules of one source, from the metadata entries of its session or file (layout.h). Entries come
 * from outside: each is bounded, memory is limited, what is wrong is left out and told.
 */
#ifndef EVTRAIL_READER_SCHEMA_H
#define EVTRAIL_READER_SCHEMA_H

#include <evtrail/reader.h>

#include "layout.h"
#include "reader/arena.h"

#define EVTRAIL_SCHEMA_BYTES_MAX (UINT64_C(30) << 20)      /* of entries */
#define EVTRAIL_SCHEMA_MEMORY_MAX ((size_t)64 << 20)       /* of what is made of them */
#define EVTRAIL_SCHEMA_ENTRY_BYTES_MAX ((uint32_t)1 << 20) /* of one entry */
#define EVTRAIL_SCHEMA_MODULES_MAX 4096

/* Every type of a source is one of these; what the library precomputes stands behind the public part. */
struct evtrail_schema_type {
    struct evtrail_event_type type; /* first: evtrail_schema_type_of() */
    uint64_t name_hash;             /* of the name's text */
    const uint8_t *entry;           /* its bytes, to tell a repetition from a contradiction */
    uint32_t entry_bytes;
    uint32_t scalars; /* fields before the first string or byte array: field i < scalars is payload[i] */
};

struct evtrail_schema {
    struct evtrail_arena arena;
    const struct evtrail_event_type **types; /* by id */
    uint32_t types_count;                    /* highest id + 1 */
    uint32_t types_capacity; /* EVTRAIL_EVENT_TYPES_MAX: mapped, so that only what is used of it is memory */
    uint32_t types_known;
    struct evtrail_module *modules;
    uint32_t modules_count;
    uint32_t modules_capacity;
    uint8_t *bytes; /* all entries so far, each once: what a file must carry */
    size_t size;
    size_t capacity;
    uint64_t faults; /* entries that were left out */
    char fault[160]; /* the last one: what was wrong, in one line; "" if none */
};

void evtrail_schema_init(struct evtrail_schema *schema);
void evtrail_schema_fini(struct evtrail_schema *schema);

/* Takes in the whole entries at the head of `size` bytes; *ret_used (may be NULL) is where the rest begins, which the caller
 * brings again when it is complete. An entry that says again what is known is dropped; one that is malformed or contradicts is
 * left out, counted and described in schema->fault. Returns how many types and modules are new, or
 * -EBADMSG: an entry's own length is wrong, nothing behind it can be read (what came before it stands);
 * -EFBIG: more than the limits above; -ENOMEM.
 * Pointers to types stay valid until fini; schema->types, ->modules and ->bytes may move: call evtrail_schema_show(). */
int evtrail_schema_append(struct evtrail_schema *schema, const void *bytes, size_t size, size_t *ret_used);

/* What it takes. */
size_t evtrail_schema_memory(const struct evtrail_schema *schema);

/* Points source->types and source->modules (with their counts) at what is known now. */
void evtrail_schema_show(const struct evtrail_schema *schema, struct evtrail_source *source);

/* The entry of a type or module as layout.h has it. Returns its size; written only if that is <= `size`. Strings are cut at
 * 65,535 bytes. */
size_t evtrail_schema_put_type(const struct evtrail_event_type *type, void *buffer, size_t size);
size_t evtrail_schema_put_module(const struct evtrail_module *module, void *buffer, size_t size);

/* What the field at `index` of an event of this kind means. */
enum evtrail_role evtrail_schema_role(unsigned kind, unsigned index);

static inline const struct evtrail_schema_type *evtrail_schema_type_of(const struct evtrail_event_type *type)
{
    return (const struct evtrail_schema_type *)type;
}

uint64_t evtrail_schema_hash(const char *text);

#endif /* EVTRAIL_READER_SCHEMA_H */
