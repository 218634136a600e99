/* SPDX-License-Identifier: ISC
 *
 * Settings, and the words, sizes and durations that they are written in. No allocation: a traced program calls this.
 */
#include "shared/rules.h"
#include "shared/word.h"

#include <errno.h>

/* ---- texts ---- */

const char *evtrail_text_word(const char **text, size_t *ret_bytes)
{
    const char *start = *text + strspn(*text, " \t\n,;");
    size_t bytes = strcspn(start, " \t\n,;");
    *text = start + bytes;
    *ret_bytes = bytes;
    return bytes ? start : NULL;
}

static int parse_number(const char **text, const char *end, uint64_t *ret_number)
{
    uint64_t number = 0;
    const char *at = *text;
    if (at == end)
        return -EINVAL;
    for (; at < end && *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(number, 10u, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*at - '0'), &number))
            return -ERANGE;
    if (at == *text)
        return -EINVAL;
    *text = at;
    *ret_number = number;
    return 0;
}

struct unit {
    const char *name;
    uint64_t factor;
};

static int parse_quantity(const char *text, size_t bytes, const struct unit *units, uint64_t *ret_value)
{
    uint64_t number;
    const char *end = text + bytes;
    int result = parse_number(&text, end, &number);
    if (result < 0)
        return result;
    for (; units->name; units++)
        if (is_word(text, (size_t)(end - text), units->name))
            return __builtin_mul_overflow(number, units->factor, ret_value) ? -ERANGE : 0;
    return -EINVAL;
}

int evtrail_text_bytes(const char *text, size_t bytes, uint64_t *ret_bytes)
{
    static const struct unit units[] = {
        {"", 1},           {"B", 1},          {"K", 1u << 10},  {"k", 1u << 10},   {"KB", 1u << 10},
        {"KiB", 1u << 10}, {"M", 1u << 20},   {"MB", 1u << 20}, {"MiB", 1u << 20}, {"G", 1u << 30},
        {"GB", 1u << 30},  {"GiB", 1u << 30}, {NULL, 0},
    };
    return parse_quantity(text, bytes, units, ret_bytes);
}

int evtrail_text_ns(const char *text, size_t bytes, uint64_t *ret_ns)
{
    static const struct unit units[] = {
        {"ns", 1},           {"us", 1000},          {"ms", 1000000},       {"s", 1000000000u},
        {"m", 60000000000u}, {"min", 60000000000u}, {"h", 3600000000000u}, {NULL, 0},
    };
    if (is_word(text, bytes, "0")) {
        *ret_ns = 0;
        return 0;
    }
    return parse_quantity(text, bytes, units, ret_ns);
}

/* ---- settings ---- */

#define NS_PER_S 1000000000u

void evtrail_settings_default(struct evtrail_settings *settings)
{
    atomic_store_explicit(&settings->policy, EVTRAIL_POLICY_overwrite, memory_order_relaxed);
    atomic_store_explicit(&settings->block_bytes, 64u << 10, memory_order_relaxed);
    atomic_store_explicit(&settings->blocks, 16, memory_order_relaxed);
    atomic_store_explicit(&settings->deadline_ns, NS_PER_S / 10, memory_order_relaxed);
    atomic_store_explicit(&settings->lease_ns, 2ull * NS_PER_S, memory_order_relaxed);
    atomic_store_explicit(&settings->memory_bytes, 1ull << 30, memory_order_relaxed);
    atomic_store_explicit(&settings->flags, 0, memory_order_relaxed);
}

static uint64_t bounded(uint64_t value, uint64_t low, uint64_t high)
{
    return value < low ? low : value > high ? high : value;
}

static uint32_t power_of_two(uint64_t value)
{
    uint32_t power = 1;
    while (power < value && power < (1u << 30))
        power <<= 1;
    return power;
}

#define DEADLINE_MAX_NS (60ull * NS_PER_S)
#define LEASE_MIN_NS (NS_PER_S / 10)
#define LEASE_MAX_NS (600ull * NS_PER_S)
#define MEMORY_MIN_BYTES (64u << 10)
#define MEMORY_MAX_BYTES (1ull << 40)

