/* SPDX-License-Identifier: ISC
 *
 * Growing bytes.
 */
#include "blob.h"

#include <evtrail/format.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void blob_fini(struct blob *blob)
{
    free(blob->bytes);
    *blob = (struct blob){0};
}

static char *room(struct blob *blob, size_t count)
{
    if (blob->failed)
        return NULL;
    if (blob->size - blob->used < count) {
        size_t size = blob->size ? blob->size * 2 : 65536;
        while (size - blob->used < count)
            size *= 2;
        char *const bytes = realloc(blob->bytes, size);
        if (!bytes) {
            blob->failed = true;
            return NULL;
        }
        blob->bytes = bytes;
        blob->size = size;
    }
    return blob->bytes + blob->used;
}

void blob_add(struct blob *blob, const void *bytes, size_t count)
{
    char *const at = count > 0 ? room(blob, count) : NULL;
    if (!at)
        return;
    memcpy(at, bytes, count);
    blob->used += count;
}

void blob_text(struct blob *blob, const char *text)
{
    blob_add(blob, text, strlen(text));
}

void blob_print(struct blob *blob, const char *format, ...)
{
    va_list args;
    char *const at = room(blob, 512);
    va_start(args, format);
    const int count = at ? vsnprintf(at, 512, format, args) : 0;
    va_end(args);
    blob->used += count < 512 ? (size_t)count : 511;
}

void blob_json(struct blob *blob, const char *text, size_t bytes)
{
    const size_t most = 6 * bytes + 2;
    char *const at = room(blob, most);
    if (at)
        blob->used += evtrail_format_json_string(text, bytes, at, most);
}

static unsigned planes_of(const uint64_t *values, size_t count, bool delta)
{
    uint64_t all = 0, last = 0;
    for (size_t i = 0; i < count; i++) {
        all |= delta ? values[i] - last : values[i];
        last = values[i];
    }
    unsigned planes = 0;
    for (; all; all >>= 8)
        planes++;
    return planes;
}

void blob_column(struct blob *blob, struct blob *json, const uint64_t *values, size_t count, bool delta)
{
    const unsigned planes = planes_of(values, count, delta);
    blob_print(json, "[%zu,%zu,%u,%d]", blob->used, count, planes, delta);
    for (unsigned plane = 0; plane < planes; plane++) {
        char *const at = room(blob, count);
        if (!at)
            return;
        uint64_t last = 0;
        for (size_t i = 0; i < count; i++) {
            at[i] = (char)((delta ? values[i] - last : values[i]) >> (8 * plane));
            last = values[i];
        }
        blob->used += count;
    }
}
