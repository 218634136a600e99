/* SPDX-License-Identifier: ISC
 *
 * Bytes of a file at an offset, or of a stream in passing.
 */
#ifndef EVTRAIL_FILE_INPUT_H
#define EVTRAIL_FILE_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct evtrail_input {
    int fd;
    bool stream;    /* offsets only grow; a window is kept */
    bool ended;     /* stream: all is read */
    uint64_t start; /* stream: offset of window[head] */
    uint8_t *window;
    size_t head, used, room; /* what is before head was read and is not needed again */
};
/* "-" is standard input. -EISDIR, or what open(2) gives. */
int evtrail_input_open(struct evtrail_input *input, const char *path);
void evtrail_input_close(struct evtrail_input *input);
/* Up to `bytes` bytes at `offset` (stream: not before the last call's); fewer only at the end. -EINTR: a signal
 * came while a stream was waited for; -EIO. */
ssize_t evtrail_input_read(struct evtrail_input *input, uint64_t offset, uint8_t *out, size_t bytes);
/* A stream's `bytes` bytes at `offset`, if the window holds them already, else NULL. Valid until the next call but this. */
const uint8_t *evtrail_input_held(const struct evtrail_input *input, uint64_t offset, size_t bytes);
/* How many bytes the window holds from `offset` on. */
size_t evtrail_input_holds(const struct evtrail_input *input, uint64_t offset);
/* Drops what the window holds before `offset`. */
void evtrail_input_drop(struct evtrail_input *input, uint64_t offset);
/* Reads more of a stream into the window, and drops nothing. 1: maybe there is more; 0: the end, or nothing came
 * within `wait_ms`; < 0: it cannot be read. */
int evtrail_input_more(struct evtrail_input *input, int wait_ms);
/* Whether a writer holds the file's lock. */
bool evtrail_input_written(const struct evtrail_input *input);
/* The length now; UINT64_MAX for a stream. */
uint64_t evtrail_input_size(const struct evtrail_input *input);

#endif /* EVTRAIL_FILE_INPUT_H */
