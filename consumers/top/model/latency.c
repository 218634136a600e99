/* SPDX-License-Identifier: ISC
 *
 * Columns and slots are reused in turn: what is too old is cleared when time moves on.
 */
#include "latency.h"

#include <string.h>

#define SLOT_SECONDS 10u
#define LIE_SECONDS LATENCY_COLUMNS /* time does not go back by so much */

static unsigned step_of(uint64_t ns, unsigned octave)
{
    if (octave < 3)
        return (unsigned)ns & (LATENCY_STEPS - 1);
    if (ns >> octave > 1)
        return LATENCY_STEPS - 1; /* beyond the last octave */
    return (unsigned)(ns >> (octave - 3)) & (LATENCY_STEPS - 1);
}

static void clear_column(struct latency *latency, unsigned column)
{
    for (unsigned i = 0; i < LATENCY_OCTAVES; i++)
        if (latency->octaves[i])
            latency->octaves[i]->cells[STRIP_minute][column] = 0;
}

static void clear_slot(struct latency *latency, unsigned slot)
{
    for (unsigned i = 0; i < LATENCY_OCTAVES; i++)
        if (latency->octaves[i])
            memset(latency->octaves[i]->steps[slot], 0, sizeof latency->octaves[i]->steps[slot]);
}

void latency_clear(struct latency *latency)
{
    for (unsigned i = 0; i < LATENCY_OCTAVES; i++)
        if (latency->octaves[i])
            memset(latency->octaves[i], 0, sizeof *latency->octaves[i]);
    latency->newest = latency->from = latency->width = 0;
}

static void clear_recent(struct latency *latency)
{
    for (unsigned i = 0; i < LATENCY_COLUMNS; i++)
        clear_column(latency, i);
    for (unsigned i = 0; i < LATENCY_SLOTS; i++)
        clear_slot(latency, i);
}

/* Makes `second` the newest. */
static void advance(struct latency *latency, uint32_t second)
{
    const uint32_t gap = second - latency->newest;
    if (gap >= LATENCY_COLUMNS + SLOT_SECONDS) {
        clear_recent(latency);
    } else {
        for (uint32_t at = latency->newest + 1; at != second + 1; at++) {
            clear_column(latency, at % LATENCY_COLUMNS);
            if (at % SLOT_SECONDS == 0)
                clear_slot(latency, at / SLOT_SECONDS % LATENCY_SLOTS);
        }
    }
    latency->newest = second;
}

/* ---- the strip of all time ---- */

static uint16_t add_cells(uint16_t a, uint16_t b)
{
    const uint32_t sum = (uint32_t)a + b;
    return (uint16_t)(sum > UINT16_MAX ? UINT16_MAX : sum);
}

static void halve(struct latency *latency)
{
    for (unsigned i = 0; i < LATENCY_OCTAVES; i++) {
        if (!latency->octaves[i])
            continue;
        uint16_t *const cells = latency->octaves[i]->cells[STRIP_all];
        for (unsigned at = 0; at < LATENCY_COLUMNS / 2; at++)
            cells[at] = add_cells(cells[at * 2], cells[at * 2 + 1]);
        memset(cells + LATENCY_COLUMNS / 2, 0, LATENCY_COLUMNS / 2 * sizeof *cells);
    }
    latency->width *= 2;
}

static unsigned column_of(struct latency *latency, uint32_t second)
{
    if (second < latency->from)
        return 0;
    while ((second - latency->from) / latency->width >= LATENCY_COLUMNS)
        halve(latency);
    return (second - latency->from) / latency->width;
}

/* ---- values ---- */

bool latency_add(struct latency *latency, struct keep *keep, unsigned percent, uint32_t second, uint64_t ns)
{
    const unsigned octave = latency_octave_of(ns);
    struct latency_octave *of = latency->octaves[octave];
    if (!of) {
        of = latency->octaves[octave] = keep_new(keep, sizeof *of, percent);
        if (!of)
            return false;
    }
    if (latency->newest == 0) {
        latency->newest = latency->from = second;
        latency->width = 1;
    }
    if (second > latency->newest || (uint64_t)second + LIE_SECONDS < latency->newest) {
        if (second < latency->newest)
            clear_recent(latency), latency->newest = second;
        else
            advance(latency, second);
    }
    of->steps[second / SLOT_SECONDS % LATENCY_SLOTS][step_of(ns, octave)]++;
    uint16_t *const cell = &of->cells[STRIP_minute][second % LATENCY_COLUMNS];
    *cell = add_cells(*cell, 1);
    uint16_t *const all = &of->cells[STRIP_all][column_of(latency, second)];
    *all = add_cells(*all, 1);
    return true;
}

/* ---- what is asked for ---- */

/* Whether the slot's ten seconds are among the last sixty. */
static bool slot_is_recent(const struct latency *latency, unsigned slot, uint32_t now)
{
    const uint32_t newest = latency->newest / SLOT_SECONDS;
    const uint32_t of = newest - (newest + LATENCY_SLOTS - slot) % LATENCY_SLOTS;
    return of + LATENCY_SLOTS > now / SLOT_SECONDS && of <= newest;
}

static uint64_t step_count(const struct latency *latency, uint32_t slots, unsigned octave, unsigned step)
{
    uint64_t count = 0;
    for (unsigned slot = 0; slot < LATENCY_SLOTS; slot++)
        if (slots >> slot & 1)
            count += latency->octaves[octave]->steps[slot][step];
    return count;
}

static uint64_t step_middle(unsigned octave, unsigned step)
{
    if (octave < 3)
        return step;
    return (UINT64_C(1) << octave) + (((2 * step + 1) * (UINT64_C(1) << octave)) >> 4);
}

uint64_t latency_quantile(const struct latency *latency, uint32_t now, double quantile, uint64_t *ret_count)
{
    uint64_t counts[LATENCY_OCTAVES * LATENCY_STEPS], sum = 0, seen = 0;
    uint32_t slots = 0;
    for (unsigned slot = 0; slot < LATENCY_SLOTS; slot++)
        slots |= (uint32_t)slot_is_recent(latency, slot, now) << slot;
    for (unsigned i = 0; i < LATENCY_OCTAVES * LATENCY_STEPS; i++) {
        const unsigned octave = i / LATENCY_STEPS;
        counts[i] = latency->octaves[octave] ? step_count(latency, slots, octave, i % LATENCY_STEPS) : 0;
        sum += counts[i];
    }
    *ret_count = sum;
    for (unsigned i = 0; i < LATENCY_OCTAVES * LATENCY_STEPS; i++) {
        seen += counts[i];
        if (counts[i] > 0 && (double)seen >= quantile * (double)sum)
            return step_middle(i / LATENCY_STEPS, i % LATENCY_STEPS);
    }
    return 0;
}

uint32_t latency_cell(const struct latency *latency, enum latency_strip strip, uint32_t now, unsigned column,
                      unsigned octave)
{
    const struct latency_octave *const of = latency->octaves[octave];
    if (!of || latency->newest == 0 || column >= LATENCY_COLUMNS)
        return 0;
    if (strip == STRIP_all)
        return of->cells[STRIP_all][column];
    now = now > latency->newest ? now : latency->newest;
    const uint32_t second = now - (LATENCY_COLUMNS - 1 - column);
    if (second > latency->newest || (uint64_t)second + LATENCY_COLUMNS <= latency->newest)
        return 0;
    return of->cells[STRIP_minute][second % LATENCY_COLUMNS];
}
