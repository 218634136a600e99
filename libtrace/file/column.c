/* SPDX-License-Identifier: ISC
 *
 * One column of 64-bit values <-> the few bytes that differ. The loops are plain C that compilers turn into vector
 * code; on x86-64 they are compiled twice, once for AVX2, and the first use picks. Both give the same bytes.
 */
#include "file/column.h"

#include <stdatomic.h>
#include <string.h>

#define BODY static inline __attribute__((always_inline))

struct survey {
    uint64_t changed; /* bits in which any value differs from the first */
    uint64_t uneven;  /* bits in which any step differs from the first step */
    uint64_t zigzag;  /* bits that any step uses, as a zigzag number */
    int64_t min, max;
};

struct kernels {
    void (*survey)(const uint64_t *values, size_t count, struct survey *survey);
    void (*subtract)(uint64_t *values, size_t count, uint64_t base);
    void (*differences)(uint64_t *values, size_t count);
    void (*plane)(const uint64_t *values, size_t count, unsigned shift, uint8_t *out);
    void (*gather)(const uint8_t *plane, size_t count, unsigned shift, uint64_t base, uint64_t *values);
    void (*merge)(const uint8_t *plane, size_t count, unsigned shift, uint64_t *values);
    void (*gather2)(const uint8_t *planes, size_t count, const unsigned *shifts, uint64_t base, uint64_t *values);
    void (*gather3)(const uint8_t *planes, size_t count, const unsigned *shifts, uint64_t base, uint64_t *values);
};

BODY uint64_t zigzag(uint64_t delta)
{
    return delta << 1 ^ (uint64_t)((int64_t)delta >> 63);
}

BODY uint64_t unzigzag(uint64_t number)
{
    return number >> 1 ^ -(number & 1);
}

BODY void survey_body(const uint64_t *values, size_t count, struct survey *survey)
{
    const uint64_t first = values[0];
    const uint64_t step = count > 1 ? values[1] - first : 0;
    uint64_t changed = 0, uneven = 0, steps = 0;
    int64_t min = (int64_t)first, max = min;
    for (size_t i = 1; i < count; i++) {
        const uint64_t delta = values[i] - values[i - 1];
        const int64_t value = (int64_t)values[i];
        changed |= values[i] ^ first;
        uneven |= delta ^ step;
        steps |= zigzag(delta);
        min = value < min ? value : min;
        max = value > max ? value : max;
    }
    *survey = (struct survey){changed, uneven, steps, min, max};
}

BODY void subtract_body(uint64_t *values, size_t count, uint64_t base)
{
    for (size_t i = 0; i < count; i++)
        values[i] -= base;
}

BODY void differences_body(uint64_t *values, size_t count)
{
    for (size_t i = count - 1; i > 0; i--)
        values[i] = zigzag(values[i] - values[i - 1]);
    values[0] = 0;
}

BODY void plane_body(const uint64_t *values, size_t count, unsigned shift, uint8_t *out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (uint8_t)(values[i] >> shift);
}

BODY void gather_body(const uint8_t *plane, size_t count, unsigned shift, uint64_t base, uint64_t *values)
{
    for (size_t i = 0; i < count; i++)
        values[i] = base + ((uint64_t)plane[i] << shift);
}

BODY void merge_body(const uint8_t *plane, size_t count, unsigned shift, uint64_t *values)
{
    for (size_t i = 0; i < count; i++)
        values[i] += (uint64_t)plane[i] << shift;
}

BODY void gather2_body(const uint8_t *planes, size_t count, const unsigned *shifts, uint64_t base, uint64_t *values)
{
    const uint8_t *second = planes + count;
    const unsigned shift0 = shifts[0], shift1 = shifts[1];
    for (size_t i = 0; i < count; i++)
        values[i] = base + ((uint64_t)planes[i] << shift0) + ((uint64_t)second[i] << shift1);
}

