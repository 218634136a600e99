/* SPDX-License-Identifier: ISC
 *
 * Options that are out of range are refused by name; histograms say what was put in.
 */
#include "internal.h"

#include "loop_fixture.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

static struct evpool_options fresh(void)
{
    return (struct evpool_options){.bytes = sizeof(struct evpool_options)};
}

/* A pool of these options is refused, and the error says which and what it may be. */
static void refused(const struct evpool_options *options, const char *field)
{
    struct evloop *loop;
    struct evpool *pool = NULL;
    struct evpool_error *error = NULL;
    char text[512], wanted[64];
    assert_int_equal(evloop_new(&loop, NULL), 0);
    assert_int_equal(evpool_new(&pool, loop, options, &error), -EINVAL);
    assert_null(pool);
    assert_int_equal(evpool_error_code(error), EVPOOL_ERROR_invalid);
    evpool_error_print(error, text, sizeof text);
    snprintf(wanted, sizeof wanted, "%s is ", field);
    if (strncmp(text, wanted, strlen(wanted)) != 0)
        print_error("%s: %s\n", field, text);
    assert_int_equal(strncmp(text, wanted, strlen(wanted)), 0);
    assert_non_null(strstr(text, "may be"));
    evpool_error_free(error);
    assert_int_equal(evpool_new(&pool, loop, options, NULL), -EINVAL); /* nobody asks why */
    evloop_free(loop);
}

