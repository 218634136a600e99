/* SPDX-License-Identifier: ISC
 *
 * Pools for tests: set up and taken down, asked and waited for.
 */
#include "pool_fixture.h"

#include "memory_fault.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

unsigned pool_asker_order;

void pool_hosts(struct pool_fixture *f, const char *text)
{
    snprintf(f->hosts, sizeof f->hosts, "/tmp/evpool-hosts.XXXXXX");
    const int fd = mkstemp(f->hosts);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    f->options.hosts_file = f->hosts;
}

struct evpool_name *pool_name(struct pool_fixture *f, const char *host, uint16_t port)
{
    struct evpool_name *name = NULL;
    assert_int_equal(evpool_name_get(f->pool, host, port, NULL, &name, NULL), 0);
    return name;
}

void pool_open(struct pool_fixture *f)
{
    struct evpool_error *error = NULL;
    f->options.bytes = sizeof f->options;
    const int r = evpool_new(&f->pool, f->loop, &f->options, &error);
    if (error) {
        char text[512];
        evpool_error_print(error, text, sizeof text);
        print_error("%s\n", text);
        evpool_error_free(error);
    }
    assert_int_equal(r, 0);
    f->name = pool_name(f, "127.0.0.1", f->server.port);
}

void pool_shut(struct pool_fixture *f)
{
    evpool_free(f->pool);
    f->pool = NULL;
}

static void *run_loop(void *arg)
{
    struct pool_fixture *f = arg;
    assert_int_equal(evloop_run(f->loop), 0);
    return NULL;
}

void pool_thread(struct pool_fixture *f)
{
    assert_int_equal(pthread_create(&f->thread, NULL, run_loop, f), 0);
    f->threaded = true;
}

void pool_join(struct pool_fixture *f)
{
    if (!f->threaded)
        return;
    evloop_stop(f->loop);
    pthread_join(f->thread, NULL);
    f->threaded = false;
}

void pool_spin(struct pool_fixture *f, uint64_t ns)
{
    const uint64_t end = evloop_update_now(f->loop) + ns;
    while (evloop_update_now(f->loop) < end)
        assert_true(evloop_run_once(f->loop, end - evloop_now_ns(f->loop)) >= 0);
}

static void answered(struct evpool_request *request, struct evpool_conn *conn, struct evpool_error *error)
{
    struct asker *asker = (struct asker *)request;
    asker->conn = conn;
    asker->error = error;
    asker->calls++;
    asker->order = ++pool_asker_order;
    assert_true(!conn != !error);
}

void pool_ask(struct evpool_name *name, struct asker *asker, uint64_t timeout_ns)
{
    memset(asker, 0, sizeof *asker);
    asker->request.timeout_ns = timeout_ns;
    evpool_acquire(name, &asker->request, answered);
    assert_int_equal(asker->calls, 0);
}

struct evpool_conn *pool_ask_and_wait(struct pool_fixture *f, struct evpool_name *name)
{
    struct asker asker;
    pool_ask(name, &asker, 0);
    POOL_UNTIL(f, asker.calls > 0);
    if (asker.error) {
        char text[1024];
        evpool_error_print(asker.error, text, sizeof text);
        print_error("%s\n", text);
        evpool_error_free(asker.error);
    }
    assert_non_null(asker.conn);
    return asker.conn;
}

enum evpool_code pool_asker_code(struct asker *asker)
{
    const enum evpool_code code = evpool_error_code(asker->error);
    evpool_error_free(asker->error);
    asker->error = NULL;
    return code;
}

struct evpool_figures pool_name_figures(struct evpool_name *name)
{
    struct evpool_figures figures;
    evpool_name_figures(name, &figures, NULL);
    return figures;
}

struct io {
    struct evpool_io io;
    int64_t result;
    int calls;
};

static void io_told(struct evpool_io *own, int64_t result)
{
    struct io *io = (struct io *)own;
    io->result = result;
    io->calls++;
}

int64_t pool_echo(struct pool_fixture *f, struct evpool_conn *conn)
{
    char text[] = "hello, server", back[sizeof text];
    struct io out = {.calls = 0}, in = {.calls = 0};
    evpool_write(conn, &out.io, text, sizeof text, io_told);
    POOL_UNTIL(f, out.calls > 0);
    if (out.result < 0)
        return out.result;
    assert_int_equal(out.result, sizeof text);
    for (size_t got = 0; got < sizeof text; got += (size_t)in.result) {
        in.calls = 0;
        evpool_read(conn, &in.io, back + got, sizeof back - got, io_told);
        POOL_UNTIL(f, in.calls > 0);
        if (in.result <= 0)
            return in.result ? in.result : -ECONNRESET;
    }
    assert_memory_equal(text, back, sizeof text);
    return 0;
}

/* ---- running ---- */

static void begin(struct pool_fixture *f, enum evloop_backend backend)
{
    memset(f, 0, sizeof *f);
    f->backend = backend;
    f->descriptors = descriptors_open();
    const struct evloop_options options = {.bytes = sizeof options, .backend = backend};
    assert_int_equal(evloop_new(&f->loop, &options), 0);
    echo_start(&f->server, "127.0.0.1", 0);
    f->options.seed = 42;
    pool_asker_order = 0;
}

static void end(struct pool_fixture *f)
{
    pool_join(f);
    evpool_free(f->pool);
    evloop_free(f->loop);
    echo_stop(&f->server);
    if (*f->hosts)
        unlink(f->hosts);
    assert_int_equal(descriptors_open(), f->descriptors);
}

struct run {
    const struct pool_case *test;
    enum evloop_backend backend;
};

static void run_one(void **state)
{
    const struct run *run = *state;
    memory_fault_end(); /* of a test that failed */
    struct evloop *probe = NULL;
    const struct evloop_options options = {.bytes = sizeof options, .backend = run->backend};
    if (evloop_new(&probe, &options) < 0) {
        print_message("the kernel refuses io_uring\n");
        skip();
    }
    evloop_free(probe);
    struct pool_fixture *f = calloc(1, sizeof *f);
    begin(f, run->backend);
    run->test->test(f);
    end(f);
    free(f);
}

int pool_fixture_run(const char *group, const struct pool_case *cases, size_t count)
{
    static char names[200][160];
    static struct run runs[200];
    static struct CMUnitTest tests[200];
    const char *only = getenv("POOL_TEST");
    size_t made = 0;
    assert_true(2 * count <= 200);
    for (size_t i = 0; i < 2 * count; i++) {
        if (only && !strstr(cases[i / 2].name, only))
            continue;
        const bool uring = i % 2 == 0;
        snprintf(names[made], sizeof names[made], "%s (%s)", cases[i / 2].name, uring ? "io_uring" : "epoll");
        runs[made] = (struct run){&cases[i / 2], uring ? EVLOOP_URING : EVLOOP_EPOLL};
        tests[made] = (struct CMUnitTest){.name = names[made], .test_func = run_one, .initial_state = &runs[made]};
        made++;
    }
    return _cmocka_run_group_tests(group, tests, made, NULL, NULL);
}
