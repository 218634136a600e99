/* SPDX-License-Identifier: ISC
 *
 * Streams, plain and TLS: data both ways in the loop and in threads, ends of every kind, cancelling.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <time.h>

#include "certificates.h"
#include "dial.h"
#include "loop_fixture.h"
#include "memory_fault.h"
#include "peer.h"
#include "talk.h"

enum { LARGE_BYTES = 4 << 20 };

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void fill(char *bytes, size_t n)
{
    uint32_t x = 1;
    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)((x = x * 1664525 + 1013904223) >> 24);
}

/* ---- data ---- */

static void echo__small_messages__come_back(struct loop_fixture *f)
{
    talk_each(f, talk_echo);
}

struct reading {
    struct stream_io io;
    char *bytes;
    size_t done;
    int64_t fault;
};

static void read_on(struct stream_io *io, int64_t result)
{
    struct reading *reading = (struct reading *)io;
    if (result <= 0) {
        reading->fault = result ? result : -EPIPE;
        return;
    }
    reading->done += (size_t)result;
    if (reading->done < LARGE_BYTES)
        stream_read(io->stream, io, reading->bytes + reading->done, LARGE_BYTES - reading->done, read_on);
}

static void large_echo_in_loop(struct talk *talk)
{
    char *out = malloc(LARGE_BYTES), *in = calloc(1, LARGE_BYTES);
    fill(out, LARGE_BYTES);
    struct reading reading = {.bytes = in};
    struct noted_io writing = {0};
    stream_read(talk->stream, &reading.io, in, LARGE_BYTES, read_on);
    stream_write(talk->stream, &writing.io, out, LARGE_BYTES, note_io);
    LOOP_UNTIL(talk->loop, (writing.ended && reading.done == LARGE_BYTES) || reading.fault);
    assert_int_equal(reading.fault, 0);
    assert_int_equal(writing.result, LARGE_BYTES);
    assert_memory_equal(in, out, LARGE_BYTES);
    free(out);
    free(in);
}

static void echo__megabytes_both_ways_in_the_loop__every_byte(struct loop_fixture *f)
{
    talk_each(f, large_echo_in_loop);
}

struct side {
    struct stream *stream;
    char *bytes;
    int64_t result;
};

static void *write_side(void *arg)
{
    struct side *side = arg;
    side->result = stream_write_wait(side->stream, side->bytes, LARGE_BYTES, now_ns() + 20000 * MS);
    return NULL;
}

static void *read_side(void *arg)
{
    struct side *side = arg;
    for (size_t done = 0; done < LARGE_BYTES; done += (size_t)side->result) {
        side->result = stream_read_wait(side->stream, side->bytes + done, LARGE_BYTES - done, now_ns() + 20000 * MS);
        if (side->result <= 0)
            return NULL;
    }
    return NULL;
}

static void large_echo_in_threads(struct talk *talk)
{
    char *out = malloc(LARGE_BYTES), *in = calloc(1, LARGE_BYTES);
    fill(out, LARGE_BYTES);
    struct side writer = {talk->stream, out, 0}, reader = {talk->stream, in, 0};
    pthread_t threads[2];
    pthread_create(&threads[0], NULL, write_side, &writer);
    pthread_create(&threads[1], NULL, read_side, &reader);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    assert_int_equal(writer.result, LARGE_BYTES);
    assert_true(reader.result > 0);
    assert_memory_equal(in, out, LARGE_BYTES);
    free(out);
    free(in);
}

static void echo__megabytes_by_a_reader_and_a_writer_thread__every_byte(struct loop_fixture *f)
{
    talk_each(f, large_echo_in_threads);
}

static void echo__key_updates_amid_data__every_byte(struct loop_fixture *f)
{
    struct talk talk = talk_begin(f, TLS1_3_VERSION);
    for (int i = 0; i < 5; i++) {
        talk_tell(&talk, "!key");
        talk_echo(&talk);
    }
    talk_end(&talk);
}

/* ---- ends ---- */

static void peer_says_bye(struct talk *talk)
{
    char byte;
    talk_tell(talk, "!bye");
    assert_int_equal(read_now(talk->loop, talk->stream, &byte, 1), 0);
    assert_int_equal(read_now(talk->loop, talk->stream, &byte, 1), 0);
    assert_int_equal(stream_read_wait(talk->stream, &byte, 1, UINT64_MAX), 0);
}

static void read__peer_ends_orderly__zero(struct loop_fixture *f)
{
    talk_each(f, peer_says_bye);
}

static void peer_cuts(struct talk *talk)
{
    char byte;
    const int64_t wanted = talk->settings ? -ECONNRESET : 0;
    talk_tell(talk, "!cut");
    assert_int_equal(read_now(talk->loop, talk->stream, &byte, 1), wanted);
    assert_int_equal(stream_read_wait(talk->stream, &byte, 1, UINT64_MAX), wanted);
}

