/* SPDX-License-Identifier: ISC
 *
 * The table of open spans and entities.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../consumers/idtable.c"

static void put__same_id_in_two_groups__two_entries(void **state)
{
    (void)state;
    struct idtable table;
    idtable_init(&table, 1000);
    idtable_put(&table, 1, 7)->ticks = 10;
    idtable_put(&table, 2, 7)->ticks = 20;
    assert_int_equal(idtable_find(&table, 1, 7)->ticks, 10);
    assert_int_equal(idtable_find(&table, 2, 7)->ticks, 20);
    assert_null(idtable_find(&table, 3, 7));
    idtable_fini(&table);
}

static void put__beyond_the_limit__null(void **state)
{
    (void)state;
    struct idtable table;
    idtable_init(&table, 100);
    for (uint64_t id = 0; id < 100; id++)
        assert_non_null(idtable_put(&table, 1, id));
    assert_null(idtable_put(&table, 1, 100));
    assert_non_null(idtable_put(&table, 1, 99));
    idtable_fini(&table);
}

/* Against a plain array, with ids that collide. */
static void remove__random_work__agrees_with_a_plain_array(void **state)
{
    (void)state;
    enum { IDS = 2000 };
    static uint64_t model[IDS];
    struct idtable table;
    uint32_t seed = 1;
    idtable_init(&table, 100000);
    for (unsigned i = 0; i < 200000; i++) {
        seed = seed * 1664525u + 1013904223u;
        const uint64_t id = seed >> 8 & 2047u;
        if (id >= IDS)
            continue;
        struct idtable_entry *const entry = idtable_find(&table, 5, id * 4096);
        assert_int_equal(entry ? entry->ticks : 0, model[id]);
        if (entry && seed >> 31) {
            idtable_remove(&table, entry);
            model[id] = 0;
        } else {
            idtable_put(&table, 5, id * 4096)->ticks = model[id] = i + 1;
        }
    }
    idtable_fini(&table);
}

static void sweep__one_state__only_those_go(void **state)
{
    (void)state;
    struct idtable table;
    idtable_init(&table, 100000);
    for (uint64_t id = 0; id < 10000; id++)
        idtable_put(&table, 1, id)->state = id % 3 == 0 ? 9 : 1;
    assert_int_equal(idtable_sweep(&table, 9), 3334);
    assert_int_equal(table.used, 6666);
    for (uint64_t id = 0; id < 10000; id++)
        assert_int_equal(idtable_find(&table, 1, id) != NULL, id % 3 != 0);
    idtable_fini(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(put__same_id_in_two_groups__two_entries),
        cmocka_unit_test(put__beyond_the_limit__null),
        cmocka_unit_test(remove__random_work__agrees_with_a_plain_array),
        cmocka_unit_test(sweep__one_state__only_those_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
