/* SPDX-License-Identifier: ISC
 *
 * Units are gathered in one of three buffers while the others are on their way to the file, through io_uring or,
 * where that is refused, by plain writes: the same bytes at the same offsets. A failure is found when a write
 * ends; then all that are under way are waited for, and the file is cut behind the last unit before the first byte
 * that is missing.
 */
#include "file/output.h"

#include "file/output_spare.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFERS = EVTRAIL_URING_BUFFERS, UNITS = 512, FLUSH_PLAIN_BYTES = 64 << 10 };

struct unit {
    uint64_t end; /* offset in the file */
    uint64_t events, raw_bytes;
    bool batch;
};
struct buffer {
    uint8_t *data;
    size_t used, written;
    uint64_t offset; /* of data[0] in the file */
    struct unit units[UNITS];
    unsigned units_count;
    bool busy;  /* under way */
    bool plain; /* by a plain write, though there is an io_uring */
    bool failed;
};
struct evtrail_output {
    int fd;
    bool regular; /* has offsets; a pipe or device has not */
    bool sync, keep;
    int error;
    size_t buffer_bytes, capacity;
    struct evtrail_uring *uring;
    struct buffer buffers[BUFFERS];
    unsigned current;
    uint64_t start; /* file offset where the current buffer begins */
    struct evtrail_output_loss loss;
};

/* ---- open, close ------------------------------------------------------------------------------------------------ */

/* A pipe that nobody reads is -ENXIO, and no wait for a reader. */
static int open_file(const char *path, bool force)
{
    if (strcmp(path, "-") == 0) {
        const int copy = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
        return copy < 0 ? -errno : copy;
    }
    const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | (force ? O_TRUNC : O_EXCL);
    const int fd = open(path, flags, 0640);
    if (fd < 0)
        return -errno;
    const int now = fcntl(fd, F_GETFL);
    if (now >= 0)
        fcntl(fd, F_SETFL, now & ~O_NONBLOCK);
    return fd;
}

/* Tells who follows the file that it has a writer, and ends with that. Without locks it is followed until it is closed. */
static void lock(int fd)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    fcntl(fd, F_OFD_SETLK, &whole);
}

