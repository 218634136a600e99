/* SPDX-License-Identifier: ISC
 *
 * evtrail bench: what a connection of send and collect carries through loopback, plain and with TLS: the blocks of a trace file, from one thread's loop to
 * another's, beside the recorder that made that file, alone, in the same run.
 */
#include "bench.h"

#include "ship/net.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 10000000, BLOCK_BYTES = 128 << 10 };
#define TRANSFER_NS UINT64_C(2000000000)
#define PATIENCE_NS UINT64_C(30000000000)

struct file_bytes {
    const uint8_t *bytes;
    size_t size;
};

static uint64_t thread_cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- who receives ---- */

struct receiving {
    struct net_tls *tls;
    uint64_t received, cpu_ns;
    uint16_t port;
    _Atomic bool ready, failed; /* the port is known */
    bool closed;
    pthread_t thread;
};

static size_t received(void *context, struct net_link *link, const uint8_t *bytes, size_t size, size_t *ret_wanted)
{
    struct receiving *receiving = context;
    receiving->received += size;
    return size;
}

static void receiver_closed(void *context, struct net_link *link, enum net_end end, const char *reason)
{
    ((struct receiving *)context)->closed = true;
}

static void accepted(void *context, struct net_listener *listener, struct net_link *link)
{
    static const struct net_link_calls calls = {.received = received, .closed = receiver_closed};
    net_link_own(link, &calls, context);
}

static bool receive_all(struct receiving *receiving, struct evloop *loop, struct net *net)
{
    static const struct net_listener_calls calls = {.accepted = accepted};
    struct net_address address;
    struct net_listener *listener;
    net_address_parse(&address, "127.0.0.1:0", 0, NULL);
    const struct net_listener_options options = {.addresses = &address, .addresses_count = 1, .tls = receiving->tls};
    if (net_listener_new(&listener, net, &options, &calls, receiving, NULL) < 0)
        return false;
    net_listener_address(listener, 0, &address);
    receiving->port = address.port;
    atomic_store(&receiving->ready, true);
    const uint64_t until_ns = clock_ns() + PATIENCE_NS;
    while (!receiving->closed && clock_ns() < until_ns)
        evloop_run_once(loop, 100000000);
    net_listener_free(listener);
    return true;
}

static void *receive_thread(void *argument)
{
    struct receiving *receiving = argument;
    struct evloop *loop = NULL;
    struct net *net = NULL;
    if (evloop_new(&loop, NULL) < 0 || net_new(&net, loop) < 0 || !receive_all(receiving, loop, net))
        atomic_store(&receiving->failed, true);
    receiving->cpu_ns = thread_cpu_ns();
    net_free(net);
    evloop_free(loop);
    return NULL;
}

/* ---- who sends ---- */

struct sending {
    const struct file_bytes *file;
    struct net_tls *tls;
    struct net_link *link;
    uint64_t sent, until_ns;
    size_t at;
    bool closed, failed;
};

static void fill(struct sending *sending)
{
    while (sending->link && clock_ns() < sending->until_ns && net_link_room(sending->link)) {
        const size_t left = sending->file->size - sending->at, size = left < BLOCK_BYTES ? left : BLOCK_BYTES;
        const struct iovec part = {(void *)(uintptr_t)(sending->file->bytes + sending->at), size};
        if (net_link_send(sending->link, &part, 1) < 0)
            return;
        sending->sent += size;
        sending->at = (sending->at + size) % sending->file->size;
    }
    if (sending->link && clock_ns() >= sending->until_ns)
        net_link_finish(sending->link, PATIENCE_NS, "done");
}

static void writable(void *context, struct net_link *link)
{
    fill(context);
}

static size_t ignore(void *context, struct net_link *link, const uint8_t *bytes, size_t size, size_t *ret_wanted)
{
    return size;
}

static void sender_closed(void *context, struct net_link *link, enum net_end end, const char *reason)
{
    struct sending *sending = context;
    sending->link = NULL;
    sending->closed = true;
    sending->failed = end != NET_END_local;
}

static void connected(void *context, struct net_endpoints *endpoints, struct net_link *link)
{
    static const struct net_link_calls calls = {.received = ignore, .writable = writable, .closed = sender_closed};
    struct sending *sending = context;
    sending->link = link;
    net_link_own(link, &calls, sending);
    net_endpoints_stop(endpoints); /* once is enough */
    fill(sending);
}

static void not_connected(void *context, struct net_endpoints *endpoints, enum net_end end, const char *reason,
                          bool round_ended, uint64_t retry_ns)
{
    ((struct sending *)context)->closed = ((struct sending *)context)->failed = true;
}

