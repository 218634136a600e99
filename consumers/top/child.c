/* SPDX-License-Identifier: ISC
 *
 * Lines out of what a program writes to its terminal: escape sequences are left out, a carriage return begins the line anew.
 */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define READ_BYTES 65536u
#define TAB 8u

enum escape { ESCAPE_none, ESCAPE_begun, ESCAPE_csi, ESCAPE_string, ESCAPE_string_end, ESCAPE_charset };
struct child {
    int master, slave;
    char *lines[CHILD_LINES]; /* by number modulo CHILD_LINES */
    uint64_t count;           /* whole lines */
    char line[CHILD_LINE_BYTES + 1];
    size_t used;
    bool returned; /* what comes next replaces the line */
    enum escape escape;
};

/* ---- the terminal ---- */

static int open_slave(struct child *child)
{
    const char *const name = ptsname(child->master);
    child->slave = name ? open(name, O_RDWR | O_NOCTTY | O_CLOEXEC) : -1;
    return child->slave < 0 ? -errno : 0;
}

int child_new(struct child **ret_child, int *ret_fd)
{
    struct child *const child = calloc(1, sizeof *child);
    if (!child)
        return -ENOMEM;
    child->slave = -1;
    child->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    int r = child->master < 0 ? -errno : 0;
    if (r == 0 && (grantpt(child->master) < 0 || unlockpt(child->master) < 0))
        r = -errno;
    if (r == 0)
        r = open_slave(child);
    if (r < 0) {
        child_free(child);
        return r;
    }
    child_resize(child, 24, 80);
    *ret_child = child;
    *ret_fd = child->slave;
    return 0;
}

void child_started(struct child *child)
{
    if (child->slave >= 0)
        close(child->slave);
    child->slave = -1;
}

void child_free(struct child *child)
{
    if (!child)
        return;
    child_started(child);
    if (child->master >= 0)
        close(child->master);
    for (size_t i = 0; i < CHILD_LINES; i++)
        free(child->lines[i]);
    free(child);
}

int child_fd(const struct child *child)
{
    return child->master;
}

void child_resize(struct child *child, int rows, int columns)
{
    const struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
    if (child->master >= 0)
        ioctl(child->master, TIOCSWINSZ, &size);
}

/* ---- lines ---- */

static void line_end(struct child *child)
{
    char **const place = &child->lines[child->count % CHILD_LINES];
    child->line[child->used] = '\0';
    free(*place);
    *place = strdup(child->line); /* NULL: shown as empty */
    child->count++;
    child->used = 0;
}

static void add(struct child *child, char byte)
{
    if (child->returned)
        child->used = 0;
    child->returned = false;
    if (child->used < CHILD_LINE_BYTES)
        child->line[child->used++] = byte;
}

static void control(struct child *child, unsigned char byte)
{
    if (byte == '\n') {
        child->returned = false;
        line_end(child);
    } else if (byte == '\r') {
        child->returned = true;
    } else if (byte == '\b' && child->used > 0) {
        child->used--;
    } else if (byte == 0x1b) {
        child->escape = ESCAPE_begun;
    } else if (byte == '\t') {
        do
            add(child, ' ');
        while (child->used % TAB != 0 && child->used < CHILD_LINE_BYTES);
    }
}

/* Within an escape sequence (ECMA-48): where it ends. */
static void skip(struct child *child, unsigned char byte)
{
    const bool string = child->escape == ESCAPE_string;
    if (child->escape == ESCAPE_begun && byte == '[')
        child->escape = ESCAPE_csi;
    else if (child->escape == ESCAPE_begun && strchr("]PX^_", byte))
        child->escape = ESCAPE_string;
    else if (child->escape == ESCAPE_begun && strchr("()*+#", byte))
        child->escape = ESCAPE_charset;
    else if (child->escape == ESCAPE_csi && byte >= 0x20 && byte < 0x40)
        ; /* parameters */
    else if (string && byte == 0x1b)
        child->escape = ESCAPE_string_end;
    else if (!string || byte == 0x07 || byte == '\n')
        child->escape = ESCAPE_none;
}

static void take(struct child *child, unsigned char byte)
{
    if (child->escape != ESCAPE_none)
        skip(child, byte);
    else if (byte < 0x20 || byte == 0x7f)
        control(child, byte);
    else
        add(child, (char)byte);
}

bool child_read(struct child *child)
{
    char bytes[READ_BYTES];
    const ssize_t n = child->master < 0 ? 0 : read(child->master, bytes, sizeof bytes);
    for (ssize_t i = 0; i < n; i++)
        take(child, (unsigned char)bytes[i]);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) { /* EIO: all who had the terminal have closed it */
        if (child->master >= 0)
            close(child->master);
        child->master = -1;
    }
    return n > 0;
}

uint64_t child_lines(const struct child *child)
{
    return child->count + (child->used > 0);
}

uint64_t child_first(const struct child *child)
{
    return child->count > CHILD_LINES ? child->count - CHILD_LINES : 0;
}

const char *child_line(const struct child *child, uint64_t number)
{
    static char last[CHILD_LINE_BYTES + 1];
    if (number < child_first(child) || number > child->count)
        return "";
    if (number < child->count)
        return child->lines[number % CHILD_LINES] ? child->lines[number % CHILD_LINES] : "";
    memcpy(last, child->line, child->used);
    last[child->used] = '\0';
    return last;
}