void evtrail_settings_read(const struct evtrail_settings *settings, struct evtrail_settings_values *ret_values)
{
    struct evtrail_settings_values v;
    v.policy = atomic_load_explicit(&settings->policy, memory_order_relaxed);
    if (v.policy >= EVTRAIL_POLICIES)
        v.policy = EVTRAIL_POLICY_overwrite;
    v.block_bytes = power_of_two(bounded(atomic_load_explicit(&settings->block_bytes, memory_order_relaxed),
                                         EVTRAIL_BLOCK_BYTES_MIN, EVTRAIL_BLOCK_BYTES_MAX));
    v.blocks = power_of_two(
        bounded(atomic_load_explicit(&settings->blocks, memory_order_relaxed), EVTRAIL_BLOCKS_MIN, EVTRAIL_BLOCKS_MAX));
    while ((uint64_t)v.block_bytes * v.blocks > EVTRAIL_RING_BYTES_MAX)
        v.blocks /= 2;
    v.flags = atomic_load_explicit(&settings->flags, memory_order_relaxed);
    v.deadline_ns = bounded(atomic_load_explicit(&settings->deadline_ns, memory_order_relaxed), 0, DEADLINE_MAX_NS);
    v.lease_ns = bounded(atomic_load_explicit(&settings->lease_ns, memory_order_relaxed), LEASE_MIN_NS, LEASE_MAX_NS);
    v.memory_bytes = bounded(atomic_load_explicit(&settings->memory_bytes, memory_order_relaxed), MEMORY_MIN_BYTES,
                             MEMORY_MAX_BYTES);
    *ret_values = v;
}

static int set_bounded32(_Atomic uint32_t *to, uint64_t value, uint64_t low, uint64_t high)
{
    if (value < low || value > high)
        return -ERANGE;
    atomic_store_explicit(to, (uint32_t)value, memory_order_relaxed);
    return 0;
}

static int set_bounded64(_Atomic uint64_t *to, uint64_t value, uint64_t low, uint64_t high)
{
    if (value < low || value > high)
        return -ERANGE;
    atomic_store_explicit(to, value, memory_order_relaxed);
    return 0;
}

static int set_sizes(struct evtrail_settings *settings, const char *key, size_t key_bytes, uint64_t value)
{
    if (is_word(key, key_bytes, "block"))
        return set_bounded32(&settings->block_bytes, power_of_two(bounded(value, 0, 1u << 30)), EVTRAIL_BLOCK_BYTES_MIN,
                             EVTRAIL_BLOCK_BYTES_MAX);
    if (is_word(key, key_bytes, "blocks"))
        return set_bounded32(&settings->blocks, power_of_two(bounded(value, 0, 1u << 30)), EVTRAIL_BLOCKS_MIN,
                             EVTRAIL_BLOCKS_MAX);
    if (is_word(key, key_bytes, "memory"))
        return set_bounded64(&settings->memory_bytes, value, MEMORY_MIN_BYTES, MEMORY_MAX_BYTES);
    if (!is_word(key, key_bytes, "ring"))
        return -EINVAL;
    uint32_t block = atomic_load_explicit(&settings->block_bytes, memory_order_relaxed);
    if (block < EVTRAIL_BLOCK_BYTES_MIN || value < 2ull * block || value > EVTRAIL_RING_BYTES_MAX)
        return -ERANGE;
    return set_bounded32(&settings->blocks, power_of_two(value / block), EVTRAIL_BLOCKS_MIN, EVTRAIL_BLOCKS_MAX);
}

static int set_one(struct evtrail_settings *settings, const char *key, size_t key_bytes, const char *value,
                   size_t bytes)
{
    uint64_t number;
    if (is_word(key, key_bytes, "policy")) {
        int policy = evtrail_policy_parse(value, bytes);
        if (policy >= 0)
            atomic_store_explicit(&settings->policy, (uint32_t)policy, memory_order_relaxed);
        return policy < 0 ? policy : 0;
    }
    if (is_word(key, key_bytes, "keep")) {
        if (bytes != 1 || (*value != '0' && *value != '1'))
            return -EINVAL;
        uint32_t flags = atomic_load_explicit(&settings->flags, memory_order_relaxed) & ~EVTRAIL_SETTING_KEEP;
        atomic_store_explicit(&settings->flags, flags | (*value == '1' ? EVTRAIL_SETTING_KEEP : 0),
                              memory_order_relaxed);
        return 0;
    }
    bool deadline = is_word(key, key_bytes, "deadline");
    if (deadline || is_word(key, key_bytes, "lease")) {
        int result = evtrail_text_ns(value, bytes, &number);
        if (result < 0)
            return result;
        return deadline ? set_bounded64(&settings->deadline_ns, number, 0, DEADLINE_MAX_NS)
                        : set_bounded64(&settings->lease_ns, number, LEASE_MIN_NS, LEASE_MAX_NS);
    }
    int result = evtrail_text_bytes(value, bytes, &number);
    return result < 0 ? result : set_sizes(settings, key, key_bytes, number);
}

int evtrail_settings_apply(struct evtrail_settings *settings, const char *text, size_t bytes)
{
    const char *equals = memchr(text, '=', bytes);
    if (!equals)
        return -EINVAL;
    int result = set_one(settings, text, (size_t)(equals - text), equals + 1, (size_t)(text + bytes - equals - 1));
    if (result == 0)
        /* C1 (release): the values before the generation; a writer that sees the new one (acquire, policy.c) sees them. */
        atomic_fetch_add_explicit(&settings->generation, 1, memory_order_release);
    return result;
}
