/* SPDX-License-Identifier: ISC
 *
 * Reading real traced processes: this program run again as a writer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <evtrail/evtrail.h>
#include <evtrail/reader.h>

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "support/child.h"

/* ---- the writer ------------------------------------------------------------------------------------------------- */

static long writer_events;

static void *write_events(void *argument)
{
    long thread = (long)(intptr_t)argument;
    for (long i = 0; i < writer_events; i++)
        EVTRAIL(info, "live.tick", thread, i);
    return NULL;
}

/* writer THREADS EVENTS: says "ready", waits for a byte, writes, says "done", waits for a byte (or the end of it). */
static int writer_main(char **argv)
{
    int threads = atoi(argv[2]);
    char byte;
    pthread_t ids[16];
    writer_events = atol(argv[3]);
    if (write(1, "r", 1) != 1 || read(0, &byte, 1) != 1)
        return 1;
    for (int i = 0; i < threads; i++)
        pthread_create(&ids[i], NULL, write_events, (void *)(intptr_t)i);
    for (int i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    if (write(1, "d", 1) != 1)
        return 1;
    while (read(0, &byte, 1) == 1)
        if (byte == 'e')
            EVTRAIL(warning, "live.extra", "more");
    return 0;
}

struct writer {
    pid_t pid;
    int in, out; /* of the writer */
};

static char directory[64];

static void wait_for(const struct writer *writer, char wanted)
{
    char byte = 0;
    assert_int_equal(read(writer->out, &byte, 1), 1);
    assert_int_equal(byte, wanted);
}

static void tell(const struct writer *writer, char byte)
{
    assert_int_equal(write(writer->in, &byte, 1), 1);
}

static struct writer start_writer(int threads, long events, const char *settings)
{
    int in[2], out[2];
    char threads_text[16], events_text[16];
    snprintf(threads_text, sizeof(threads_text), "%d", threads);
    snprintf(events_text, sizeof(events_text), "%ld", events);
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    struct writer writer = {fork(), in[1], out[0]};
    assert_true(writer.pid >= 0);
    if (writer.pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        for (int fd = 3; fd < 64; fd++)
            close(fd);
        setenv("EVTRAIL", settings, 1);
        child_exec((char *[]){(char *)"live_reader_test", (char *)"writer", threads_text, events_text, NULL});
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    wait_for(&writer, 'r');
    return writer;
}

static void let_end(struct writer *writer)
{
    int status;
    close(writer->in);
    close(writer->out);
    assert_int_equal(waitpid(writer->pid, &status, 0), writer->pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void kill_writer(struct writer *writer)
{
    int status;
    kill(writer->pid, SIGKILL);
    close(writer->in);
    close(writer->out);
    assert_int_equal(waitpid(writer->pid, &status, 0), writer->pid);
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static struct evtrail_reader *attach(const struct writer *writer, struct evtrail_reader_options options)
{
    struct evtrail_reader *reader;
    char pid[16];
    options.bytes = sizeof(options);
    options.directory = directory;
    snprintf(pid, sizeof(pid), "%d", (int)writer->pid);
    assert_int_equal(evtrail_reader_new(&reader, &options), 0);
    int added = evtrail_reader_add_process(reader, pid);
    if (added != 1)
        fail_msg("add_process: %d: %s", added, evtrail_reader_error(reader));
    return reader;
}

struct seen {
    uint64_t events, lost, joined, gone, disordered;
    long next[16]; /* number that the next event of a thread must have, where nothing is lost */
    bool gap;
};

static void see(struct seen *seen, const struct evtrail_event *event, int64_t *last)
{
    struct evtrail_value thread, number;
    seen->disordered += event->time < *last;
    *last = event->time;
    if (event->what == EVTRAIL_EVENT_LOST)
        seen->lost += event->lost;
    if (event->what == EVTRAIL_EVENT_SOURCE)
        (*(event->source->gone ? &seen->gone : &seen->joined))++;
    if (event->what != EVTRAIL_EVENT)
        return;
    seen->events++;
    assert_non_null(event->type);
    if (strcmp(event->type->name, "live.tick") != 0)
        return;
    assert_true(evtrail_event_value(event, 0, &thread) >= 0);
    assert_true(evtrail_event_value(event, 1, &number) >= 0);
    assert_in_range(thread.i, 0, 15);
    seen->gap |= number.i != seen->next[thread.i];
    assert_true(number.i >= seen->next[thread.i]);
    seen->next[thread.i] = (long)number.i + 1;
}

/* Until all has ended, or `until` events have come. */
static struct seen read_until(struct evtrail_reader *reader, uint64_t until)
{
    struct seen seen = {0};
    struct evtrail_event *event;
    int64_t last = INT64_MIN;
    for (time_t end = time(NULL) + 30; time(NULL) < end && seen.events < until;) {
        int result = evtrail_reader_next(reader, &event);
        if (result < 0)
            fail_msg("next: %d: %s", result, evtrail_reader_error(reader));
        if (result > 0)
            see(&seen, event, &last);
        else if (evtrail_reader_done(reader))
            break;
        else
            evtrail_reader_wait(reader, 1000000000);
    }
    return seen;
}

static void check_totals(struct evtrail_reader *reader, uint64_t emitted)
{
    uint64_t delivered, lost[EVTRAIL_CAUSES_ALL], sum = 0;
    evtrail_reader_totals(reader, &delivered, lost);
    for (int i = 0; i < EVTRAIL_CAUSES_ALL; i++)
        sum += lost[i];
    assert_int_equal(delivered + sum, emitted);
}

/* ---- tests ------------------------------------------------------------------------------------------------------ */

static void two_threads_block_policy__all_in_order_nothing_lost(void **state)
{
    (void)state;
    struct writer writer = start_writer(2, 200000, "live.* policy=block deadline=10s");
    struct evtrail_reader *reader = attach(&writer, (struct evtrail_reader_options){.hold = true});
    tell(&writer, 'g');
    struct seen seen = read_until(reader, 400000);
    wait_for(&writer, 'd');
    let_end(&writer);
    struct seen rest = read_until(reader, UINT64_MAX);
    assert_int_equal(seen.events, 400000);
    assert_false(seen.gap);
    assert_int_equal(seen.lost + rest.lost, 0);
    assert_int_equal(seen.disordered, 0);
    assert_int_equal(seen.joined, 1);
    assert_int_equal(rest.gone, 1);
    assert_true(evtrail_reader_done(reader));
    check_totals(reader, 400000);
    evtrail_reader_free(reader);
}

static void flood(const char *settings, bool hold)
{
    struct writer writer = start_writer(2, 500000, settings);
    struct evtrail_reader *reader = attach(&writer, (struct evtrail_reader_options){.hold = hold});
    tell(&writer, 'g');
    wait_for(&writer, 'd'); /* nobody reads meanwhile: the rings run over */
    let_end(&writer);
    struct seen seen = read_until(reader, UINT64_MAX);
    assert_int_equal(seen.events + seen.lost, 1000000);
    assert_true(seen.lost > 0);
    assert_true(seen.events > 0);
    assert_int_equal(seen.disordered, 0);
    check_totals(reader, 1000000);
    evtrail_reader_free(reader);
}

static void flood_overwrite__exact_account(void **state)
{
    (void)state;
    flood("live.* policy=overwrite", false);
}

static void flood_drop__exact_account(void **state)
{
    (void)state;
    flood("live.* policy=drop", true);
}

static void flood_shed__exact_account(void **state)
{
    (void)state;
    flood("live.* policy=shed", true);
}

static void flood_block_with_a_deadline__exact_account(void **state)
{
    (void)state;
    flood("live.* policy=block deadline=1ms", true);
}

static void chunks_of_a_flood__exact_account(void **state)
{
    (void)state;
    const char *policies[] = {"live.* policy=overwrite", "live.* policy=drop", "live.* policy=shed"};
    for (int i = 0; i < 3; i++) {
        struct writer writer = start_writer(2, 500000, policies[i]);
        struct evtrail_reader *reader = attach(&writer, (struct evtrail_reader_options){.hold = i > 0});
        struct evtrail_chunk *chunk;
        uint64_t events = 0;
        tell(&writer, 'g');
        close(writer.in);
        for (time_t end = time(NULL) + 30; time(NULL) < end && !evtrail_reader_done(reader);) {
            int result = evtrail_reader_next_chunk(reader, &chunk);
            assert_true(result >= 0);
            if (result > 0)
                events += chunk->events;
            else
                evtrail_reader_wait(reader, 1000000000);
        }
        writer.in = -1;
        let_end(&writer);
        uint64_t delivered;
        evtrail_reader_totals(reader, &delivered, NULL);
        assert_int_equal(delivered, events);
        check_totals(reader, 1000000);
        evtrail_reader_free(reader);
    }
}

static void killed_process__everything_committed_is_read(void **state)
{
    (void)state;
    struct writer writer = start_writer(1, 1000, "live.*");
    tell(&writer, 'g');
    wait_for(&writer, 'd');
    kill_writer(&writer);
    struct evtrail_reader *reader = attach(&writer, (struct evtrail_reader_options){0});
    struct seen seen = read_until(reader, UINT64_MAX);
    assert_int_equal(seen.events, 1000);
    assert_false(seen.gap);
    assert_int_equal(seen.gone, 1);
    evtrail_reader_free(reader);
}

static void snapshot_of_a_living_process__ends_and_leaves_it_running(void **state)
{
    (void)state;
    struct writer writer = start_writer(1, 1000, "live.*");
    tell(&writer, 'g');
    wait_for(&writer, 'd');
    struct evtrail_reader *reader = attach(&writer, (struct evtrail_reader_options){.snapshot = true});
    struct seen seen = read_until(reader, UINT64_MAX);
    assert_int_equal(seen.events, 1000);
    assert_int_equal(seen.gone, 0);
    assert_true(evtrail_reader_done(reader));
    evtrail_reader_free(reader);
    let_end(&writer);
}

static void from_now__what_was_there_is_neither_read_nor_lost(void **state)
{
    (void)state;
    struct writer writer = start_writer(1, 1000, "live.*");
    tell(&writer, 'g');
    wait_for(&writer, 'd');
    struct evtrail_reader *reader = attach(&writer, (struct evtrail_reader_options){.from_now = true});
    struct evtrail_event *event;
    while (evtrail_reader_next(reader, &event) > 0)
        assert_int_not_equal(event->what, EVTRAIL_EVENT);
    tell(&writer, 'e');
    let_end(&writer);
    struct seen seen = read_until(reader, UINT64_MAX);
    assert_int_equal(seen.events, 1);
    assert_int_equal(seen.lost, 0);
    evtrail_reader_free(reader);
}

static void rules_of_a_reader__in_force_while_it_is_attached(void **state)
{
    (void)state;
    struct writer writer = start_writer(1, 1000, "");
    struct evtrail_reader *reader =
        attach(&writer, (struct evtrail_reader_options){.enable = "live.tick,live.extra:error"});
    tell(&writer, 'g');
    wait_for(&writer, 'd');
    tell(&writer, 'e'); /* a warning: the rule leaves it out */
    struct seen seen = read_until(reader, 1000);
    assert_int_equal(seen.events, 1000);
    evtrail_reader_free(reader);
    reader = attach(&writer, (struct evtrail_reader_options){.from_now = true});
    tell(&writer, 'e');
    let_end(&writer);
    seen = read_until(reader, UINT64_MAX);
    assert_int_equal(seen.events, 0);
    evtrail_reader_free(reader);
}

static void wrong_rule__refused_at_once(void **state)
{
    (void)state;
    struct evtrail_reader *reader;
    struct evtrail_reader_options options = {.bytes = sizeof(options), .enable = "fine.* :nothing"};
    assert_int_equal(evtrail_reader_new(&reader, &options), -EINVAL);
}

static void consumer_that_was_killed__its_rules_and_slot_go(void **state)
{
    (void)state;
    struct writer writer = start_writer(1, 10, "lease=100ms");
    pid_t consumer = fork();
    if (consumer == 0) {
        static struct evtrail_reader *volatile reader; /* kept: nothing is lost when the process is killed */
        reader = attach(&writer, (struct evtrail_reader_options){.enable = "live.tick"});
        (void)reader;
        kill(getpid(), SIGKILL);
    }
    int status;
    waitpid(consumer, &status, 0);
    usleep(250000);
    struct evtrail_reader *reader = attach(&writer, (struct evtrail_reader_options){.name = "second"});
    tell(&writer, 'g');
    wait_for(&writer, 'd');
    let_end(&writer);
    assert_int_equal(read_until(reader, UINT64_MAX).events, 0);
    evtrail_reader_free(reader);
}

static void consumer_that_stopped__evicted_and_told_so(void **state)
{
    (void)state;
    struct writer writer = start_writer(2, 300000, "live.* policy=block deadline=5s lease=100ms");
    struct evtrail_reader *reader = attach(&writer, (struct evtrail_reader_options){.hold = true});
    struct evtrail_event *event;
    evtrail_reader_next(reader, &event);
    tell(&writer, 'g');
    wait_for(&writer, 'd'); /* we do not read: the writer must get on without us */
    let_end(&writer);
    int told = 0;
    uint64_t events = 0;
    while (!evtrail_reader_done(reader)) {
        int result = evtrail_reader_next(reader, &event);
        told += result == -ESTALE;
        events += result > 0 && event->what == EVTRAIL_EVENT;
        if (result == 0)
            evtrail_reader_wait(reader, 1000000000);
    }
    assert_int_equal(told, 1);
    assert_true(events < 600000);
    check_totals(reader, 600000);
    evtrail_reader_free(reader);
}

/* from_now is about what was there: of a process that starts later, nothing is skipped. */
static void all_sessions__those_that_come_later_too(void **state)
{
    (void)state;
    struct evtrail_reader *reader;
    struct evtrail_reader_options options = {.bytes = sizeof(options), .directory = directory, .from_now = true};
    struct writer first = start_writer(1, 100, "live.*");
    assert_int_equal(evtrail_reader_new(&reader, &options), 0);
    assert_int_equal(evtrail_reader_add_all(reader), 1);
    struct writer second = start_writer(1, 100, "live.*");
    tell(&first, 'g');
    tell(&second, 'g');
    struct seen seen = {0};
    struct evtrail_event *event;
    int64_t last = INT64_MIN;
    for (time_t end = time(NULL) + 20; time(NULL) < end && seen.gone < 2;) {
        int result = evtrail_reader_next(reader, &event);
        assert_true(result >= 0);
        if (result == 0) {
            evtrail_reader_wait(reader, 100000000);
            continue;
        }
        memset(seen.next, 0, sizeof(seen.next));
        see(&seen, event, &last);
        if (seen.events == 200 && first.pid) {
            wait_for(&first, 'd');
            wait_for(&second, 'd');
            let_end(&first);
            let_end(&second);
            first.pid = 0;
        }
    }
    assert_int_equal(seen.events, 200);
    assert_int_equal(seen.joined, 2);
    assert_int_equal(seen.gone, 2);
    assert_int_equal(seen.disordered, 0);
    evtrail_reader_free(reader);
}

static uint64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void idle_reader__sleeps_and_is_woken_by_the_next_event(void **state)
{
    (void)state;
    struct writer writer = start_writer(1, 10, "live.*");
    struct evtrail_reader *reader = attach(&writer, (struct evtrail_reader_options){0});
    tell(&writer, 'g');
    wait_for(&writer, 'd');
    assert_int_equal(read_until(reader, 10).events, 10);
    uint64_t before = cpu_ns();
    struct evtrail_event *event;
    while (evtrail_reader_next(reader, &event) > 0)
        ;
    evtrail_reader_wait(reader, 500000000);
    assert_true(cpu_ns() - before < 50000000); /* generous: a busy loop would be ten times as much */
    tell(&writer, 'e');
    assert_int_equal(read_until(reader, 1).events, 1);
    let_end(&writer);
    evtrail_reader_free(reader);
}

static int keep_path(const char *path, void *context)
{
    snprintf(context, 480, "%s", path);
    return 1;
}

static void session_handle__info_rules_settings_remove(void **state)
{
    (void)state;
    struct writer writer = start_writer(1, 1000, "live.* keep=1");
    struct evtrail_session *session;
    struct evtrail_session_info info;
    char path[480] = "", *error = NULL;
    tell(&writer, 'g');
    wait_for(&writer, 'd');
    assert_int_equal(evtrail_sessions(directory, keep_path, path), 1);
    assert_int_equal(evtrail_session_open(&session, path, &error), 0);
    assert_int_equal(evtrail_session_info(session, &info), 0);
    assert_int_equal(info.pid, writer.pid);
    assert_true(info.alive);
    assert_int_equal(info.events, 1000);
    assert_int_equal(info.rings, 1);
    assert_true(info.keep);
    assert_true(info.types >= 2);
    assert_true(info.types_enabled >= 2);
    assert_int_equal(evtrail_session_rule(session, "-live.extra"), 1);
    assert_int_equal(evtrail_session_rule(session, "::"), -EINVAL);
    assert_int_equal(evtrail_session_set(session, "policy=drop"), 0);
    assert_int_equal(evtrail_session_set(session, "policy=never"), -EINVAL);
    char *text = evtrail_session_settings(session);
    assert_non_null(strstr(text, "live.* -live.extra"));
    assert_non_null(strstr(text, "policy=drop"));
    free(text);
    assert_int_equal(evtrail_session_remove(session), -EBUSY);
    let_end(&writer);
    assert_int_equal(evtrail_session_info(session, &info), 0);
    assert_false(info.alive);
    assert_int_equal(evtrail_session_remove(session), 0);
    evtrail_session_close(session);
    assert_int_equal(evtrail_sessions(directory, keep_path, path), 0);
}

static int make_directory(void **state)
{
    (void)state;
    strcpy(directory, "/dev/shm/evtrail-live-XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    return setenv("EVTRAIL_DIR", directory, 1);
}

static int remove_directory(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    return system(command);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_directory, remove_directory)

int main(int argc, char **argv)
{
    if (argc > 3 && strcmp(argv[1], "writer") == 0)
        return writer_main(argv);
    const struct CMUnitTest tests[] = {
        TEST(two_threads_block_policy__all_in_order_nothing_lost),
        TEST(flood_overwrite__exact_account),
        TEST(flood_drop__exact_account),
        TEST(flood_shed__exact_account),
        TEST(flood_block_with_a_deadline__exact_account),
        TEST(chunks_of_a_flood__exact_account),
        TEST(killed_process__everything_committed_is_read),
        TEST(snapshot_of_a_living_process__ends_and_leaves_it_running),
        TEST(from_now__what_was_there_is_neither_read_nor_lost),
        TEST(rules_of_a_reader__in_force_while_it_is_attached),
        TEST(wrong_rule__refused_at_once),
        TEST(consumer_that_was_killed__its_rules_and_slot_go),
        TEST(consumer_that_stopped__evicted_and_told_so),
        TEST(all_sessions__those_that_come_later_too),
        TEST(idle_reader__sleeps_and_is_woken_by_the_next_event),
        TEST(session_handle__info_rules_settings_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