static int allocate(struct evtrail_output *output)
{
    struct evtrail_spare spare;
    if (output->keep && evtrail_spare_take(&spare, output->capacity)) {
        for (unsigned i = 0; i < BUFFERS; i++)
            output->buffers[i].data = spare.data[i];
        output->uring = spare.uring;
        return 0;
    }
    for (unsigned i = 0; i < BUFFERS; i++) {
        void *data = mmap(NULL, output->capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (data == MAP_FAILED)
            return -ENOMEM;
        output->buffers[i].data = data;
    }
    return 0;
}

static void start_uring(struct evtrail_output *output, bool no_uring)
{
    uint8_t *datas[BUFFERS];
    const char *no = getenv("EVTRAIL_NO_URING");
    if (!output->regular || no_uring || (no && *no && strcmp(no, "0"))) {
        evtrail_uring_free(output->uring); /* another file's */
        output->uring = NULL;
        return;
    }
    if (output->uring)
        return;
    for (unsigned i = 0; i < BUFFERS; i++)
        datas[i] = output->buffers[i].data;
    if (evtrail_uring_new(&output->uring, datas, output->capacity) < 0)
        output->uring = NULL;
}

int evtrail_output_open(struct evtrail_output **ret_output, const char *path,
                        const struct evtrail_output_options *options)
{
    struct stat status;
    struct evtrail_output *output = calloc(1, sizeof(*output));
    if (!output)
        return -ENOMEM;
    output->buffer_bytes = options->buffer_bytes;
    output->capacity = options->buffer_bytes + EVTRAIL_OUTPUT_UNIT_MAX;
    output->sync = options->sync;
    output->keep = options->keep;
    output->fd = -1;
    int r = allocate(output);
    if (r == 0)
        r = output->fd = open_file(path, options->force);
    if (r < 0) {
        evtrail_output_close(output);
        return r;
    }
    /* Standard output may be a file that others append to as well. */
    output->regular = strcmp(path, "-") && fstat(output->fd, &status) == 0 && S_ISREG(status.st_mode);
    if (output->regular)
        lock(output->fd);
    start_uring(output, options->no_uring);
    *ret_output = output;
    return 0;
}

static bool any_busy(const struct evtrail_output *output)
{
    return output->buffers[0].busy || output->buffers[1].busy || output->buffers[2].busy;
}

void evtrail_output_close(struct evtrail_output *output)
{
    if (!output)
        return;
    struct evtrail_spare spare = {.capacity = output->capacity, .uring = output->uring};
    for (unsigned i = 0; i < BUFFERS; i++)
        spare.data[i] = output->buffers[i].data;
    if (output->keep && !output->error && !any_busy(output) && spare.data[BUFFERS - 1])
        evtrail_spare_leave(&spare);
    else
        evtrail_spare_free(&spare); /* waits for what is under way */
    if (output->fd >= 0)
        close(output->fd);
    free(output);
}

/* ---- failure ---------------------------------------------------------------------------------------------------- */

static void lose(struct evtrail_output *output, const struct unit *unit)
{
    output->loss.events += unit->events;
    output->loss.raw_bytes += unit->raw_bytes;
    output->loss.batches += unit->batch;
}

/* Where the file's intact part ends: behind the last unit before the first missing byte. */
static uint64_t find_cut(const struct evtrail_output *output)
{
    uint64_t missing = UINT64_MAX, cut = 0;
    for (unsigned i = 0; i < BUFFERS; i++) {
        const struct buffer *buffer = &output->buffers[i];
        if (buffer->failed && buffer->offset + buffer->written < missing)
            missing = buffer->offset + buffer->written;
    }
    for (unsigned i = 0; i < BUFFERS; i++) {
        const struct buffer *buffer = &output->buffers[i];
        if ((buffer->failed || buffer->used) && buffer->offset <= missing && buffer->offset > cut)
            cut = buffer->offset;
        for (unsigned u = 0; u < buffer->units_count; u++)
            if (buffer->units[u].end <= missing && buffer->units[u].end > cut)
                cut = buffer->units[u].end;
    }
    return cut;
}

/* Cuts the file back and accounts for what is gone. Nothing is under way. */
static void give_up(struct evtrail_output *output)
{
    const uint64_t cut = find_cut(output);
    for (unsigned i = 0; i < BUFFERS; i++) {
        struct buffer *buffer = &output->buffers[i];
        for (unsigned u = 0; u < buffer->units_count; u++)
            if (buffer->units[u].end > cut)
                lose(output, &buffer->units[u]);
        buffer->used = buffer->written = 0;
        buffer->units_count = 0;
        buffer->failed = false;
    }
    output->start = cut;
    output->buffers[output->current].offset = cut;
    if (output->regular)
        while (ftruncate(output->fd, (off_t)cut) < 0 && errno == EINTR)
            ;
}

/* ---- writing ---------------------------------------------------------------------------------------------------- */

static void ended(struct evtrail_output *output, struct buffer *buffer, int result);

/* How many bytes may be written from `offset` before the process's limit; a write beyond it would raise SIGXFSZ. */
static size_t within_limit(const struct evtrail_output *output, uint64_t offset, size_t bytes)
{
    struct rlimit limit;
    if (!output->regular || getrlimit(RLIMIT_FSIZE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
        return bytes;
    if (offset >= limit.rlim_cur)
        return 0;
    return bytes < limit.rlim_cur - offset ? bytes : (size_t)(limit.rlim_cur - offset);
}

/* One plain write that is not interrupted; waits where a pipe is full. */
static int write_plain(struct evtrail_output *output, const uint8_t *data, size_t bytes, uint64_t offset)
{
    for (;;) {
        const ssize_t n =
            output->regular ? pwrite(output->fd, data, bytes, (off_t)offset) : write(output->fd, data, bytes);
        if (n >= 0)
            return (int)n;
        struct pollfd full = {.fd = output->fd, .events = POLLOUT};
        if (errno == EAGAIN)
            poll(&full, 1, 100);
        else if (errno != EINTR)
            return -errno;
    }
}

/* Sends what is left of a buffer; by plain writes, all of it. */
static void send(struct evtrail_output *output, struct buffer *buffer)
{
    const bool uring = output->uring && !buffer->plain;
    do {
        const uint64_t offset = buffer->offset + buffer->written;
        const uint8_t *data = buffer->data + buffer->written;
        const size_t bytes = within_limit(output, offset, buffer->used - buffer->written);
        int r = bytes ? 0 : -EFBIG;
        if (bytes && uring)
            r = evtrail_uring_write(output->uring, output->fd, (unsigned)(buffer - output->buffers), data, bytes,
                                    offset);
        else if (bytes)
            r = write_plain(output, data, bytes, offset);
        if (r != 0 || !uring || !bytes)
            ended(output, buffer, r);
    } while (buffer->busy && !uring);
}

/* A write ended. What is short or was interrupted goes on. */
static void ended(struct evtrail_output *output, struct buffer *buffer, int result)
{
    if (result == -EINTR || result == -EAGAIN)
        result = 0;
    else if (result <= 0) {
        buffer->busy = false;
        buffer->failed = true;
        output->error = output->error ? output->error : result ? result : -EIO;
        return;
    }
    buffer->written += (size_t)result;
    if (buffer->written == buffer->used) {
        buffer->busy = false;
        buffer->used = buffer->written = 0;
    } else if (output->uring && !buffer->plain) {
        send(output, buffer);
    }
}

static void wait_one(struct evtrail_output *output)
{
    unsigned number;
    int result;
    const int r = evtrail_uring_wait(output->uring, &number, &result);
    if (r == 0) {
        ended(output, &output->buffers[number], result);
        return;
    }
    for (unsigned i = 0; i < BUFFERS; i++)
        if (output->buffers[i].busy)
            ended(output, &output->buffers[i], r);
}

static int settle(struct evtrail_output *output)
{
    while (any_busy(output))
        wait_one(output);
    if (output->error)
        give_up(output);
    return output->error;
}

int evtrail_output_push(struct evtrail_output *output)
{
    struct buffer *buffer = &output->buffers[output->current];
    if (output->error || !buffer->used)
        return output->error;
    output->start = buffer->offset + buffer->used;
    buffer->busy = true;
    send(output, buffer);
    output->current = (output->current + 1) % BUFFERS;
    struct buffer *next = &output->buffers[output->current];
    while (next->busy && !output->error)
        wait_one(output);
    if (output->error)
        return settle(output);
    next->offset = output->start;
    next->units_count = 0; /* its units are all in the file */
    return 0;
}

uint8_t *evtrail_output_reserve(struct evtrail_output *output, size_t bytes)
{
    struct buffer *buffer = &output->buffers[output->current];
    if (output->error || bytes > EVTRAIL_OUTPUT_UNIT_MAX)
        return NULL;
    if ((buffer->used >= output->buffer_bytes || buffer->units_count == UNITS) && evtrail_output_push(output) < 0)
        return NULL;
    buffer = &output->buffers[output->current];
    return buffer->data + buffer->used;
}

void evtrail_output_commit(struct evtrail_output *output, size_t bytes, bool batch, uint64_t events, uint64_t raw_bytes)
{
    struct buffer *buffer = &output->buffers[output->current];
    buffer->used += bytes;
    buffer->units[buffer->units_count++] = (struct unit){buffer->offset + buffer->used, events, raw_bytes, batch};
}

/* Few bytes that are waited for: the kernel would give them to a thread of its own, and that takes longer than the write. */
int evtrail_output_flush(struct evtrail_output *output)
{
    struct buffer *const buffer = &output->buffers[output->current];
    buffer->plain = buffer->used <= FLUSH_PLAIN_BYTES && !any_busy(output);
    int r = evtrail_output_push(output);
    buffer->plain = false;
    if (r == 0)
        r = settle(output);
    if (r == 0 && output->sync && output->regular && fdatasync(output->fd) < 0)
        r = output->error = -errno;
    return r;
}

/* ---- state ------------------------------------------------------------------------------------------------------ */

uint64_t evtrail_output_offset(const struct evtrail_output *output)
{
    const struct buffer *buffer = &output->buffers[output->current];
    return output->start + buffer->used;
}

size_t evtrail_output_buffered(const struct evtrail_output *output)
{
    return output->buffers[output->current].used;
}

bool evtrail_output_uring(const struct evtrail_output *output)
{
    return output->uring != NULL;
}

int evtrail_output_error(const struct evtrail_output *output, struct evtrail_output_loss *ret_loss)
{
    *ret_loss = output->loss;
    return output->error;
}

void evtrail_output_retry(struct evtrail_output *output)
{
    output->error = 0;
    output->loss = (struct evtrail_output_loss){0};
}
