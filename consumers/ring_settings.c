/* SPDX-License-Identifier: ISC
 *
 * What a consumer that keeps events wants of the rings: rules, policy and sizes, from the flags of record and send.
 */
#include "skeleton.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rings that `record` and `send` pick: room for 0.2 s of a thread with 5 M events a second. */
#define BLOCK_BYTES INT64_C(262144)
#define BLOCKS INT64_C(64)
#define BLOCK_BYTES_MIN INT64_C(4096)
#define BLOCK_BYTES_MAX (INT64_C(1) << 20)
#define BLOCKS_MAX INT64_C(4096)
#define RING_BYTES_MAX (INT64_C(256) << 20)

static bool power_of_two(int64_t n)
{
    return n > 0 && (n & (n - 1)) == 0;
}

static int64_t power_above(int64_t n)
{
    int64_t power = 1;
    while (power < n)
        power *= 2;
    return power;
}

/* ---- sizes ------------------------------------------------------------------------------------------------------------- */

static int sizes_from_ring(const struct args *args, int64_t *ret_block, int64_t *ret_blocks)
{
    if (args->set[OPT_block_size] && args->set[OPT_blocks])
        return fail(CODE_usage, NULL, "--ring-size is --block-size times --blocks; give two of them at most");
    if (args->number[OPT_ring_size] < 2 * BLOCK_BYTES_MIN || args->number[OPT_ring_size] > RING_BYTES_MAX)
        return fail(CODE_usage, NULL, "--ring-size: 8K to 256M");
    const int64_t ring = power_above(args->number[OPT_ring_size]);
    int64_t block = args->set[OPT_block_size] ? *ret_block : args->set[OPT_blocks] ? ring / *ret_blocks : ring / BLOCKS;
    block = block < BLOCK_BYTES_MIN ? BLOCK_BYTES_MIN : block > BLOCK_BYTES ? BLOCK_BYTES : block;
    *ret_block = block;
    *ret_blocks = ring / block;
    return 0;
}

static int sizes_find(const struct args *args, int64_t *ret_block, int64_t *ret_blocks)
{
    *ret_block = args->set[OPT_block_size] ? args->number[OPT_block_size] : BLOCK_BYTES;
    *ret_blocks = args->set[OPT_blocks] ? args->number[OPT_blocks] : BLOCKS;
    if (!power_of_two(*ret_block) || *ret_block < BLOCK_BYTES_MIN || *ret_block > BLOCK_BYTES_MAX)
        return fail(CODE_usage, NULL, "--block-size: a power of two from 4K to 1M");
    if (!power_of_two(*ret_blocks) || *ret_blocks < 2 || *ret_blocks > BLOCKS_MAX)
        return fail(CODE_usage, NULL, "--blocks: a power of two from 2 to 4096");
    if (args->set[OPT_ring_size]) {
        const int code = sizes_from_ring(args, ret_block, ret_blocks);
        if (code != 0)
            return code;
    }
    if (*ret_blocks < 2 || *ret_blocks > BLOCKS_MAX || *ret_block * *ret_blocks > RING_BYTES_MAX)
        return fail(CODE_usage, NULL, "a ring has 2 to 4096 blocks and at most 256 MiB");
    return 0;
}

/* ---- settings ---------------------------------------------------------------------------------------------------------- */

static char *rules_join(const struct args *args)
{
    const struct text_list *const list = &args->list[OPT_record_enable];
    char *text = strdup(list->count ? list->items[0] : "*");
    for (size_t i = 1; text && i < list->count; i++) {
        char *longer = NULL;
        if (asprintf(&longer, "%s %s", text, list->items[i]) < 0)
            longer = NULL;
        free(text);
        text = longer;
    }
    return text;
}

int ring_settings(const struct args *args, const char *standard, char *rings, size_t rings_size, char **ret_rules,
                  char **ret_settings)
{
    static const char *const policies[] = {"drop", "block", "shed", "overwrite"};
    int64_t block, blocks;
    const int code = sizes_find(args, &block, &blocks);
    if (code != 0)
        return code;
    const char *const policy = args->set[OPT_policy] ? policies[args->number[OPT_policy]] : standard;
    snprintf(rings, rings_size, "policy=%s block=%lld blocks=%lld", policy, (long long)block, (long long)blocks);
    *ret_rules = rules_join(args);
    char *why = NULL;
    if (*ret_rules && evtrail_rules_check(*ret_rules, &why) < 0) {
        const int wrong = fail(CODE_usage, NULL, "%s", why ? why : "out of memory");
        free(why);
        return wrong;
    }
    if (!*ret_rules || asprintf(ret_settings, "%s %s keep=1", *ret_rules, rings) < 0) {
        *ret_settings = NULL;
        return fail(CODE_system, NULL, "out of memory");
    }
    return 0;
}
