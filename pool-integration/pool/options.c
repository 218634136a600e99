/* SPDX-License-Identifier: ISC
 *
 * What may be configured: each option's default and range in one table, and an error that names the option.
 */
#include "internal.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define SECOND_NS 1000000000ull
#define MS_NS 1000000ull
#define TIME_MAX_NS (10ull * 365 * 86400 * SECOND_NS) /* beyond it is NEVER: sums of times cannot overflow */

enum rule {
    RULE_limit, /* the maximum means no limit */
    RULE_zero,  /* the maximum means 0 */
    RULE_none,  /* the maximum means nothing special */
};

struct option {
    const char *name;
    size_t offset, bytes;
    uint64_t fallback, min, max;
    enum rule rule;
};

#define OPTION(field, fallback, min, max, rule) \
    { \
#field, offsetof(struct evpool_options, field), sizeof((struct evpool_options *)0)->field, fallback, min, max, \
            RULE_##rule \
    }

static const struct option table[] = {
    OPTION(max_total, 1024, 1, 10000000, limit),
    OPTION(max_per_name, 64, 1, 10000000, limit),
    OPTION(max_per_address, UINT_MAX, 1, 10000000, limit),
    OPTION(min_idle, 0, 0, 10000000, zero),
    OPTION(waiters_max, 10000, 1, 10000000, limit),
    OPTION(shared, 1, 1, 1000000, none),
    OPTION(acquire_timeout_ns, 30 * SECOND_NS, 1, TIME_MAX_NS, limit),
    OPTION(resolve_timeout_ns, 5 * SECOND_NS, 1 * MS_NS, TIME_MAX_NS, limit),
    OPTION(connect_timeout_ns, 10 * SECOND_NS, 1 * MS_NS, TIME_MAX_NS, limit),
    OPTION(tls_timeout_ns, 10 * SECOND_NS, 1 * MS_NS, TIME_MAX_NS, limit),
    OPTION(attempt_delay_ns, 250 * MS_NS, 10 * MS_NS, 2 * SECOND_NS, none),
    OPTION(retries, 2, 1, 1000, zero),
    OPTION(backoff_ns, 100 * MS_NS, 1, TIME_MAX_NS, zero),
    OPTION(backoff_max_ns, 5 * SECOND_NS, 1, TIME_MAX_NS, limit),
    OPTION(spread, EVPOOL_SPREAD_round_robin, 0, EVPOOL_SPREAD_random, none),
    OPTION(slow_start_ns, 0, 1, TIME_MAX_NS, zero),
    OPTION(eject_failures, 3, 1, 1000000, limit),
    OPTION(eject_ns, 1 * SECOND_NS, 1 * MS_NS, TIME_MAX_NS, none),
    OPTION(eject_max_ns, 60 * SECOND_NS, 1 * MS_NS, TIME_MAX_NS, limit),
    OPTION(idle_timeout_ns, 60 * SECOND_NS, 1 * MS_NS, TIME_MAX_NS, limit),
    OPTION(lifetime_ns, 1800 * SECOND_NS, 1 * MS_NS, TIME_MAX_NS, limit),
    OPTION(lifetime_jitter, 10, 1, 100, zero),
    OPTION(uses_max, UINT_MAX, 1, UINT_MAX - 1, limit),
    OPTION(validate_idle_ns, 500 * MS_NS, 1, TIME_MAX_NS, limit),
    OPTION(health_interval_ns, UINT64_MAX, 1 * MS_NS, TIME_MAX_NS, limit),
    OPTION(health_timeout_ns, 10 * SECOND_NS, 1 * MS_NS, TIME_MAX_NS, limit),
    OPTION(leak_ns, UINT64_MAX, 1 * MS_NS, TIME_MAX_NS, limit),
    OPTION(ttl_min_s, 1, 1, 7 * 86400, none),
    OPTION(ttl_max_s, 3600, 1, 7 * 86400, none),
    OPTION(negative_ttl_s, 5, 1, 86400, zero),
};

