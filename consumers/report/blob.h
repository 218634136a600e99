/* SPDX-License-Identifier: ISC
 *
 * Bytes in memory that grow: JSON text, and columns of numbers.
 */
#ifndef EVTRAIL_CONSUMERS_BLOB_H
#define EVTRAIL_CONSUMERS_BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blob {
    char *bytes;
    size_t used, size;
    bool failed; /* no memory: what is added is left out */
};
void blob_fini(struct blob *blob);
void blob_add(struct blob *blob, const void *bytes, size_t count);
void blob_text(struct blob *blob, const char *text);
void blob_print(struct blob *blob, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Untrusted text as a JSON string with its quotes. */
void blob_json(struct blob *blob, const char *text, size_t bytes);
/* Numbers as byte planes, lowest first, as few as the largest needs: "[offset,count,planes,delta]" to `json`, the planes to `blob`. With
 * `delta` the differences of rising numbers. */
void blob_column(struct blob *blob, struct blob *json, const uint64_t *values, size_t count, bool delta);

#endif /* EVTRAIL_CONSUMERS_BLOB_H */