static void read__peer_closes_without_tls_end__no_end_but_an_error(struct loop_fixture *f)
{
    talk_each(f, peer_cuts);
}

static void peer_resets(struct talk *talk)
{
    char byte, *bytes = calloc(1, LARGE_BYTES);
    talk_tell(talk, "!rst");
    assert_int_equal(read_now(talk->loop, talk->stream, &byte, 1), -ECONNRESET);
    assert_int_equal(write_now(talk->loop, talk->stream, bytes, LARGE_BYTES), -EPIPE);
    assert_int_equal(stream_write_wait(talk->stream, bytes, LARGE_BYTES, UINT64_MAX), -EPIPE);
    free(bytes);
}

static void write__peer_has_reset__error_and_no_signal(struct loop_fixture *f)
{
    talk_each(f, peer_resets);
}

static void close__tls__peer_hears_close_notify(struct loop_fixture *f)
{
    static const int versions[] = {TLS1_3_VERSION, TLS1_2_VERSION};
    for (int i = 0; i < 2; i++) {
        struct talk talk = talk_begin(f, versions[i]);
        talk_echo(&talk);
        stream_close(talk.stream);
        talk.stream = NULL;
        LOOP_UNTIL(f->loop, peer_orderly(talk.peer) == 1);
        talk_end(&talk);
    }
}

static void read__junk_amid_tls__broken_from_then_on(struct loop_fixture *f)
{
    static const int versions[] = {TLS1_3_VERSION, TLS1_2_VERSION};
    for (int i = 0; i < 2; i++) {
        struct talk talk = talk_begin(f, versions[i]);
        char byte;
        talk_tell(&talk, "!junk");
        assert_int_equal(read_now(f->loop, talk.stream, &byte, 1), -EPROTO);
        assert_int_equal(read_now(f->loop, talk.stream, &byte, 1), -EPROTO);
        assert_int_equal(stream_read_wait(talk.stream, &byte, 1, UINT64_MAX), -EPROTO);
        assert_int_equal(write_now(f->loop, talk.stream, &byte, 1), -EPROTO);
        assert_int_equal(stream_write_wait(talk.stream, &byte, 1, UINT64_MAX), -EPROTO);
        assert_int_equal(stream_idle_ok(talk.stream), 0);
        talk_end(&talk);
    }
}

/* ---- deadlines, cancelling, aborting ---- */

static void blocking_read_in_vain(struct talk *talk)
{
    char byte;
    const uint64_t began_ns = now_ns();
    assert_int_equal(stream_read_wait(talk->stream, &byte, 1, began_ns + 30 * MS), -ETIMEDOUT);
    const uint64_t took_ns = now_ns() - began_ns;
    assert_true(took_ns >= 30 * MS && took_ns < 1000 * MS);
    assert_int_equal(stream_read_wait(talk->stream, &byte, 1, 0), -ETIMEDOUT);
    talk_echo(talk);
}

static void read_wait__nothing_comes__times_out_and_stream_stays_good(struct loop_fixture *f)
{
    talk_each(f, blocking_read_in_vain);
}

static void blocking_write_in_vain(struct talk *talk)
{
    char *bytes = calloc(8, LARGE_BYTES);
    talk_tell(talk, "!hang");
    assert_int_equal(stream_write_wait(talk->stream, bytes, 8 * (size_t)LARGE_BYTES, now_ns() + 50 * MS), -ETIMEDOUT);
    free(bytes);
}

static void write_wait__half_open_peer_reads_nothing__times_out(struct loop_fixture *f)
{
    talk_each(f, blocking_write_in_vain);
}

static void cancelled_read(struct talk *talk)
{
    char byte;
    struct noted_io noted = {0};
    stream_cancel(&noted.io);
    stream_read(talk->stream, &noted.io, &byte, 1, note_io);
    stream_cancel(&noted.io);
    stream_cancel(&noted.io);
    assert_int_equal(noted.ended, 0);
    LOOP_UNTIL(talk->loop, noted.ended);
    assert_int_equal(noted.result, -ECANCELED);
    assert_int_equal(noted.ended, 1);
    talk_echo(talk);
}

static void cancel__read_that_waits__cancelled_and_stream_stays_good(struct loop_fixture *f)
{
    talk_each(f, cancelled_read);
}

static void cancelled_write(struct talk *talk)
{
    char *bytes = calloc(8, LARGE_BYTES);
    struct noted_io noted = {0};
    talk_tell(talk, "!hang");
    stream_write(talk->stream, &noted.io, bytes, 8 * (size_t)LARGE_BYTES, note_io);
    for (int i = 0; i < 20; i++)
        evloop_run_once(talk->loop, MS);
    assert_int_equal(noted.ended, 0);
    stream_cancel(&noted.io);
    LOOP_UNTIL(talk->loop, noted.ended);
    assert_int_equal(noted.result, -ECANCELED);
    free(bytes);
}

