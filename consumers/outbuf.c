/* SPDX-License-Identifier: ISC
 *
 * The output buffer, and numbers for people.
 */
#include "outbuf.h"

#include <evtrail/format.h>

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BUFFER_BYTES (256 * 1024)

static unsigned terminal_columns(int fd)
{
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    const char *const columns = getenv("COLUMNS");
    const int count = columns ? atoi(columns) : 0;
    return count >= 20 && count <= 1000 ? (unsigned)count : 80;
}

int output_init(struct output *output, int fd)
{
    char *const bytes = malloc(BUFFER_BYTES);
    if (!bytes)
        return -ENOMEM;
    *output = (struct output){.bytes = bytes, .size = BUFFER_BYTES, .fd = fd, .terminal = isatty(fd) == 1};
    output->columns = terminal_columns(fd);
    return 0;
}

static int write_some(struct output *output, const char *bytes, size_t count, size_t *ret_written)
{
    const ssize_t written = write(output->fd, bytes, count);
    if (written >= 0) {
        *ret_written = (size_t)written;
        return 0;
    }
    if (errno == EINTR) {
        *ret_written = 0;
        return 0;
    }
    if (errno == EAGAIN) { /* a pipe that its other users made non-blocking */
        struct pollfd wait = {.fd = output->fd, .events = POLLOUT};
        poll(&wait, 1, 100);
        *ret_written = 0;
        return 0;
    }
    return -errno;
}

static int write_all(struct output *output, const char *bytes, size_t count)
{
    while (count > 0 && output->error == 0) {
        size_t written = 0;
        output->error = write_some(output, bytes, count, &written);
        bytes += written;
        count -= written;
    }
    return output->error;
}

int output_flush(struct output *output)
{
    const size_t used = output->used;
    output->used = 0;
    return write_all(output, output->bytes, used);
}

bool output_gone(struct output *output)
{
    struct pollfd look = {.fd = output->fd};
    if (output->error == 0 && poll(&look, 1, 0) == 1 && (look.revents & POLLERR))
        output->error = -EPIPE;
    return output->error != 0;
}

int output_fini(struct output *output)
{
    if (!output->bytes)
        return output->error;
    output_flush(output);
    free(output->bytes);
    output->bytes = NULL;
    return output->error;
}

int output_write(struct output *output, const char *bytes, size_t count)
{
    if (output->size - output->used < count)
        output_flush(output);
    if (count > output->size)
        return write_all(output, bytes, count);
    memcpy(output->bytes + output->used, bytes, count);
    output->used += count;
    return output->error;
}

int output_text(struct output *output, const char *text)
{
    return output_write(output, text, strlen(text));
}

int output_print(struct output *output, const char *format, ...)
{
    char *const room = output_room(output);
    va_list list;
    va_start(list, format);
    const int count = vsnprintf(room, OUTPUT_ROOM, format, list);
    va_end(list);
    if (count > 0)
        output_used(output, (size_t)count < OUTPUT_ROOM ? (size_t)count : OUTPUT_ROOM - 1);
    return output->error;
}

char *output_room(struct output *output)
{
    if (output->size - output->used < OUTPUT_ROOM)
        output_flush(output);
    return output->bytes + output->used;
}

void output_used(struct output *output, size_t count)
{
    output->used += count;
}

int output_json_text(struct output *output, const char *text)
{
    const size_t length = strnlen(text, OUTPUT_ROOM / 8); /* each byte takes at most six */
    char *const room = output_room(output);
    output_used(output, evtrail_format_json_string(text, length, room, OUTPUT_ROOM));
    return output->error;
}

int output_escaped(struct output *output, const char *text)
{
    const size_t length = strnlen(text, OUTPUT_ROOM / 8);
    char *const room = output_room(output);
    output_used(output, evtrail_format_escaped(text, length, room, OUTPUT_ROOM));
    return output->error;
}

const char *shown(const char *text)
{
    static char texts[4][2048];
    static unsigned turn;
    char *const to = texts[turn++ % 4];
    const size_t n = evtrail_format_escaped(text, strnlen(text, 500), to, sizeof texts[0] - 1);
    to[n < sizeof texts[0] - 1 ? n : sizeof texts[0] - 1] = '\0';
    return to;
}

const char *output_sgr(const struct output *output, const char *sgr)
{
    static char texts[4][16];
    static unsigned turn;
    char *const text = texts[turn++ % 4];
    snprintf(text, sizeof texts[0], "\033[%sm", sgr);
    return output->color ? text : "";
}

/* ---- numbers ------------------------------------------------------------------------------------------------------- */

static char *next_text(void)
{
    static char texts[16][24];
    static unsigned turn;
    return texts[turn++ % 16];
}

static const char *scaled(double value, double step, const char *const *units, size_t count)
{
    size_t unit = 0;
    while (unit + 1 < count && (value >= step * 0.9995 || value <= -step * 0.9995)) {
        value /= step;
        unit++;
    }
    char *const text = next_text();
    const double size = value < 0 ? -value : value;
    const int digits = size >= 99.95 || (unit == 0 && size == (double)(long long)size) ? 0 : size >= 9.995 ? 1 : 2;
    snprintf(text, 24, "%.*f%s", digits, value, units[unit]);
    return text;
}

const char *human_count(double count)
{
    static const char *const units[] = {"", "k", "M", "G", "T"};
    return scaled(count, 1000, units, 5);
}

const char *human_bytes(double bytes)
{
    static const char *const units[] = {" B", " KiB", " MiB", " GiB", " TiB"};
    return scaled(bytes, 1024, units, 5);
}

const char *human_ns(double ns)
{
    static const char *const units[] = {" ns", " us", " ms", " s"};
    return scaled(ns, 1000, units, 4);
}