static uint64_t option_get(const struct evpool_options *options, const struct option *option)
{
    const char *at = (const char *)options + option->offset;
    if (option->bytes == sizeof(uint64_t)) {
        uint64_t value;
        memcpy(&value, at, sizeof value);
        return value;
    }
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static void option_set(struct evpool_options *options, const struct option *option, uint64_t value)
{
    char *at = (char *)options + option->offset;
    const uint32_t half = (uint32_t)value;
    if (option->bytes == sizeof value)
        memcpy(at, &value, sizeof value);
    else
        memcpy(at, &half, sizeof half);
}

static int invalid(struct evpool_error **ret_error, const char *name, uint64_t value, uint64_t min, uint64_t max,
                   const char *bound)
{
    if (ret_error)
        *ret_error = error_wrap(NULL, EVPOOL_ERROR_invalid, EINVAL, clock_ns(), 0, "options",
                                "%s is %llu, and may be %llu to %llu%s%s%s", name, (unsigned long long)value,
                                (unsigned long long)min, (unsigned long long)max, bound ? " (" : "", bound ? bound : "",
                                bound ? ")" : "");
    return -EINVAL;
}

/* Applies default and meaning of the greatest value. */
static int option_resolve(struct evpool_options *options, const struct option *option, struct evpool_error **ret_error)
{
    const uint64_t greatest = option->bytes == sizeof(uint64_t) ? UINT64_MAX : UINT_MAX;
    uint64_t value = option_get(options, option);
    if (value == 0)
        value = option->fallback;
    else if (value == greatest && option->rule == RULE_zero)
        value = 0;
    else if ((value < option->min || value > option->max) && !(value == greatest && option->rule == RULE_limit))
        return invalid(ret_error, option->name, value, option->min, option->max, NULL);
    option_set(options, option, value);
    return 0;
}

/* `given`: what the caller wrote. An option that was left to its default gives way. */
static int not_above(unsigned *value, unsigned given, const char *name, unsigned bound, const char *bound_name,
                     struct evpool_error **ret_error)
{
    if (*value <= bound)
        return 0;
    if (given != 0 && given != UINT_MAX)
        return invalid(ret_error, name, given, 1, bound, bound_name);
    *value = bound;
    return 0;
}

static int not_above_time(uint64_t *value, uint64_t given, const char *name, uint64_t *bound, uint64_t bound_given,
                          const char *bound_name, struct evpool_error **ret_error)
{
    if (*value <= *bound)
        return 0;
    if (given != 0 && bound_given != 0)
        return invalid(ret_error, name, given, 1, *bound, bound_name);
    if (bound_given == 0)
        *bound = *value;
    else
        *value = *bound;
    return 0;
}

static int check_together(struct evpool_options *to, const struct evpool_options *given,
                          struct evpool_error **ret_error)
{
    int r = not_above(&to->max_per_name, given->max_per_name, "max_per_name", to->max_total, "max_total", ret_error);
    if (r >= 0)
        r = not_above(&to->max_per_address, given->max_per_address, "max_per_address", to->max_per_name, "max_per_name",
                      ret_error);
    if (r >= 0)
        r = not_above(&to->min_idle, given->min_idle, "min_idle", to->max_per_name, "max_per_name", ret_error);
    if (r >= 0)
        r = not_above_time(&to->backoff_ns, given->backoff_ns, "backoff_ns", &to->backoff_max_ns, given->backoff_max_ns,
                           "backoff_max_ns", ret_error);
    if (r >= 0)
        r = not_above_time(&to->eject_ns, given->eject_ns, "eject_ns", &to->eject_max_ns, given->eject_max_ns,
                           "eject_max_ns", ret_error);
    uint64_t ttl_min = to->ttl_min_s, ttl_max = to->ttl_max_s;
    if (r >= 0)
        r = not_above_time(&ttl_min, given->ttl_min_s, "ttl_min_s", &ttl_max, given->ttl_max_s, "ttl_max_s", ret_error);
    to->ttl_min_s = (uint32_t)ttl_min;
    to->ttl_max_s = (uint32_t)ttl_max;
    return r;
}

/* Copies with defaults filled in; NULL: defaults only. Strings are borrowed. */
int options_resolve(struct evpool_options *to, const struct evpool_options *from, struct evpool_error **ret_error)
{
    struct evpool_options given = {0};
    if (from && (from->bytes < sizeof from->bytes || from->bytes > sizeof given))
        return invalid(ret_error, "bytes", from->bytes, sizeof from->bytes, sizeof given,
                       "sizeof(struct evpool_options)");
    if (from)
        memcpy(&given, from, from->bytes);
    *to = given;
    to->bytes = sizeof *to;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        int r = option_resolve(to, &table[i], ret_error);
        if (r < 0)
            return r;
    }
    return check_together(to, &given, ret_error);
}
