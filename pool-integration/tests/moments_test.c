/* SPDX-License-Identifier: ISC
 *
 * Calls that come at odd moments: to what is being ended.
 */
#include "pool_fixture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- requests ---- */

static void request__name_put_and_cancelled__told_and_then_forgotten(struct pool_fixture *f)
{
    struct asker *asker = calloc(1, sizeof *asker); /* so that a sanitizer sees later uses */
    pool_open(f);
    pool_spin(f, 1 * MS);
    struct evpool_name *name = pool_name(f, "127.0.0.9", 9);
    pool_ask(name, asker, 0);
    evpool_name_put(name);
    evpool_cancel(&asker->request);
    POOL_UNTIL(f, asker->calls);
    assert_int_equal(pool_asker_code(asker), EVPOOL_ERROR_cancelled);
    pool_spin(f, 2 * MS);
    evpool_cancel(&asker->request); /* not busy, and the name is gone */
    pool_spin(f, 1 * MS);
    assert_int_equal(asker->calls, 1);
    free(asker);
}

int main(void)
{
    static const struct pool_case cases[] = {
        POOL_CASE(request__name_put_and_cancelled__told_and_then_forgotten),
    };
    return pool_fixture_run("pool moments", cases, sizeof cases / sizeof *cases);
}