BODY void gather3_body(const uint8_t *planes, size_t count, const unsigned *shifts, uint64_t base, uint64_t *values)
{
    const uint8_t *second = planes + count, *third = second + count;
    const unsigned shift0 = shifts[0], shift1 = shifts[1], shift2 = shifts[2];
    for (size_t i = 0; i < count; i++)
        values[i] =
            base + ((uint64_t)planes[i] << shift0) + ((uint64_t)second[i] << shift1) + ((uint64_t)third[i] << shift2);
}

/* One set of kernels, compiled with the attributes given. */
#define KERNELS(name, ...) \
    __VA_ARGS__ static void name##_survey(const uint64_t *values, size_t count, struct survey *survey) \
    { \
        survey_body(values, count, survey); \
    } \
    __VA_ARGS__ static void name##_subtract(uint64_t *values, size_t count, uint64_t base) \
    { \
        subtract_body(values, count, base); \
    } \
    __VA_ARGS__ static void name##_differences(uint64_t *values, size_t count) \
    { \
        differences_body(values, count); \
    } \
    __VA_ARGS__ static void name##_plane(const uint64_t *values, size_t count, unsigned shift, uint8_t *restrict out) \
    { \
        plane_body(values, count, shift, out); \
    } \
    __VA_ARGS__ static void name##_gather(const uint8_t *restrict plane, size_t count, unsigned shift, uint64_t base, \
                                          uint64_t *restrict values) \
    { \
        gather_body(plane, count, shift, base, values); \
    } \
    __VA_ARGS__ static void name##_merge(const uint8_t *restrict plane, size_t count, unsigned shift, \
                                         uint64_t *restrict values) \
    { \
        merge_body(plane, count, shift, values); \
    } \
    __VA_ARGS__ static void name##_gather2(const uint8_t *restrict planes, size_t count, \
                                           const unsigned *restrict shifts, uint64_t base, uint64_t *restrict values) \
    { \
        gather2_body(planes, count, shifts, base, values); \
    } \
    __VA_ARGS__ static void name##_gather3(const uint8_t *restrict planes, size_t count, \
                                           const unsigned *restrict shifts, uint64_t base, uint64_t *restrict values) \
    { \
        gather3_body(planes, count, shifts, base, values); \
    } \
    static const struct kernels name##_kernels = {name##_survey, name##_subtract, name##_differences, name##_plane, \
                                                  name##_gather, name##_merge,    name##_gather2,     name##_gather3};

#define VECTORISE __attribute__((optimize("O3")))
#ifdef __clang__
#undef VECTORISE
#define VECTORISE
#endif

KERNELS(plain, VECTORISE)
#ifdef __x86_64__
KERNELS(avx2, VECTORISE __attribute__((target("avx2"))))

static const struct kernels *pick(void)
{
    return __builtin_cpu_supports("avx2") ? &avx2_kernels : &plain_kernels;
}
#else
static const struct kernels *pick(void)
{
    return &plain_kernels;
}
#endif

/* Relaxed: every thread that finds NULL picks the same constant. */
static const struct kernels *kernels(void)
{
    static const struct kernels *_Atomic picked;
    const struct kernels *k = atomic_load_explicit(&picked, memory_order_relaxed);
    if (!k) {
        k = pick();
        atomic_store_explicit(&picked, k, memory_order_relaxed);
    }
    return k;
}

static uint8_t byte_mask(uint64_t bits)
{
    uint8_t mask = 0;
    for (unsigned b = 0; b < 8; b++)
        mask |= (uint8_t)((bits >> 8 * b & 255 ? 1u : 0u) << b);
    return mask;
}

/* Bytes 0 .. the highest that `range` uses. */
static uint8_t low_mask(uint64_t range)
{
    const unsigned bits = range ? 64 - (unsigned)__builtin_clzll(range) : 0;
    return (uint8_t)((1u << (bits + 7) / 8) - 1);
}

/* Takes the candidate if it has fewer planes than what there is. */
static void consider(struct evtrail_column *column, uint8_t kind, uint8_t mask, uint64_t base)
{
    if (__builtin_popcount(mask) >= __builtin_popcount(column->mask))
        return;
    column->kind = kind;
    column->mask = mask;
    column->base = base;
}

