/* SPDX-License-Identifier: ISC
 *
 * Metadata: whatever the entries hold, parsing stays in bounds, and what is kept parses again to the same. The first byte says where
 * the rest is split, as a live session's list grows under its reader.
 */
#include "reader/schema.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "schema: %s\n", what);
    abort();
}

static void check_type(const struct evtrail_event_type *type)
{
    uint8_t small[8];
    demand(type->fields_count <= EVTRAIL_FIELDS_MAX, "too many fields");
    demand(type->level >= 1 && type->level <= EVTRAIL_LEVELS && type->kind < EVTRAIL_KINDS, "level or kind");
    for (unsigned i = 0; i < type->fields_count; i++)
        demand(type->fields[i].type && type->fields[i].type < EVTRAIL_TYPES && type->fields[i].name, "field");
    demand(evtrail_schema_put_type(type, small, sizeof(small)) > sizeof(small), "an entry of eight bytes");
}

/* The kept entries make the same schema. */
static void check_again(const struct evtrail_schema *schema)
{
    struct evtrail_schema again;
    size_t used = 0;
    evtrail_schema_init(&again);
    demand(evtrail_schema_append(&again, schema->bytes, schema->size, &used) >= 0, "kept entries are refused");
    demand(used == schema->size && again.faults == 0, "kept entries are faulty");
    demand(again.types_count == schema->types_count && again.modules_count == schema->modules_count, "counts");
    demand(evtrail_schema_append(&again, schema->bytes, schema->size, NULL) == 0, "repeated entries are taken");
    evtrail_schema_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct evtrail_schema schema;
    size_t used = 0;
    if (!size)
        return 0;
    const size_t split = (size_t)data[0] * 8 < size - 1 ? (size_t)data[0] * 8 : size - 1;
    evtrail_schema_init(&schema);
    const int first = evtrail_schema_append(&schema, data + 1, split, &used);
    demand(used <= split, "more used than given");
    if (first >= 0)
        evtrail_schema_append(&schema, data + 1 + used, size - 1 - used, NULL);
    for (uint32_t id = 0; id < schema.types_count; id++)
        if (schema.types[id])
            check_type(schema.types[id]);
    if (schema.size)
        check_again(&schema);
    evtrail_schema_fini(&schema);
    return 0;
}