#define REFUSED(field, value) \
    do { \
        struct evpool_options options = fresh(); \
        options.field = value; \
        refused(&options, #field); \
    } while (0)

static void options__each_out_of_range__named(void **state)
{
    (void)state;
    REFUSED(bytes, sizeof(struct evpool_options) + 8);
    REFUSED(bytes, 4);
    REFUSED(max_total, UINT_MAX - 1);
    REFUSED(max_per_name, UINT_MAX - 1);
    REFUSED(max_per_address, UINT_MAX - 1);
    REFUSED(min_idle, UINT_MAX - 1);
    REFUSED(waiters_max, UINT_MAX - 1);
    REFUSED(shared, UINT_MAX);
    REFUSED(acquire_timeout_ns, UINT64_MAX - 1);
    REFUSED(resolve_timeout_ns, 10);
    REFUSED(connect_timeout_ns, 10);
    REFUSED(tls_timeout_ns, 10);
    REFUSED(attempt_delay_ns, 9999999);
    REFUSED(attempt_delay_ns, 2000000001);
    REFUSED(attempt_delay_ns, UINT64_MAX);
    REFUSED(retries, 1001);
    REFUSED(backoff_ns, UINT64_MAX - 1);
    REFUSED(backoff_max_ns, UINT64_MAX - 1);
    REFUSED(spread, (enum evpool_spread)4);
    REFUSED(slow_start_ns, UINT64_MAX - 1);
    REFUSED(eject_failures, UINT_MAX - 1);
    REFUSED(eject_ns, 10);
    REFUSED(eject_max_ns, 10);
    REFUSED(idle_timeout_ns, 10);
    REFUSED(lifetime_ns, 10);
    REFUSED(lifetime_jitter, 101);
    REFUSED(validate_idle_ns, UINT64_MAX - 1);
    REFUSED(health_interval_ns, 10);
    REFUSED(health_timeout_ns, 10);
    REFUSED(leak_ns, 10);
    REFUSED(ttl_min_s, 7 * 86400 + 1);
    REFUSED(ttl_max_s, 7 * 86400 + 1);
    REFUSED(negative_ttl_s, 86401);
}

static void options__contradictory__named(void **state)
{
    (void)state;
    struct evpool_options options = fresh();
    options.max_total = 5;
    options.max_per_name = 6;
    refused(&options, "max_per_name");
    options.max_per_name = 5;
    options.max_per_address = 6;
    refused(&options, "max_per_address");
    options.max_per_address = 0;
    options.min_idle = 6;
    refused(&options, "min_idle");
    options = fresh();
    options.backoff_ns = 2000;
    options.backoff_max_ns = 1000;
    refused(&options, "backoff_ns");
    options = fresh();
    options.eject_ns = 2000000000;
    options.eject_max_ns = 1000000000;
    refused(&options, "eject_ns");
    options = fresh();
    options.ttl_min_s = 10;
    options.ttl_max_s = 9;
    refused(&options, "ttl_min_s");
}

static void options__zero__defaults(void **state)
{
    (void)state;
    struct evpool_options options;
    assert_int_equal(options_resolve(&options, NULL, NULL), 0);
    assert_int_equal(options.max_total, 1024);
    assert_int_equal(options.max_per_name, 64);
    assert_int_equal(options.max_per_address, 64);
    assert_int_equal(options.retries, 2);
    assert_int_equal(options.idle_timeout_ns, 60000000000u);
    assert_int_equal(options.leak_ns, NEVER);
    assert_int_equal(options.lifetime_jitter, 10);
}

static void options__greatest_value__none_or_no_limit(void **state)
{
    (void)state;
    struct evpool_options options = fresh(), to;
    options.max_total = UINT_MAX;
    options.max_per_name = UINT_MAX;
    options.retries = UINT_MAX;
    options.lifetime_jitter = UINT_MAX;
    options.idle_timeout_ns = UINT64_MAX;
    options.backoff_ns = UINT64_MAX;
    assert_int_equal(options_resolve(&to, &options, NULL), 0);
    assert_int_equal(to.max_total, UINT_MAX);
    assert_int_equal(to.max_per_name, UINT_MAX);
    assert_int_equal(to.retries, 0);
    assert_int_equal(to.lifetime_jitter, 0);
    assert_int_equal(to.idle_timeout_ns, NEVER);
    assert_int_equal(to.backoff_ns, 0);
}

static void options__left_to_defaults__give_way(void **state)
{
    (void)state;
    struct evpool_options options = fresh(), to;
    options.max_total = 2;
    options.backoff_max_ns = 1000000;
    options.eject_ns = 90000000000u;
    assert_int_equal(options_resolve(&to, &options, NULL), 0);
    assert_int_equal(to.max_per_name, 2);
    assert_int_equal(to.max_per_address, 2);
    assert_int_equal(to.backoff_ns, 1000000);
    assert_int_equal(to.eject_max_ns, 90000000000u);
}

static void options__of_an_older_program__the_rest_is_default(void **state)
{
    (void)state;
    struct evpool_options options = fresh(), to;
    options.max_total = 7;
    options.leak_ns = 1; /* beyond what an older program knew: whatever lies there is not read */
    options.bytes = offsetof(struct evpool_options, max_per_name);
    assert_int_equal(options_resolve(&to, &options, NULL), 0);
    assert_int_equal(to.max_total, 7);
    assert_int_equal(to.leak_ns, NEVER);
}

static void histogram__values__within_a_sixteenth(void **state)
{
    (void)state;
    static struct evpool_histogram one;
    for (uint64_t value = 1; value < 1ull << 37; value = value * 5 / 4 + 1) {
        memset(&one, 0, sizeof one);
        pool_histogram_add(&one, value);
        pool_histogram_add(&one, value * 4); /* so that the greatest does not answer for all */
        const uint64_t found = evpool_histogram_quantile(&one, 0.5);
        assert_true(found >= value);
        assert_true(found - value <= value / 16);
        assert_int_equal(evpool_histogram_quantile(&one, 1), value * 4);
    }
}

static void histogram__extremes__counted(void **state)
{
    (void)state;
    static struct evpool_histogram histogram;
    assert_int_equal(evpool_histogram_quantile(&histogram, 0.99), 0);
    pool_histogram_add(&histogram, 0);
    pool_histogram_add(&histogram, UINT64_MAX);
    assert_int_equal(histogram.count, 2);
    assert_int_equal(histogram.steps[0], 1);
    assert_int_equal(histogram.steps[EVPOOL_HISTOGRAM_STEPS - 1], 1);
    assert_true(evpool_histogram_quantile(&histogram, 0) <= 1);
    assert_true(evpool_histogram_quantile(&histogram, 1) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options__each_out_of_range__named),
        cmocka_unit_test(options__contradictory__named),
        cmocka_unit_test(options__zero__defaults),
        cmocka_unit_test(options__greatest_value__none_or_no_limit),
        cmocka_unit_test(options__left_to_defaults__give_way),
        cmocka_unit_test(options__of_an_older_program__the_rest_is_default),
        cmocka_unit_test(histogram__values__within_a_sixteenth),
        cmocka_unit_test(histogram__extremes__counted),
    };
    return cmocka_run_group_tests_name("pool options", tests, NULL, NULL);
}
