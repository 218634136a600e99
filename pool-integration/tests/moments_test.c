/* SPDX-License-Identifier: ISC
 *
 * Calls that come at odd moments: by callbacks of what is being ended, with reads and writes left behind, by threads that are being
 * cancelled, after a fork.
 */
#include "pool_fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
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

/* ---- reads and writes ---- */

struct reading {
    struct evpool_io io;
    struct evpool_conn *conn;
    struct evloop_timer timer;
    char byte;
    unsigned calls, closed_before;
    const unsigned *closed;
    bool gives_back;
};

static void on_read(struct evpool_io *io, int64_t result)
{
    struct reading *reading = (struct reading *)io;
    assert_true(result <= 0);
    reading->calls++;
    reading->closed_before = reading->closed ? *reading->closed : 0;
    if (reading->gives_back)
        evpool_release(reading->conn, false);
}

static void read_begin(struct pool_fixture *f, struct reading *reading)
{
    *reading = (struct reading){.conn = pool_ask_and_wait(f, f->name)};
    evpool_read(reading->conn, &reading->io, &reading->byte, 1, on_read);
    pool_spin(f, 1 * MS);
}

static void release__bad_while_a_read_is_under_way__its_place_is_free_again(struct pool_fixture *f)
{
    struct reading reading;
    f->options.max_total = 1;
    pool_open(f);
    f->server.mute = true; /* it says nothing, and does not close */
    read_begin(f, &reading);
    evpool_release(reading.conn, false);
    evpool_release(pool_ask_and_wait(f, f->name), true);
    assert_int_equal(reading.calls, 1);
}

static void release__good_while_a_read_is_under_way__not_lent_again(struct pool_fixture *f)
{
    struct reading reading;
    f->options.eject_failures = 1;
    pool_open(f);
    read_begin(f, &reading);
    const uint64_t id = evpool_conn_id(reading.conn);
    evpool_release(reading.conn, true);
    struct evpool_conn *conn = pool_ask_and_wait(f, f->name);
    assert_true(evpool_conn_id(conn) != id);
    assert_int_equal(pool_echo(f, conn), 0);
    evpool_release(conn, true);
    assert_int_equal(reading.calls, 1);
    assert_int_equal(pool_name_figures(f->name).closed[EVPOOL_CLOSED_error], 1);
    assert_int_equal(pool_name_figures(f->name).ejections, 0); /* the address did nothing wrong */
}

static void on_closed(struct evpool_conn *conn, enum evpool_reason reason, void *arg)
{
    (void)conn;
    assert_int_equal(reason, EVPOOL_CLOSED_shutdown);
    ++*(unsigned *)arg;
}

static void read_nothing(struct evloop_timer *timer)
{
    struct reading *reading = (struct reading *)((char *)timer - offsetof(struct reading, timer));
    evpool_read(reading->conn, &reading->io, &reading->byte, 0, on_read);
}

struct freeing {
    struct evloop_post post;
    struct pool_fixture *f;
    struct reading *reading;
};

static void free_it(struct evloop_post *post)
{
    struct freeing *freeing = (struct freeing *)post;
    struct pool_fixture *f = freeing->f;
    evpool_free(f->pool);
    f->pool = NULL;
    evloop_timer_start(f->loop, &freeing->reading->timer, evloop_now_ns(f->loop) + 1, read_nothing);
}

/* A borrower that reads learns by its callback that the pool goes, and gives back what it has: the connection is still there. */
static void free__by_a_callback_while_another_reads__the_reader_may_release(struct pool_fixture *f)
{
    unsigned closed = 0;
    f->options.hooks = (struct evpool_hooks){.closed = on_closed, .arg = &closed};
    pool_open(f);
    struct reading reading = {.conn = pool_ask_and_wait(f, f->name), .closed = &closed, .gives_back = true};
    struct freeing freeing = {.post.call = free_it, .f = f, .reading = &reading};
    evloop_post(f->loop, &freeing.post);
    POOL_UNTIL(f, closed == 1);
    assert_int_equal(reading.calls, 1);
    assert_int_equal(reading.closed_before, 0);
    pool_spin(f, 2 * MS);
}

/* ---- the end ---- */

struct done {
    unsigned calls, forced;
};

static void on_done(void *arg, unsigned forced)
{
    struct done *done = arg;
    done->calls++;
    done->forced = forced;
}

static void close__again_while_it_goes_on__the_last_deadline_counts(struct pool_fixture *f)
{
    struct done first = {0}, last = {0};
    pool_open(f);
    struct evpool_conn *conn = pool_ask_and_wait(f, f->name);
    evpool_close(f->pool, evloop_now_ns(f->loop) + 20 * MS, on_done, &first);
    evpool_close(f->pool, UINT64_MAX, on_done, &last);
    pool_spin(f, 60 * MS);
    assert_int_equal(last.calls, 0);
    assert_int_equal(pool_echo(f, conn), 0);
    evpool_release(conn, true);
    POOL_UNTIL(f, last.calls == 1);
    assert_int_equal(last.forced, 0);
    assert_int_equal(first.calls, 0);
}

/* ---- threads ---- */

struct borrower {
    struct evpool_name *name;
    struct evpool_conn *conn;
    int result;
    char story[256];
};

static void *acquire_cancelled(void *arg)
{
    struct borrower *borrower = arg;
    pthread_cancel(pthread_self());
    borrower->result = evpool_acquire_wait(borrower->name, 50 * MS, &borrower->conn, NULL);
    return NULL;
}

static void *release_cancelled(void *arg)
{
    struct borrower *borrower = arg;
    pthread_cancel(pthread_self());
    evpool_release(borrower->conn, false);
    return NULL;
}

