/* SPDX-License-Identifier: ISC
 *
 * A file that grows by whole units (frames that belong together) and never keeps a part of one: after a failure it
 * is cut back to the last unit that was written whole.
 */
#ifndef EVTRAIL_FILE_OUTPUT_H
#define EVTRAIL_FILE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EVTRAIL_OUTPUT_UNIT_MAX = 3 << 20 };

struct evtrail_output_options {
    bool force, sync, no_uring;
    bool keep; /* buffers and io_uring come from such a file that was closed, and are left for the next */
    size_t buffer_bytes;
};
/* What did not make it into the file. */
struct evtrail_output_loss {
    uint64_t events, batches, raw_bytes;
};
struct evtrail_output;
int evtrail_output_open(struct evtrail_output **ret_output, const char *path,
                        const struct evtrail_output_options *options);
/* Room for a unit of at most so many bytes (<= EVTRAIL_OUTPUT_UNIT_MAX). NULL: writing has failed, see
 * evtrail_output_error(). */
uint8_t *evtrail_output_reserve(struct evtrail_output *output, size_t bytes);
/* `bytes` of the room are a unit now. events and raw_bytes are for the account of a loss; a batch has raw_bytes. */
void evtrail_output_commit(struct evtrail_output *output, size_t bytes, bool batch, uint64_t events,
                           uint64_t raw_bytes);
/* Starts writing what is buffered. */
int evtrail_output_push(struct evtrail_output *output);
/* Writes all, waits, and syncs with option `sync`. */
int evtrail_output_flush(struct evtrail_output *output);
/* The file's length once all is written. */
uint64_t evtrail_output_offset(const struct evtrail_output *output);
size_t evtrail_output_buffered(const struct evtrail_output *output);
bool evtrail_output_uring(const struct evtrail_output *output);
/* 0, or the errno of the failure and what was lost by it. */
int evtrail_output_error(const struct evtrail_output *output, struct evtrail_output_loss *ret_loss);
/* Forgets a failure: what is written from now on goes behind the last whole unit. */
void evtrail_output_retry(struct evtrail_output *output);
/* Does not flush. */
void evtrail_output_close(struct evtrail_output *output);

#endif /* EVTRAIL_FILE_OUTPUT_H */
