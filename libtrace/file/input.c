/* SPDX-License-Identifier: ISC
 *
 * Reading by pread, not by mapping: a file that is cut while it is read must not become a SIGBUS.
 */
#include "file/input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MORE_BYTES = 64 << 10 };

int evtrail_input_open(struct evtrail_input *input, const char *path)
{
    struct stat status;
    const bool standard = !strcmp(path, "-");
    *input = (struct evtrail_input){.fd = standard ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                                                   : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)};
    if (input->fd < 0)
        return -errno;
    int r = fstat(input->fd, &status) < 0 ? -errno : S_ISDIR(status.st_mode) ? -EISDIR : 0;
    if (r < 0) {
        evtrail_input_close(input);
        return r;
    }
    input->stream = !S_ISREG(status.st_mode) || (standard && lseek(input->fd, 0, SEEK_CUR) != 0);
    return 0;
}

void evtrail_input_close(struct evtrail_input *input)
{
    if (input->fd >= 0)
        close(input->fd);
    free(input->window);
    *input = (struct evtrail_input){.fd = -1};
}

/* Room for a window of `bytes` bytes. */
static int make_room(struct evtrail_input *input, size_t bytes)
{
    if (input->head + bytes <= input->room)
        return 0;
    if (input->head)
        memmove(input->window, input->window + input->head, input->used);
    input->head = 0;
    if (bytes <= input->room)
        return 0;
    uint8_t *grown = realloc(input->window, bytes);
    if (!grown)
        return -ENOMEM;
    input->window = grown;
    input->room = bytes;
    return 0;
}

/* Whether another read may do: somebody may have made the pipe or terminal non-blocking. */
static bool may_repeat(int fd, int error)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    if (error == EAGAIN || error == EWOULDBLOCK)
        return poll(&wait, 1, -1) >= 0 || errno == EINTR;
    return error == EINTR;
}

/* Reads on until the window holds `wanted` bytes or the stream ends. */
static int fill(struct evtrail_input *input, size_t wanted)
{
    int r = make_room(input, wanted);
    while (r == 0 && input->used < wanted && !input->ended) {
        const ssize_t n = read(input->fd, input->window + input->head + input->used, wanted - input->used);
        const int error = errno;
        if (n < 0)
            r = may_repeat(input->fd, error) ? 0 : -error;
        else if (n == 0)
            input->ended = true;
        else
            input->used += (size_t)n;
    }
    return r;
}

void evtrail_input_drop(struct evtrail_input *input, uint64_t offset)
{
    if (offset <= input->start)
        return;
    const uint64_t left = offset - input->start;
    const size_t drop = left < input->used ? (size_t)left : input->used;
    input->used -= drop;
    input->head = input->used ? input->head + drop : 0;
    input->start += drop;
}

/* Drops what is before `offset`, reading over what was never looked at. */
static int advance(struct evtrail_input *input, uint64_t offset)
{
    while (offset > input->start) {
        if (!input->used) {
            const uint64_t left = offset - input->start;
            const int r = fill(input, left < 65536 ? (size_t)left : 65536);
            if (r < 0)
                return r;
            if (!input->used)
                return 0;
        }
        evtrail_input_drop(input, offset);
    }
    return 0;
}

static ssize_t read_stream(struct evtrail_input *input, uint64_t offset, uint8_t *out, size_t bytes)
{
    int r = advance(input, offset);
    if (r == 0 && offset == input->start)
        r = fill(input, bytes);
    if (r < 0)
        return r;
    if (offset != input->start)
        return 0;
    const size_t there = input->used < bytes ? input->used : bytes;
    if (there)
        memcpy(out, input->window + input->head, there);
    return (ssize_t)there;
}

ssize_t evtrail_input_read(struct evtrail_input *input, uint64_t offset, uint8_t *out, size_t bytes)
{
    size_t done = 0;
    if (input->stream)
        return read_stream(input, offset, out, bytes);
    while (done < bytes && offset + done <= INT64_MAX) {
        const ssize_t n = pread(input->fd, out + done, bytes - done, (off_t)(offset + done));
        if (n == 0)
            break;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

const uint8_t *evtrail_input_held(const struct evtrail_input *input, uint64_t offset, size_t bytes)
{
    const uint64_t before = offset - input->start;
    if (offset < input->start || before > input->used || bytes > input->used - before)
        return NULL;
    return input->window + input->head + before;
}

size_t evtrail_input_holds(const struct evtrail_input *input, uint64_t offset)
{
    return offset >= input->start && offset - input->start < input->used ? input->used - (size_t)(offset - input->start)
                                                                         : 0;
}

int evtrail_input_more(struct evtrail_input *input, int wait_ms)
{
    struct pollfd wait = {.fd = input->fd, .events = POLLIN};
    if (input->ended || poll(&wait, 1, wait_ms) <= 0)
        return 0; /* a signal, too, ends the wait */
    size_t wanted = input->used + MORE_BYTES;
    if (wanted > input->room && wanted < 2 * input->used)
        wanted = 2 * input->used;
    const int r = make_room(input, wanted);
    if (r < 0)
        return r;
    const ssize_t n = read(input->fd, input->window + input->head + input->used, MORE_BYTES);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 1 : -errno;
    input->ended = n == 0;
    input->used += (size_t)n;
    return n > 0;
}

bool evtrail_input_written(const struct evtrail_input *input)
{
    struct flock whole = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    return fcntl(input->fd, F_OFD_GETLK, &whole) == 0 && whole.l_type == F_WRLCK;
}

uint64_t evtrail_input_size(const struct evtrail_input *input)
{
    struct stat status;
    if (input->stream)
        return UINT64_MAX;
    return fstat(input->fd, &status) == 0 && status.st_size > 0 ? (uint64_t)status.st_size : 0;
}
