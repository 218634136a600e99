/* SPDX-License-Identifier: ISC
 *
 * Memory that runs out in OpenSSL, at each of its allocations: a name is refused, or a handshake fails, and the next goes well.
 */
#include "pool_fixture.h"

#include "certificates.h"
#include "memory_fault.h"
#include "peer.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>

static _Thread_local unsigned taken; /* the peer has a thread of its own */

/* These fail on request, as the pool's own do. */
static void *take(size_t bytes, const char *file, int line)
{
    (void)file, (void)line;
    taken++;
    return malloc(bytes);
}

static void *resize(void *memory, size_t bytes, const char *file, int line)
{
    (void)file, (void)line;
    return realloc(memory, bytes);
}

static void give(void *memory, const char *file, int line)
{
    (void)file, (void)line;
    free(memory);
}

static int name_get(struct pool_fixture *f, const struct peer *peer, struct evpool_name **ret_name)
{
    const struct evpool_tls tls = {.bytes = sizeof tls, .ca_file = certificate_file("ca.pem")};
    struct evpool_error *error = NULL;
    const int r = evpool_name_get(f->pool, "127.0.0.1", peer_port(peer), &tls, ret_name, &error);
    assert_true(r == 0 || error);
    evpool_error_free(error);
    return r;
}

/* One name, one connection, without memory for one allocation, after so many. Returns whether it came to that. */
static unsigned once(struct pool_fixture *f, const struct peer *peer, unsigned allowed)
{
    struct evpool_name *name = NULL;
    struct asker asker;
    memory_fault_once_after(allowed);
    if (name_get(f, peer, &name) < 0)
        return memory_fault_end();
    pool_ask(name, &asker, 0);
    for (unsigned i = 0; i < 50 && !asker.calls; i++)
        evloop_run_once(f->loop, 2 * MS);
    const unsigned failed = memory_fault_end();
    POOL_UNTIL(f, asker.calls);
    if (asker.conn)
        evpool_release(asker.conn, pool_echo(f, asker.conn) == 0); /* session tickets come with the echo */
    else
        assert_true(pool_asker_code(&asker) != EVPOOL_OK);
    evpool_name_clear(name);
    POOL_UNTIL(f, pool_name_figures(name).total == 0);
    evpool_name_put(name);
    pool_spin(f, MS / 2); /* the name is forgotten, and the next one made anew */
    return failed;
}

static void memory__fails_at_an_allocation_of_openssl__error_or_connection(struct pool_fixture *f)
{
    struct peer *peer = peer_start(&(struct peer_options){.certificate = "good"});
    assert_non_null(peer);
    f->options.backoff_ns = f->options.backoff_max_ns = 1 * MS;
    f->options.eject_failures = 1000;
    f->options.tls_timeout_ns = 1 * SECOND;
    pool_open(f);
    assert_int_equal(once(f, peer, 1000000), 0); /* what is made once for the process */
    struct evpool_name *name = NULL;
    const unsigned before = taken;
    assert_int_equal(name_get(f, peer, &name), 0);
    const unsigned settings = taken - before;
    evpool_name_put(name);
    pool_spin(f, MS / 2);
    /* Settings are 2,000 allocations, of which a step of our own is no less than two; the handshake is thousands, few of them ours. */
    unsigned allowed = 0;
    while (allowed < 100000 && once(f, peer, allowed) > 0)
        allowed += allowed < 40 ? 1 : allowed < settings ? 2 : 149;
    assert_true(allowed > settings + 100 && allowed < 100000);
    evpool_release(pool_ask_and_wait(f, f->name), true);
    pool_shut(f);
    peer_stop(peer);
}

int main(void)
{
    static const struct pool_case cases[] = {
        POOL_CASE(memory__fails_at_an_allocation_of_openssl__error_or_connection),
    };
    assert_int_equal(CRYPTO_set_mem_functions(take, resize, give), 1);
    assert_non_null(certificates_make());
    const int failed = pool_fixture_run("pool secure memory", cases, sizeof cases / sizeof *cases);
    certificates_remove();
    return failed;
}
