/* SPDX-License-Identifier: ISC
 *
 * Output through one large buffer: text goes out when the buffer is full or on a flush; a reader that went away ends the
 * run quietly, any other failure with one line.
 */
#ifndef EVTRAIL_CONSUMERS_OUTBUF_H
#define EVTRAIL_CONSUMERS_OUTBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OUTPUT_ROOM 65536 /* what output_room() always gives */

struct output {
    char *bytes;
    size_t used;
    size_t size;
    int fd;
    int error;     /* 0 or the negative errno of the first failed write; nothing is written after it */
    bool terminal; /* fd is one */
    bool color;    /* as asked for by --color and NO_COLOR */
    unsigned columns;
};

/* 0 or -ENOMEM. */
int output_init(struct output *output, int fd);
/* Flushes and frees. 0 or the first error. */
int output_fini(struct output *output);
/* All return 0 or the first error: -EPIPE when the reader went away. */
int output_write(struct output *output, const char *bytes, size_t count);
int output_text(struct output *output, const char *text);
int output_print(struct output *output, const char *format, ...) __attribute__((format(printf, 2, 3)));
int output_flush(struct output *output);
/* Whether a write would fail because the reader of a pipe went away, or one has failed. */
bool output_gone(struct output *output);
/* Untrusted text: as a JSON string with its quotes, and for a terminal. Cut after 8 KiB. */
int output_json_text(struct output *output, const char *text);
int output_escaped(struct output *output, const char *text);
/* At least OUTPUT_ROOM bytes to be filled in place, then told by output_used(). NULL after an error. */
char *output_room(struct output *output);
void output_used(struct output *output, size_t count);
/* Untrusted text for a terminal, as an argument of output_print(): cut after 500 bytes; the last 4 are kept. */
const char *shown(const char *text);
/* Wraps text in an SGR sequence ("1", "31") if colour is on. */
const char *output_sgr(const struct output *output, const char *sgr);

/* Numbers for people, into a static ring of buffers: "12.3M", "1.2 GiB", "4.5 ms", "1.23 s". */
const char *human_count(double count);
const char *human_bytes(double bytes);
const char *human_ns(double ns);

#endif /* EVTRAIL_CONSUMERS_OUTBUF_H */
