/* SPDX-License-Identifier: ISC
 *
 * What a consumer overrides, packed into one word of its slot: per setting the value before and the one it set, and the order of
 * its coming. No allocation: a traced program calls this. Anybody may have written the word: a lie gives other settings, within
 * their bounds, as writing those would.
 */
#include "shared/override.h"

#include <errno.h>
#include <string.h>

enum { POLICY, BLOCK_BYTES, BLOCKS, OVERRIDES };

/* Codes: 0: not overridden; policy + 1; log2 of block bytes; log2 of blocks. 7 bits each. */
struct override {
    uint8_t before[OVERRIDES], set[OVERRIDES];
    uint16_t number;
};

static struct override unpack(uint64_t word)
{
    struct override o = {.number = (uint16_t)(word >> 48)};
    for (unsigned i = 0; i < OVERRIDES; i++) {
        o.before[i] = word >> (16 * i) & 0x7f;
        o.set[i] = word >> (16 * i + 8) & 0x7f;
    }
    return o;
}

static uint64_t pack(const struct override *o)
{
    uint64_t word = (uint64_t)o->number << 48;
    for (unsigned i = 0; i < OVERRIDES; i++)
        word |= (uint64_t)(o->before[i] & 0x7fu) << (16 * i) | (uint64_t)(o->set[i] & 0x7fu) << (16 * i + 8);
    return word;
}

static void encode(const struct evtrail_settings_values *values, uint8_t codes[OVERRIDES])
{
    codes[POLICY] = (uint8_t)(values->policy + 1);
    codes[BLOCK_BYTES] =
        (uint8_t)__builtin_ctz(values->block_bytes); /* powers of two, as evtrail_settings_read() gives */
    codes[BLOCKS] = (uint8_t)__builtin_ctz(values->blocks);
}

static uint32_t decode(unsigned which, uint8_t code)
{
    return which == POLICY ? code - 1u : 1u << (code & 31);
}

static _Atomic uint32_t *setting(struct evtrail_settings *settings, unsigned which)
{
    return which == POLICY ? &settings->policy : which == BLOCK_BYTES ? &settings->block_bytes : &settings->blocks;
}

static void put(struct evtrail_control *control, unsigned which, uint8_t code)
{
    atomic_store_explicit(setting(&control->settings, which), decode(which, code), memory_order_relaxed);
}

/* C1 (release): the values before the generation; pairs with the acquire in libtrace/policy.c. */
static void changed(struct evtrail_control *control)
{
    atomic_fetch_add_explicit(&control->settings.generation, 1, memory_order_release);
}

/* ---- parsing ---- */

static int key_of(const char *word, size_t bytes)
{
    static const struct {
        const char *text;
        int which;
    } keys[] = {{"policy=", POLICY}, {"block=", BLOCK_BYTES}, {"blocks=", BLOCKS}, {"ring=", BLOCKS}};
    for (unsigned i = 0; i < sizeof(keys) / sizeof(*keys); i++)
        if (bytes > strlen(keys[i].text) && memcmp(word, keys[i].text, strlen(keys[i].text)) == 0)
            return keys[i].which;
    return -EINVAL;
}

/* Applies the text to `settings`; bit i of *ret_asked: setting i is among them. */
static int parse(struct evtrail_settings *settings, const char *text, unsigned *ret_asked)
{
    const char *word;
    size_t bytes;
    unsigned asked = 0;
    while ((word = evtrail_text_word(&text, &bytes))) {
        const int which = key_of(word, bytes);
        const int result = which < 0 ? which : evtrail_settings_apply(settings, word, bytes);
        if (result < 0)
            return result;
        asked |= 1u << which;
    }
    *ret_asked = asked;
    return 0;
}

int evtrail_override_check(const char *text)
{
    struct evtrail_settings settings;
    unsigned asked;
    evtrail_settings_default(&settings);
    return parse(&settings, text, &asked);
}

/* ---- order ---- */

static struct override at(const struct evtrail_control *control, unsigned index)
{
    return unpack(atomic_load_explicit(&control->consumers[index].override, memory_order_relaxed));
}

/* Of those that came after (or, `after` NULL, of all) the first that overrides a setting; -1: none. */
static int first_after(const struct evtrail_control *control, unsigned which, const struct override *after,
                       unsigned than)
{
    int found = -1;
    uint32_t found_order = UINT32_MAX, order_than = after ? (uint32_t)after->number << 8 | than : 0;
    for (unsigned i = 0; i < EVTRAIL_CONSUMERS_MAX; i++) {
        const struct override o = at(control, i);
        const uint32_t order = (uint32_t)o.number << 8 | i;
        if (o.set[which] == 0 || (after && order <= order_than) || order >= found_order)
            continue;
        found = (int)i;
        found_order = order;
    }
    return found;
}

