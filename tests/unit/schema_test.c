/* SPDX-License-Identifier: ISC
 *
 * Metadata entries: there and back, in pieces, damaged.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "reader/schema.h"

static const struct evtrail_field begin_fields[] = {
    {"id", "", "", "", EVTRAIL_TYPE_u64, 0},
    {"parent", "", "", "", EVTRAIL_TYPE_u64, 0},
    {"host", "", "where to", "", EVTRAIL_TYPE_string, 0},
    {"state", "", "", "0=idle,1=open", EVTRAIL_TYPE_enum, 0},
};

static struct evtrail_event_type a_type(uint32_t id, const char *name)
{
    return (struct evtrail_event_type){id, 42, 4, EVTRAIL_KIND_begin, 4, name, "a doc", "f.c", "main", begin_fields};
}

static size_t put_types(uint8_t *buffer, size_t size, unsigned count)
{
    size_t used = 0;
    for (unsigned i = 0; i < count; i++) {
        char name[32] = "pool.conn.a";
        name[10] = (char)('a' + i);
        struct evtrail_event_type type = a_type(16 + i, name);
        used += evtrail_schema_put_type(&type, buffer + used, size - used);
    }
    return used;
}

static void schema__put_and_append__the_same(void **state)
{
    uint8_t bytes[1024];
    size_t size = put_types(bytes, sizeof(bytes), 2);
    struct evtrail_module module = {0x1000, 0x2000, 0x40, "abcd", "/lib/x.so"};
    size += evtrail_schema_put_module(&module, bytes + size, sizeof(bytes) - size);
    struct evtrail_schema schema;
    size_t used;
    evtrail_schema_init(&schema);
    assert_int_equal(evtrail_schema_append(&schema, bytes, size, &used), 3);
    assert_int_equal(used, size);
    assert_int_equal(schema.size, size);
    assert_memory_equal(schema.bytes, bytes, size);
    struct evtrail_source source = {0};
    evtrail_schema_show(&schema, &source);
    const struct evtrail_event_type *type = evtrail_source_type(&source, 17);
    assert_non_null(type);
    assert_null(evtrail_source_type(&source, 18));
    assert_null(evtrail_source_type(&source, 3));
    assert_string_equal(type->name, "pool.conn.b");
    assert_string_equal(type->function, "main");
    assert_int_equal(type->line, 42);
    assert_int_equal(type->fields[0].role, EVTRAIL_ROLE_span);
    assert_int_equal(type->fields[1].role, EVTRAIL_ROLE_parent);
    assert_int_equal(type->fields[2].role, EVTRAIL_ROLE_none);
    assert_string_equal(type->fields[2].doc, "where to");
    assert_string_equal(type->fields[3].enums, "0=idle,1=open");
    assert_int_equal(evtrail_schema_type_of(type)->scalars, 2);
    assert_string_equal(source.modules[0].path, "/lib/x.so");
    /* said again: dropped */
    assert_int_equal(evtrail_schema_append(&schema, bytes, size, &used), 0);
    assert_int_equal(schema.size, size);
    assert_int_equal(schema.faults, 0);
    evtrail_schema_fini(&schema);
}

static void schema__byte_by_byte__whole_entries_only(void **state)
{
    uint8_t bytes[1024];
    size_t size = put_types(bytes, sizeof(bytes), 3), begin = 0;
    struct evtrail_schema schema;
    evtrail_schema_init(&schema);
    int added = 0;
    for (size_t end = 0; end <= size; end++) {
        uint8_t *exact = malloc(end - begin + 1);
        memcpy(exact, bytes + begin, end - begin);
        size_t used;
        int got = evtrail_schema_append(&schema, exact, end - begin, &used);
        assert_true(got >= 0);
        added += got;
        begin += used;
        free(exact);
    }
    assert_int_equal(added, 3);
    assert_int_equal(begin, size);
    evtrail_schema_fini(&schema);
}

static void schema__contradiction__first_stays_and_a_fault_says_so(void **state)
{
    uint8_t bytes[512];
    struct evtrail_event_type one = a_type(16, "one"), two = a_type(16, "two"), three = a_type(17, "three");
    size_t size = evtrail_schema_put_type(&one, bytes, sizeof(bytes));
    size += evtrail_schema_put_type(&two, bytes + size, sizeof(bytes) - size);
    size += evtrail_schema_put_type(&three, bytes + size, sizeof(bytes) - size);
    struct evtrail_schema schema;
    evtrail_schema_init(&schema);
    assert_int_equal(evtrail_schema_append(&schema, bytes, size, NULL), 2);
    assert_string_equal(schema.types[16]->name, "one");
    assert_string_equal(schema.types[17]->name, "three");
    assert_int_equal(schema.faults, 1);
    assert_non_null(strstr(schema.fault, "used twice"));
    evtrail_schema_fini(&schema);
}

