/* SPDX-License-Identifier: ISC
 *
 * While a process is recorded its session has the recorder's policy and ring sizes; afterwards what it had before.
 */
#include "record.h"
#include "select.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOKS 20u /* one a flush: a session that was left to the reader goes some time after its end */

struct search {
    uint64_t session_id;
    char path[512];
};

static int find_session(const char *path, void *context)
{
    struct search *const search = context;
    struct evtrail_session *session;
    struct evtrail_session_info info;
    if (evtrail_session_open(&session, path, NULL) < 0)
        return 0;
    const bool found = evtrail_session_info(session, &info) >= 0 && info.session_id == search->session_id;
    evtrail_session_close(session);
    if (found)
        snprintf(search->path, sizeof search->path, "%s", path);
    return found;
}

/* One that ends takes its control file with it. */
static bool is_ending(struct evtrail_session *session)
{
    struct evtrail_session_info info;
    return evtrail_session_info(session, &info) < 0 || !info.alive || info.exiting;
}

static void tune(struct tuning *tuning, struct tuned *item)
{
    struct evtrail_session *session;
    struct evtrail_session_info info;
    if (evtrail_session_open(&session, item->path, NULL) < 0)
        return;
    if (evtrail_session_info(session, &info) >= 0 && info.alive) {
        item->policy = info.policy;
        item->block_bytes = info.block_bytes;
        item->blocks = info.blocks;
        item->changed = true;
        for (unsigned i = 0; i < 3; i++)
            if (tuning->settings[i] && evtrail_session_set(session, tuning->settings[i]) < 0 && !is_ending(session))
                warn(item->path, "the session does not take %s; recording with what it has", tuning->settings[i]);
    }
    evtrail_session_close(session);
}

/* What -p PID names need not be in our directory. */
static void look_elsewhere(struct search *search, const struct consumer *consumer)
{
    const struct text_list *const list = &consumer->args->list[OPT_process];
    for (size_t i = 0; i < list->count && !*search->path; i++)
        evtrail_sessions_named(consumer->options.directory, list->items[i], find_session, search, NULL);
}

static void tuning_add(struct tuning *tuning, const struct consumer *consumer, const struct evtrail_source *source)
{
    struct search search = {.session_id = source->session_id};
    struct tuned *const items = realloc(tuning->items, (tuning->count + 1) * sizeof *items);
    if (!items)
        return;
    tuning->items = items;
    if (evtrail_sessions(consumer->options.directory, find_session, &search) <= 0)
        look_elsewhere(&search, consumer);
    if (!*search.path)
        return;
    struct tuned *const item = &items[tuning->count];
    *item = (struct tuned){.source = source->number, .path = strdup(search.path)};
    if (!item->path)
        return;
    tuning->count++;
    if (!consumer->snapshot && !consumer->args->program) /* a program has the settings from its environment */
        tune(tuning, item);
}

void tuning_apply(struct tuning *tuning, const struct consumer *consumer)
{
    struct evtrail_source *const *sources;
    const uint32_t count = evtrail_reader_sources(consumer->reader, &sources);
    for (; tuning->sources_seen < count; tuning->sources_seen++)
        if (sources[tuning->sources_seen]->live)
            tuning_add(tuning, consumer, sources[tuning->sources_seen]);
}

void tuning_tidy(struct tuning *tuning, const struct consumer *consumer)
{
    struct evtrail_source *const *sources;
    const uint32_t count = evtrail_reader_sources(consumer->reader, &sources);
    for (size_t i = tuning->count; i-- > 0;) {
        struct tuned *const item = &tuning->items[i];
        if (item->looks == LOOKS || item->source >= count || !sources[item->source]->gone)
            continue;
        item->looks++;
        if (access(item->path, F_OK) == 0)
            continue;
        free(item->path);
        *item = tuning->items[--tuning->count];
    }
}

static void put_back(struct evtrail_session *session, const struct tuning *tuning, const struct tuned *item)
{
    char text[64];
    if (tuning->settings[0]) {
        snprintf(text, sizeof text, "policy=%s", policy_name(item->policy));
        evtrail_session_set(session, text);
    }
    if (tuning->settings[1]) {
        snprintf(text, sizeof text, "block=%u", item->block_bytes);
        evtrail_session_set(session, text);
    }
    if (tuning->settings[2]) {
        snprintf(text, sizeof text, "blocks=%u", item->blocks);
        evtrail_session_set(session, text);
    }
}

void tuning_restore(struct tuning *tuning, const struct consumer *consumer, bool remove_dead)
{
    struct evtrail_source *const *sources;
    const uint32_t count = evtrail_reader_sources(consumer->reader, &sources);
    for (size_t i = 0; i < tuning->count; i++) {
        const struct tuned *const item = &tuning->items[i];
        struct evtrail_session *session;
        if (evtrail_session_open(&session, item->path, NULL) < 0)
            continue;
        if (item->changed)
            put_back(session, tuning, item);
        if (remove_dead && item->source < count && sources[item->source]->gone)
            evtrail_session_remove(session);
        evtrail_session_close(session);
    }
    for (size_t i = 0; i < tuning->count; i++)
        free(tuning->items[i].path);
    free(tuning->items);
    *tuning = (struct tuning){0};
}
