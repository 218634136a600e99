/* SPDX-License-Identifier: ISC
 *
 * Writing what is held, or the part of it that is shown, to a trace file.
 */
#include "feed_private.h"

#include <evtrail/file.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint32_t held_paths(struct feed *feed, const char **paths)
{
    const struct hold_segment *segments;
    hold_flush(feed->hold);
    const size_t count = hold_segments(feed->hold, &segments);
    uint32_t used = 0;
    for (size_t i = 0; i < count; i++)
        if (segments[i].events || segments[i].bytes)
            paths[used++] = segments[i].path;
    return used;
}

/* What copying says names the path, and an option that is not there. */
static int refuse(int error, const char *path, const char *why, char **ret_error)
{
    if (error == -EEXIST)
        return feed_say(ret_error, error, "there already, choose another name: %s", path);
    return why ? feed_say(ret_error, error, "%s", why) : feed_say(ret_error, error, "%s: %s", path, strerror(-error));
}

int feed_write(struct feed *feed, const char *path, uint64_t *ret_events, char **ret_error)
{
    const char *segments[HOLD_SEGMENTS];
    const char *const *paths = feed->hold ? segments : (const char *const *)feed->paths;
    const uint32_t count = feed->hold ? held_paths(feed, segments) : (uint32_t)feed->paths_count;
    struct evtrail_file_copy_options options = {.bytes = sizeof options};
    struct evtrail_file_stats stats = {0};
    char *error = NULL;
    if (count == 0)
        return feed_say(ret_error, -ENODATA, "nothing is held that could be written");
    if (feed->past.model) {
        options.from_ns = feed->past.from_ns > 0 ? feed->past.from_ns : 0;
        options.to_ns = feed->past.to_ns < INT64_MAX ? feed->past.to_ns : 0;
    }
    const int r = evtrail_file_copy(paths, count, path, &options, &stats, &error);
    if (r < 0)
        refuse(r, path, error, ret_error);
    else if (ret_events)
        *ret_events = stats.events;
    free(error);
    return r < 0 ? r : 0;
}
