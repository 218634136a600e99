/* SPDX-License-Identifier: ISC
 *
 * Stands in until filter expressions land: no filter can be made, so none of these is reached.
 */
#include <evtrail/reader.h>

#include <errno.h>

__attribute__((weak)) int evtrail_filter_new(struct evtrail_filter **ret_filter, const char *text, char **ret_error)
{
    return -ENOSYS;
}
__attribute__((weak)) void evtrail_filter_free(struct evtrail_filter *filter)
{
}
__attribute__((weak)) bool evtrail_filter_match(const struct evtrail_filter *filter, const struct evtrail_event *event)
{
    return true;
}
__attribute__((weak)) bool evtrail_filter_may_match(const struct evtrail_filter *filter,
                                                    const struct evtrail_source *source,
                                                    const struct evtrail_event_type *type, uint32_t tid,
                                                    int64_t from_ns, int64_t to_ns)
{
    return true;
}
__attribute__((weak)) bool evtrail_filter_needs_spans(const struct evtrail_filter *filter)
{
    return false;
}
