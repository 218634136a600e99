/* SPDX-License-Identifier: ISC
 *
 * One column of 64-bit values <-> the few bytes that differ: the innermost loops of the batch codec.
 */
#ifndef EVTRAIL_FILE_COLUMN_H
#define EVTRAIL_FILE_COLUMN_H

#include <stddef.h>
#include <stdint.h>

/* How a column is stored; the numbers are in the file (docs/file-format.md). */
enum evtrail_column_kind {
    EVTRAIL_COLUMN_CONST = 0,  /* every value is `base` */
    EVTRAIL_COLUMN_LINEAR = 1, /* value i is base + i * step */
    EVTRAIL_COLUMN_PLANES = 2, /* the bytes in `mask` are stored, the others are base's */
    EVTRAIL_COLUMN_OFFSET = 3, /* base + what the planes in `mask` hold */
    EVTRAIL_COLUMN_DELTA = 4,  /* value 0 is base; each next one adds the zigzag number that the planes hold */
    EVTRAIL_COLUMN_ROWS = 5,   /* whole words, stored row by row with the shape's other columns of this kind */
    EVTRAIL_COLUMN_DICT = 6,   /* base (at most 256) different values, then one plane of indices into them */
    EVTRAIL_COLUMN_KINDS = 7,
};

struct evtrail_column {
    uint8_t kind;
    uint8_t mask; /* bit b: byte b of the 64-bit number has a plane */
    uint64_t base;
    uint64_t step;
    const uint8_t *planes; /* decoding: `count` bytes for each bit of mask, lowest first; ROWS: first word of row 0 */
    const uint8_t *dictionary; /* decoding, DICT: `base` words */
    size_t stride;             /* decoding, ROWS: bytes from row to row */
};

/* Picks the kind with the fewest planes for values[count], count > 0; not ROWS nor DICT. */
void evtrail_column_plan(const uint64_t *values, size_t count, struct evtrail_column *ret_column);
/* Looks for a dictionary that would take fewer bytes than a planned column's planes: 1 and index[count],
 * dictionary[256] filled in and the column changed, or 0. */
int evtrail_column_dictionary(struct evtrail_column *column, const uint64_t *values, size_t count, uint8_t *index,
                              uint64_t *dictionary);
/* Writes the planes of a planned column to `out` and returns how many bytes they take: count * planes. Overwrites
 * `values`. */
size_t evtrail_column_encode(const struct evtrail_column *column, uint64_t *values, size_t count, uint8_t *out);
/* The values of a column whose `planes` hold count bytes for each plane. */
void evtrail_column_decode(const struct evtrail_column *column, uint64_t *values, size_t count);

#endif /* EVTRAIL_FILE_COLUMN_H */
