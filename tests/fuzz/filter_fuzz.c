/* SPDX-License-Identifier: ISC
 *
 * Fuzzes filter expressions: the text up to the first 0 is one, the rest is the payload of an event that it is asked about. What
 * matches must not have been ruled out before.
 */
#include <evtrail/reader.h>
#include <evtrail/trace.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct evtrail_field fields[] = {
    {.name = "port", .unit = "", .doc = "", .enums = "", .type = EVTRAIL_TYPE_u16},
    {.name = "host", .unit = "", .doc = "", .enums = "", .type = EVTRAIL_TYPE_string},
    {.name = "share", .unit = "", .doc = "", .enums = "", .type = EVTRAIL_TYPE_f64},
    {.name = "change", .unit = "", .doc = "", .enums = "", .type = EVTRAIL_TYPE_i64},
    {.name = "state", .unit = "", .doc = "", .enums = "0=idle,1=open,", .type = EVTRAIL_TYPE_enum},
};
static const struct evtrail_event_type type = {.id = 20,
                                               .level = EVTRAIL_LEVEL_warning,
                                               .kind = EVTRAIL_KIND_end,
                                               .fields_count = 5,
                                               .name = "pool.conn.open",
                                               .doc = "",
                                               .file = "",
                                               .function = "",
                                               .fields = fields};

static void ask(const struct evtrail_filter *filter, const uint8_t *data, size_t size)
{
    static struct evtrail_source source = {.pid = 99, .command = "server"};
    static const struct evtrail_label labels[4] = {{"request", "7f03"}};
    static uint64_t words[512];
    const size_t bytes = size < sizeof(words) ? size : sizeof(words);
    memset(words, 0, sizeof(words));
    memcpy(words, data, bytes);
    const struct evtrail_event event = {.what = EVTRAIL_EVENT,
                                        .id = 20,
                                        .time = INT64_C(500000000000),
                                        .source = &source,
                                        .type = &type,
                                        .tid = 4711,
                                        .thread_name = "worker",
                                        .payload = words,
                                        .words = (uint32_t)(bytes / 8),
                                        .labels = labels,
                                        .duration = (int64_t)words[0]};
    if (evtrail_filter_match(filter, &event) &&
        !(evtrail_filter_may_match(filter, &source, &type, event.tid, event.time, event.time) &&
          evtrail_filter_may_match(filter, NULL, NULL, 0, INT64_MIN, INT64_MAX)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *error = NULL;
    struct evtrail_filter *filter;
    memcpy(text, data, size);
    text[size] = '\0';
    const size_t length = strlen(text);
    if (evtrail_filter_new(&filter, text, &error) == 0) {
        ask(filter, data + length, size - length);
        evtrail_filter_free(filter);
    } else if (!error) {
        abort();
    }
    free(error);
    free(text);
    return 0;
}