static void cancel__write_that_is_stuck__cancelled(struct loop_fixture *f)
{
    talk_each(f, cancelled_write);
}

static void data_left_over(struct talk *talk)
{
    char byte;
    struct noted_io noted = {0};
    talk_tell(talk, "hello");
    assert_int_equal(read_now(talk->loop, talk->stream, &byte, 1), 1);
    stream_read(talk->stream, &noted.io, &byte, 1, note_io); /* TLS: has it already */
    assert_int_equal(noted.ended, 0);
    stream_cancel(&noted.io);
    LOOP_UNTIL(talk->loop, noted.ended);
    assert_true(noted.result == 1 || noted.result == -ECANCELED);
    assert_int_equal(noted.ended, 1);
}

static void read__data_at_hand__callback_not_from_within(struct loop_fixture *f)
{
    talk_each(f, data_left_over);
}

static void *abort_soon(void *arg)
{
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    stream_abort(arg);
    return NULL;
}

static void aborted(struct talk *talk)
{
    char byte;
    pthread_t thread;
    struct noted_io noted = {0};
    pthread_create(&thread, NULL, abort_soon, talk->stream);
    const int64_t result = stream_read_wait(talk->stream, &byte, 1, UINT64_MAX);
    assert_int_equal(result, talk->settings ? -ECONNRESET : 0);
    pthread_join(thread, NULL);
    stream_read(talk->stream, &noted.io, &byte, 1, note_io);
    LOOP_UNTIL(talk->loop, noted.ended);
    assert_true(noted.result <= 0);
    const int64_t written = stream_write_wait(talk->stream, &byte, 1, UINT64_MAX);
    assert_true(written == -EPIPE || written == -ECONNRESET); /* the peer may have answered by a reset meanwhile */
}

static void abort__thread_waits__comes_back(struct loop_fixture *f)
{
    talk_each(f, aborted);
}

/* ---- memory, loop's end ---- */

static void out_of_memory(struct talk *talk)
{
    char answer[32];
    memory_fault_after(0);
    const int64_t written = write_now(talk->loop, talk->stream, "hello", 5);
    const int64_t read = read_now(talk->loop, talk->stream, answer, sizeof(answer));
    memory_fault_end();
    if (talk->settings)
        assert_true(written == -ENOMEM && read == -ENOMEM);
    else
        assert_true(written == 5 && read == 5);
}

static void io__no_memory__error_by_the_callback(struct loop_fixture *f)
{
    talk_each(f, out_of_memory);
}

static void loop_free__io_is_busy__cancelled(struct loop_fixture *f)
{
    struct evloop *mine = f->loop;
    assert_int_equal(
        evloop_new(&f->loop, &(struct evloop_options){.bytes = sizeof(struct evloop_options), .backend = f->backend}),
        0);
    struct talk talk = talk_begin(f, TLS1_3_VERSION);
    char byte;
    struct noted_io noted = {0};
    stream_read(talk.stream, &noted.io, &byte, 1, note_io);
    evloop_run_once(f->loop, 0);
    evloop_free(f->loop);
    assert_int_equal(noted.ended, 1);
    assert_int_equal(noted.result, -ECANCELED);
    f->loop = mine;
    talk_end(&talk);
}

int main(void)
{
    static const struct loop_case cases[] = {
        LOOP_CASE(echo__small_messages__come_back),
        LOOP_CASE(echo__megabytes_both_ways_in_the_loop__every_byte),
        LOOP_CASE(echo__megabytes_by_a_reader_and_a_writer_thread__every_byte),
        LOOP_CASE(echo__key_updates_amid_data__every_byte),
        LOOP_CASE(read__peer_ends_orderly__zero),
        LOOP_CASE(read__peer_closes_without_tls_end__no_end_but_an_error),
        LOOP_CASE(write__peer_has_reset__error_and_no_signal),
        LOOP_CASE(close__tls__peer_hears_close_notify),
        LOOP_CASE(read__junk_amid_tls__broken_from_then_on),
        LOOP_CASE(read_wait__nothing_comes__times_out_and_stream_stays_good),
        LOOP_CASE(write_wait__half_open_peer_reads_nothing__times_out),
        LOOP_CASE(cancel__read_that_waits__cancelled_and_stream_stays_good),
        LOOP_CASE(cancel__write_that_is_stuck__cancelled),
        LOOP_CASE(read__data_at_hand__callback_not_from_within),
        LOOP_CASE(abort__thread_waits__comes_back),
        LOOP_CASE(io__no_memory__error_by_the_callback),
        LOOP_CASE(loop_free__io_is_busy__cancelled),
    };
    if (!certificates_make())
        return 1;
    const int failed = loop_fixture_run("stream", cases, sizeof(cases) / sizeof(cases[0]));
    certificates_remove();
    return failed;
}