static void schema__impossible_length__stops_and_keeps_what_came_before(void **state)
{
    uint8_t bytes[1024];
    size_t first = put_types(bytes, sizeof(bytes), 1), size = put_types(bytes, sizeof(bytes), 2);
    const uint32_t lengths[] = {0, 4, 7, 12, 0xffffffff, 0x7ffffff8};
    for (unsigned i = 0; i < sizeof(lengths) / 4; i++) {
        struct evtrail_schema schema;
        evtrail_schema_init(&schema);
        memcpy(bytes + first, &lengths[i], 4);
        size_t used;
        assert_int_equal(evtrail_schema_append(&schema, bytes, size, &used), -EBADMSG);
        assert_int_equal(used, first);
        assert_int_equal(schema.types_count, 17);
        evtrail_schema_fini(&schema);
    }
}

static void schema__every_byte_flipped_and_every_truncation__survived(void **state)
{
    uint8_t bytes[1024];
    size_t size = put_types(bytes, sizeof(bytes), 2);
    struct evtrail_module module = {0x1000, 0x2000, 0x40, "abcd", "/lib/x.so"};
    size += evtrail_schema_put_module(&module, bytes + size, sizeof(bytes) - size);
    for (size_t i = 0; i < size * 8; i++) {
        uint8_t *exact = malloc(size);
        memcpy(exact, bytes, size);
        exact[i / 8] ^= (uint8_t)(1 << i % 8);
        struct evtrail_schema schema;
        evtrail_schema_init(&schema);
        evtrail_schema_append(&schema, exact, size, NULL);
        evtrail_schema_fini(&schema);
        free(exact);
    }
    for (size_t cut = 8; cut < size; cut += 8) { /* the entry says that it ends earlier than it does */
        uint8_t *exact = malloc(cut);
        memcpy(exact, bytes, cut);
        uint32_t length = (uint32_t)cut;
        memcpy(exact, &length, 4);
        struct evtrail_schema schema;
        evtrail_schema_init(&schema);
        evtrail_schema_append(&schema, exact, cut, NULL);
        evtrail_schema_fini(&schema);
        free(exact);
    }
}

static void schema__repeated_nonsense__no_memory_kept(void **state)
{
    uint8_t bytes[512];
    struct evtrail_event_type type = a_type(16, "x");
    type.kind = 99;
    size_t size = evtrail_schema_put_type(&type, bytes, sizeof(bytes));
    struct evtrail_schema schema;
    evtrail_schema_init(&schema);
    for (unsigned i = 0; i < 100000; i++)
        evtrail_schema_append(&schema, bytes, size, NULL);
    assert_int_equal(schema.faults, 100000);
    assert_true(schema.arena.bytes <= EVTRAIL_ARENA_PIECE_BYTES);
    assert_int_equal(schema.size, 0);
    evtrail_schema_fini(&schema);
}

static void schema__modules_beyond_the_limit__left_out(void **state)
{
    struct evtrail_schema schema;
    evtrail_schema_init(&schema);
    for (uint64_t i = 0; i < EVTRAIL_SCHEMA_MODULES_MAX + 10; i++) {
        uint8_t bytes[128];
        struct evtrail_module module = {i << 12, (i + 1) << 12, 0, "", "/x"};
        size_t size = evtrail_schema_put_module(&module, bytes, sizeof(bytes));
        assert_true(evtrail_schema_append(&schema, bytes, size, NULL) >= 0);
    }
    assert_int_equal(schema.modules_count, EVTRAIL_SCHEMA_MODULES_MAX);
    assert_int_equal(schema.faults, 10);
    evtrail_schema_fini(&schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schema__put_and_append__the_same),
        cmocka_unit_test(schema__byte_by_byte__whole_entries_only),
        cmocka_unit_test(schema__contradiction__first_stays_and_a_fault_says_so),
        cmocka_unit_test(schema__impossible_length__stops_and_keeps_what_came_before),
        cmocka_unit_test(schema__every_byte_flipped_and_every_truncation__survived),
        cmocka_unit_test(schema__repeated_nonsense__no_memory_kept),
        cmocka_unit_test(schema__modules_beyond_the_limit__left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