static bool send_all(struct sending *sending, struct evloop *loop, struct net *net, uint16_t port)
{
    static const struct net_endpoints_calls calls = {.connected = connected, .failed = not_connected};
    struct net_endpoint endpoint = {.address = {.host = "127.0.0.1", .port = port}};
    struct net_endpoints *endpoints;
    const struct net_endpoints_options options = {
        .endpoints = &endpoint, .count = 1, .tls = sending->tls, .tls_given = sending->tls != NULL};
    if (net_endpoints_new(&endpoints, net, &options, &calls, sending, NULL) < 0)
        return false;
    net_endpoints_start(endpoints);
    const uint64_t until_ns = clock_ns() + PATIENCE_NS;
    while (!sending->closed && clock_ns() < until_ns)
        evloop_run_once(loop, 100000000);
    net_endpoints_free(endpoints);
    return sending->closed && !sending->failed;
}

static bool transfer(struct sending *sending, struct receiving *receiving)
{
    struct evloop *loop = NULL;
    struct net *net = NULL;
    if (pthread_create(&receiving->thread, NULL, receive_thread, receiving) != 0)
        return false;
    while (!atomic_load(&receiving->ready) && !atomic_load(&receiving->failed))
        usleep(1000);
    bool done = !atomic_load(&receiving->failed) && evloop_new(&loop, NULL) == 0 && net_new(&net, loop) == 0;
    sending->until_ns = clock_ns() + TRANSFER_NS;
    done = done && send_all(sending, loop, net, receiving->port);
    net_free(net);
    evloop_free(loop);
    pthread_join(receiving->thread, NULL);
    return done && receiving->received == sending->sent;
}

/* ---- the cases ---- */

static void measure_case(struct bench *bench, const char *name, const struct file_bytes *file,
                         const struct recorded *recorded, const char *key_file)
{
    const bool tls = key_file != NULL;
    const struct net_tls_options keys = {.psk_file = key_file};
    struct sending sending = {.file = file};
    struct receiving receiving = {0};
    struct result result;
    if (tls && (net_tls_new(&sending.tls, NET_CLIENT, &keys, NULL) < 0 ||
                net_tls_new(&receiving.tls, NET_SERVER, &keys, NULL) < 0)) {
        bench_skip(bench, name, "TLS could not be set up");
        net_tls_free(sending.tls);
        return;
    }
    const uint64_t start_ns = clock_ns(), cpu_before_ns = thread_cpu_ns();
    const bool done = transfer(&sending, &receiving);
    const double seconds = (double)(clock_ns() - start_ns) / 1e9, sent = (double)sending.sent;
    const double cpu = (double)(thread_cpu_ns() - cpu_before_ns + receiving.cpu_ns) / 1e9;
    const double events = sent / ((double)recorded->file_bytes / (double)recorded->events);
    net_tls_free(sending.tls);
    net_tls_free(receiving.tls);
    if (!done) {
        bench_skip(bench, name, "the connection failed");
        return;
    }
    result_start(&result, tls ? ">= 20 M events/s" : ">= 25 M events/s", "%s", name);
    result_add(&result, "mb_per_s", sent / seconds / 1e6);
    result_add(&result, "events_per_s", events / seconds);
    result_add(&result, "recorder_events_per_s", (double)recorded->events / recorded->seconds);
    result_add(&result, "ratio_to_recorder", events / seconds / ((double)recorded->events / recorded->seconds));
    result_add(&result, "cpu_s_per_gib", cpu / (sent / (1 << 30)));
    result_judge(&result, events / seconds >= (tls ? 20e6 : 25e6));
    result_print(bench, &result);
}

static bool map_file(const char *path, struct file_bytes *ret_file)
{
    struct stat status;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *bytes = MAP_FAILED;
    if (fd >= 0 && fstat(fd, &status) == 0 && status.st_size > 0)
        bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (fd >= 0)
        close(fd);
    if (bytes == MAP_FAILED)
        return false;
    *ret_file = (struct file_bytes){bytes, (size_t)status.st_size};
    return true;
}

static bool make_key(const char *path)
{
    static const char line[] =
        "bench:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"; /* nobody's secret */
    const int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
    const bool written = fd >= 0 && write(fd, line, sizeof(line) - 1) == (ssize_t)sizeof(line) - 1;
    if (fd >= 0)
        close(fd);
    return written;
}

void bench_net(struct bench *bench)
{
    char path[512], key[512];
    const bool plain = bench_wants(bench, "net/plain"), tls = bench_wants(bench, "net/tls");
    struct recorded recorded;
    struct file_bytes file;
    if (!plain && !tls)
        return;
    snprintf(path, sizeof(path), "%s/net.evt", bench->work);
    snprintf(key, sizeof(key), "%s/net.key", bench->work);
    const uint64_t events = bench->file_events < EVENTS ? bench->file_events : EVENTS;
    if (!bench_record_pool(path, events, &recorded) || !map_file(path, &file) || !make_key(key)) {
        bench_skip(bench, "net/plain", "its file could not be written: is there room in /tmp?");
        return;
    }
    if (plain)
        measure_case(bench, "net/plain", &file, &recorded, NULL);
    if (tls)
        measure_case(bench, "net/tls", &file, &recorded, key);
    munmap((void *)(uintptr_t)file.bytes, file.size);
}