void evtrail_column_plan(const uint64_t *values, size_t count, struct evtrail_column *ret_column)
{
    struct survey survey;
    kernels()->survey(values, count, &survey);
    struct evtrail_column column = {.kind = EVTRAIL_COLUMN_CONST, .base = values[0]};
    if (survey.changed) {
        if (!survey.uneven) {
            column.kind = EVTRAIL_COLUMN_LINEAR;
            column.step = values[1] - values[0];
        } else {
            const uint8_t changed = byte_mask(survey.changed);
            column.kind = EVTRAIL_COLUMN_PLANES;
            column.mask = changed;
            consider(&column, EVTRAIL_COLUMN_OFFSET, low_mask((uint64_t)survey.max - (uint64_t)survey.min),
                     (uint64_t)survey.min);
            consider(&column, EVTRAIL_COLUMN_DELTA, byte_mask(survey.zigzag), values[0]);
        }
    }
    *ret_column = column;
}

size_t evtrail_column_encode(const struct evtrail_column *column, uint64_t *values, size_t count, uint8_t *out)
{
    const struct kernels *k = kernels();
    if (column->kind == EVTRAIL_COLUMN_OFFSET)
        k->subtract(values, count, column->base);
    else if (column->kind == EVTRAIL_COLUMN_DELTA)
        k->differences(values, count);
    size_t bytes = 0;
    for (unsigned b = 0; b < 8; b++)
        if (column->mask >> b & 1) {
            k->plane(values, count, 8 * b, out + bytes);
            bytes += count;
        }
    return bytes;
}

/* What the planes do not hold of base: PLANES keeps its other bytes, OFFSET adds to all of it, DELTA starts from it. */
static uint64_t planes_base(const struct evtrail_column *column)
{
    uint64_t base = column->base;
    if (column->kind == EVTRAIL_COLUMN_DELTA)
        return 0;
    for (unsigned b = 0; b < 8 && column->kind == EVTRAIL_COLUMN_PLANES; b++)
        if (column->mask >> b & 1)
            base &= ~(UINT64_C(255) << 8 * b);
    return base;
}

static void gather_planes(const struct evtrail_column *column, uint64_t *values, size_t count)
{
    const struct kernels *k = kernels();
    const uint64_t base = planes_base(column);
    unsigned shifts[8] = {0}, planes = 0, done;
    for (unsigned b = 0; b < 8; b++)
        if (column->mask >> b & 1)
            shifts[planes++] = 8 * b;
    if (planes >= 3) {
        k->gather3(column->planes, count, shifts, base, values);
        done = 3;
    } else if (planes == 2) {
        k->gather2(column->planes, count, shifts, base, values);
        done = 2;
    } else if (planes == 1) {
        k->gather(column->planes, count, shifts[0], base, values);
        done = 1;
    } else {
        for (size_t i = 0; i < count; i++)
            values[i] = base;
        done = 0;
    }
    for (; done < planes; done++)
        k->merge(column->planes + done * count, count, shifts[done], values);
}

static void sum_up(uint64_t *values, size_t count, uint64_t base)
{
    for (size_t i = 0; i < count; i++) {
        base += unzigzag(values[i]);
        values[i] = base;
    }
}

void evtrail_column_decode(const struct evtrail_column *column, uint64_t *values, size_t count)
{
    uint64_t value = column->base;
    switch (column->kind) {
    case EVTRAIL_COLUMN_CONST:
    case EVTRAIL_COLUMN_LINEAR:
        for (size_t i = 0; i < count; i++, value += column->step)
            values[i] = value;
        return;
    case EVTRAIL_COLUMN_DICT:
        for (size_t i = 0; i < count; i++)
            memcpy(&values[i], column->dictionary + 8 * (size_t)column->planes[i], 8);
        return;
    case EVTRAIL_COLUMN_ROWS:
        for (size_t i = 0; i < count; i++)
            memcpy(&values[i], column->planes + i * column->stride, 8);
        return;
    default:
        gather_planes(column, values, count);
        if (column->kind == EVTRAIL_COLUMN_DELTA)
            sum_up(values, count, column->base);
    }
}