static void run(void *(*does)(void *arg), struct borrower *borrower)
{
    pthread_t thread;
    void *result = NULL;
    assert_int_equal(pthread_create(&thread, NULL, does, borrower), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_null(result); /* no call in between ended it */
}

static void thread__being_cancelled__calls_go_to_their_ends(struct pool_fixture *f)
{
    f->options.max_total = 1;
    f->options.validate_idle_ns = 1;
    pool_open(f);
    struct borrower held = {.name = f->name}, late = {.name = f->name};
    pool_thread(f);
    assert_int_equal(evpool_acquire_wait(f->name, 0, &held.conn, NULL), 0);
    run(acquire_cancelled, &late);
    assert_int_equal(late.result, -ETIMEDOUT);
    assert_int_equal(pool_name_figures(f->name).waiting, 0);
    usleep(5000); /* the loop sleeps: to wake it is a system call */
    run(release_cancelled, &held);
    assert_int_equal(evpool_acquire_wait(f->name, 0, &held.conn, NULL), 0);
    evpool_release(held.conn, true);
    run(acquire_cancelled, &late); /* one that is looked at before it is lent */
    assert_int_equal(late.result, 0);
    evpool_release(late.conn, true);
    pool_join(f);
}

static void *wait_for_ever(void *arg)
{
    struct borrower *borrower = arg;
    borrower->result = evpool_acquire_wait(borrower->name, UINT64_MAX, &borrower->conn, NULL);
    return NULL;
}

static void free_pool(struct evloop_post *post)
{
    struct freeing *freeing = (struct freeing *)post;
    evpool_free(freeing->f->pool);
}

static void thread__waits_while_the_pool_is_freed__told(struct pool_fixture *f)
{
    enum { THREADS = 8 };
    pthread_t threads[THREADS];
    struct borrower borrowers[THREADS];
    struct freeing freeing = {.post.call = free_pool, .f = f};
    f->options.retries = 1000;
    f->options.backoff_ns = 1 * SECOND;
    pool_open(f);
    struct evpool_name *name = pool_name(f, "127.0.0.1", echo_nobody("127.0.0.1"));
    pool_thread(f);
    for (unsigned i = 0; i < THREADS; i++) {
        borrowers[i] = (struct borrower){.name = name};
        assert_int_equal(pthread_create(&threads[i], NULL, wait_for_ever, &borrowers[i]), 0);
    }
    while (pool_name_figures(name).waiting < THREADS)
        usleep(1000);
    evloop_post(f->loop, &freeing.post);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(borrowers[i].result, -ESHUTDOWN);
    }
    pool_join(f);
    f->pool = NULL;
}

static void *acquire_and_tell(void *arg)
{
    struct borrower *borrower = arg;
    struct evpool_error *error = NULL;
    borrower->result = evpool_acquire_wait(borrower->name, 20 * MS, &borrower->conn, &error);
    evpool_error_print(error, borrower->story, sizeof borrower->story);
    evpool_error_free(error);
    return NULL;
}

static void thread__waits_and_nobody_runs_the_loop__told_so(struct pool_fixture *f)
{
    pool_open(f);
    struct borrower borrower = {.name = f->name};
    run(acquire_and_tell, &borrower);
    assert_int_equal(borrower.result, -ETIMEDOUT);
    assert_non_null(strstr(borrower.story, "no thread has run the pool's loop"));
}

/* ---- after a fork ---- */

/* In the child: descriptors beyond those that were open before the pool, and the server's own. */
static int left_in_the_child(struct pool_fixture *f, unsigned before)
{
    evpool_free(f->pool);
    evloop_free(f->loop); /* two: the ring or the epoll, and its eventfd */
    return (int)(descriptors_open() - (before - 2));
}

static void fork__lent_of_a_retired_address_and_one_being_connected__all_closed(struct pool_fixture *f)
{
    struct echo_hole hole;
    struct asker asker;
    echo_hole_start(&hole, "127.0.0.9", 0);
    const unsigned before = descriptors_open();
    pool_open(f);
    struct evpool_conn *lent = pool_ask_and_wait(f, f->name);
    POOL_UNTIL(f, f->server.open == 1);
    evpool_name_clear(f->name);
    pool_ask(pool_name(f, "127.0.0.9", hole.port), &asker, 0);
    pool_spin(f, 5 * MS);
    assert_int_equal(descriptors_open(), before + 3); /* both ends of one, one of the other */
    const pid_t child = fork();
    if (child == 0)
        _exit(left_in_the_child(f, before));
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1); /* the server's end */
    evpool_release(lent, true);
    pool_shut(f);
    pool_asker_code(&asker);
    echo_hole_stop(&hole);
}

int main(void)
{
    static const struct pool_case cases[] = {
        POOL_CASE(request__name_put_and_cancelled__told_and_then_forgotten),
        POOL_CASE(release__bad_while_a_read_is_under_way__its_place_is_free_again),
        POOL_CASE(release__good_while_a_read_is_under_way__not_lent_again),
        POOL_CASE(free__by_a_callback_while_another_reads__the_reader_may_release),
        POOL_CASE(close__again_while_it_goes_on__the_last_deadline_counts),
        POOL_CASE(thread__being_cancelled__calls_go_to_their_ends),
        POOL_CASE(thread__waits_while_the_pool_is_freed__told),
        POOL_CASE(thread__waits_and_nobody_runs_the_loop__told_so),
        POOL_CASE(fork__lent_of_a_retired_address_and_one_being_connected__all_closed),
    };
    return pool_fixture_run("pool moments", cases, sizeof cases / sizeof *cases);
}