static uint16_t next_number(const struct evtrail_control *control)
{
    uint16_t number = 0;
    for (unsigned i = 0; i < EVTRAIL_CONSUMERS_MAX; i++) {
        const struct override o = at(control, i);
        number = o.number > number ? o.number : number;
    }
    return number < UINT16_MAX ? (uint16_t)(number + 1) : number;
}

/* ---- set and end ---- */

int evtrail_override_set(struct evtrail_control *control, unsigned index, const char *text)
{
    struct evtrail_settings scratch;
    struct evtrail_settings_values before, after;
    struct override o = {{0}, {0}, 0};
    uint8_t old[OVERRIDES], new[OVERRIDES];
    unsigned asked;
    evtrail_settings_read(&control->settings, &before);
    evtrail_settings_default(&scratch);
    atomic_store_explicit(&scratch.policy, before.policy, memory_order_relaxed);
    atomic_store_explicit(&scratch.block_bytes, before.block_bytes, memory_order_relaxed);
    atomic_store_explicit(&scratch.blocks, before.blocks, memory_order_relaxed);
    const int result = parse(&scratch, text, &asked);
    if (result < 0)
        return result;
    evtrail_settings_read(&scratch, &after);
    encode(&before, old);
    encode(&after, new);
    o.number = next_number(control);
    for (unsigned i = 0; i < OVERRIDES; i++) {
        o.before[i] = asked & 1u << i ? old[i] : 0;
        o.set[i] = asked & 1u << i ? new[i] : 0;
    }
    /* The word comes first: one that is killed between leaves settings that are not what it says it set, so that they stay.
     * Release: who takes the word (C14) sees what we saw as `before`. */
    atomic_store_explicit(&control->consumers[index].override, pack(&o), memory_order_release);
    for (unsigned i = 0; i < OVERRIDES; i++)
        if (o.set[i])
            put(control, i, o.set[i]);
    changed(control);
    return 0;
}

/* The one that came next falls back on what was before us. C14 (acq_rel): in one step, as somebody may end it meanwhile. */
static void hand_down(struct evtrail_control *control, unsigned which, unsigned to, uint8_t before)
{
    _Atomic uint64_t *word = &control->consumers[to].override;
    uint64_t old = atomic_load_explicit(word, memory_order_relaxed);
    struct override o;
    do {
        o = unpack(old);
        if (o.set[which] == 0)
            return; /* it has just ended */
        o.before[which] = before;
    } while (!atomic_compare_exchange_weak_explicit(word, &old, pack(&o), memory_order_acq_rel, memory_order_relaxed));
}

void evtrail_override_end(struct evtrail_control *control, unsigned index)
{
    /* C14 (acq_rel): who gets the word puts back, alone, what was last handed down to it; pairs with the store that set it and
     * with hand_down(). With a load and a store two would put back, the second over what was set by hand meanwhile. */
    const uint64_t word = atomic_exchange_explicit(&control->consumers[index].override, 0, memory_order_acq_rel);
    const struct override o = unpack(word);
    struct evtrail_settings_values now;
    uint8_t codes[OVERRIDES];
    if (word == 0)
        return;
    evtrail_settings_read(&control->settings, &now);
    encode(&now, codes);
    for (unsigned i = 0; i < OVERRIDES; i++) {
        const int later = o.set[i] ? first_after(control, i, &o, index) : -1;
        if (later >= 0)
            hand_down(control, i, (unsigned)later, o.before[i]);
        else if (o.set[i] && o.before[i] && codes[i] == o.set[i])
            put(control, i, o.before[i]);
    }
    changed(control);
}

void evtrail_override_base(const struct evtrail_control *control, struct evtrail_settings_values *ret_values)
{
    struct evtrail_settings base;
    evtrail_settings_read(&control->settings, ret_values);
    evtrail_settings_default(&base);
    atomic_store_explicit(&base.policy, ret_values->policy, memory_order_relaxed);
    atomic_store_explicit(&base.block_bytes, ret_values->block_bytes, memory_order_relaxed);
    atomic_store_explicit(&base.blocks, ret_values->blocks, memory_order_relaxed);
    for (unsigned i = 0; i < OVERRIDES; i++) {
        const int first = first_after(control, i, NULL, 0);
        const uint8_t before = first < 0 ? 0 : at(control, (unsigned)first).before[i];
        if (before)
            atomic_store_explicit(setting(&base, i), decode(i, before), memory_order_relaxed);
    }
    struct evtrail_settings_values values;
    evtrail_settings_read(&base, &values);
    ret_values->policy = values.policy;
    ret_values->block_bytes = values.block_bytes;
    ret_values->blocks = values.blocks;
}
