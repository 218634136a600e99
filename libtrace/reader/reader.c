/* SPDX-License-Identifier: ISC
 *
 * struct evtrail_reader: its options, sources and faults; the public calls.
 */
#include "reader/reader_private.h"

#include "reader/clock_live.h"
#include "reader/consumer.h"
#include "reader/filter.h"
#include "reader/live.h"
#include "reader/ocaml_feed.h"
#include "reader/ocaml_follow.h"
#include "reader/ocaml_input.h"
#include "reader/schema.h"
#include "shared/override.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEMORY_BYTES ((size_t)48 << 20)
#define MEMORY_BYTES_MIN ((size_t)1 << 20)
#define LEFT_NS 200000000u
#define UNREADY_NS 2000000000u /* a session takes well under a millisecond to make */

/* ---- faults ---- */

void evtrail_reader_fault(struct evtrail_reader *reader, int code, const struct evtrail_fault *fault)
{
    if (reader->faults_count == EVTRAIL_FAULTS_MAX)
        return; /* those that are there say enough */
    reader->faults[reader->faults_count].code = code;
    reader->faults[reader->faults_count++].fault = *fault;
}

int evtrail_reader_fail(struct evtrail_reader *reader, int code, const struct evtrail_fault *fault)
{
    if (code < 0)
        reader->fault = *fault;
    return code;
}

static int take_fault(struct evtrail_reader *reader)
{
    int code = reader->faults[0].code;
    reader->fault = reader->faults[0].fault;
    reader->faults_count--;
    memmove(&reader->faults[0], &reader->faults[1], reader->faults_count * sizeof(reader->faults[0]));
    return code;
}

const char *evtrail_reader_error(const struct evtrail_reader *reader)
{
    return reader->fault.text;
}

/* ---- new, free ---- */

static void take_options(struct evtrail_reader *reader, const struct evtrail_reader_options *options)
{
    if (options) /* a caller built with an older header has a shorter struct */
        memcpy(&reader->options, options, options->bytes < sizeof(*options) ? options->bytes : sizeof(*options));
    if (reader->options.memory_bytes == 0)
        reader->options.memory_bytes = MEMORY_BYTES;
    if (reader->options.memory_bytes < MEMORY_BYTES_MIN)
        reader->options.memory_bytes = MEMORY_BYTES_MIN;
    snprintf(reader->name, sizeof(reader->name), "%s", reader->options.name ? reader->options.name : "reader");
}

static int prepare(struct evtrail_reader *reader)
{
    const struct evtrail_reader_options *options = &reader->options;
    int result = evtrail_sessions_directory(options->directory, reader->directory, sizeof(reader->directory));
    if (result == 0 && options->enable)
        result = evtrail_rules_fault(options->enable, NULL);
    if (result == 0 && options->enable && !(reader->enable = strdup(options->enable)))
        result = -ENOMEM;
    if (result == 0 && options->settings)
        result = evtrail_override_check(options->settings);
    if (result == 0 && options->settings && !(reader->settings = strdup(options->settings)))
        result = -ENOMEM;
    if (result == 0 && (options->spans || (options->filter && evtrail_filter_needs_spans(options->filter))) &&
        !(reader->spans = evtrail_spans_new()))
        result = -ENOMEM;
    return result;
}

int evtrail_reader_new(struct evtrail_reader **ret_reader, const struct evtrail_reader_options *options)
{
    struct evtrail_reader *reader = calloc(1, sizeof(*reader));
    if (!reader)
        return -ENOMEM;
    take_options(reader, options);
    int result = prepare(reader);
    if (result < 0) {
        evtrail_reader_free(reader);
        return result;
    }
    reader->last_time = reader->sought_ns = INT64_MIN;
    reader->gap_ns = evtrail_reader_longest_gap(reader);
    reader->progress_ns = evtrail_monotonic_now();
    *ret_reader = reader;
    return 0;
}

static void free_table(struct evtrail_skip_table **table)
{
    for (struct evtrail_skip_table *next; *table; *table = next) {
        next = (*table)->before;
        free(*table);
    }
}

static void free_skips(struct evtrail_skips *skips)
{
    for (uint32_t id = 0; id < skips->plans_count; id++)
        free(skips->plans[id]);
    free(skips->plans);
    free_table(&skips->filtered);
    free_table(&skips->stateless);
    skips->plans = NULL;
    skips->plans_count = 0;
}

/* Files that an ended process left to those who watch: each has had the time to open them. */
static void remove_files(struct evtrail_reader *reader, uint32_t place)
{
    const struct evtrail_live *live = evtrail_input_live(reader->ended[place].input);
    if (!reader->ended[place].since_ns)
        return;
    reader->ended[place].since_ns = 0;
    reader->left_count--;
    unlink(live->control_path);
    unlink(live->path);
}

static void remove_left(struct evtrail_reader *reader, uint64_t now_ns)
{
    for (uint32_t i = 0; i < EVTRAIL_ENDED_KEPT && reader->left_count; i++)
        if (reader->ended[i].since_ns && now_ns - reader->ended[i].since_ns > LEFT_NS)
            remove_files(reader, i);
}

void evtrail_reader_free(struct evtrail_reader *reader)
{
    if (!reader)
        return;
    evtrail_watch_free(reader->watch);
    evtrail_trees_free(reader);
    for (uint32_t i = 0; i < reader->inputs_count; i++)
        reader->inputs[i]->operations->close(reader->inputs[i]);
    remove_left(reader, UINT64_MAX);
    for (uint32_t i = 0; i < EVTRAIL_ENDED_KEPT; i++)
        if (reader->ended[i].input)
            reader->ended[i].input->operations->close(reader->ended[i].input);
    evtrail_ocaml_follow_free(reader);
    evtrail_ocaml_pump_free(reader->pump);
    for (uint32_t i = 0; i < reader->sources_count; i++) {
        free_skips(&reader->skips[i]);
        free(reader->skips[i].stub);
    }
    evtrail_merge_fini(reader);
    evtrail_spans_free(reader->spans);
    free(reader->inputs);
    free(reader->ocaml_copied);
    free(reader->sources);
    free(reader->skips);
    free(reader->notices);
    free(reader->enable);
    free(reader->settings);
    free(reader->unready);
    free(reader);
}

/* ---- sources ---- */

static int grow(void *array, uint32_t count, uint32_t *capacity, size_t bytes)
{
    if (count < *capacity)
        return 0;
    void **at = array;
    uint32_t wanted = *capacity * 2 + 8;
    void *moved = realloc(*at, wanted * bytes);
    if (!moved)
        return -ENOMEM;
    *at = moved;
    *capacity = wanted;
    return 0;
}

int evtrail_reader_add_input(struct evtrail_reader *reader, struct evtrail_input *input)
{
    if (grow(&reader->inputs, reader->inputs_count, &reader->inputs_capacity, sizeof(struct evtrail_input *)) < 0)
        return -ENOMEM;
    reader->inputs[reader->inputs_count++] = input;
    return 0;
}

static const char *keep_text(char **room, const char *text)
{
    char *kept = *room;
    *room = stpcpy(kept, text) + 1;
    return kept;
}

/* Who a process was, in a few hundred bytes. NULL: no memory. */
static struct evtrail_source *stub_of(const struct evtrail_source *source)
{
    const size_t texts = strlen(source->command) + strlen(source->program) + strlen(source->host) +
                         strlen(source->boot_id) + (source->path ? strlen(source->path) : 0) + 5;
    struct evtrail_source *stub = malloc(sizeof(*stub) + texts);
    if (!stub)
        return NULL;
    char *room = (char *)(stub + 1);
    *stub = *source;
    stub->command = keep_text(&room, source->command);
    stub->program = keep_text(&room, source->program);
    stub->host = keep_text(&room, source->host);
    stub->boot_id = keep_text(&room, source->boot_id);
    stub->path = source->path ? keep_text(&room, source->path) : NULL;
    stub->types = NULL;
    stub->modules = NULL;
    stub->types_count = stub->modules_count = 0;
    return stub;
}

/* A reader that runs for days sees more processes than it could keep the types of. */
static void forget(struct evtrail_reader *reader, struct evtrail_input *input, const struct evtrail_source *source)
{
    struct evtrail_skips *skips = &reader->skips[source->number];
    free_skips(skips);
    skips->stub = stub_of(source);
    if (!skips->stub) {
        evtrail_reader_add_input(reader,
                                 input); /* no memory: kept as it is; it is done, so that nothing is read of it */
        return;
    }
    skips->source = reader->sources[source->number] = skips->stub;
    input->operations->close(input);
}

void evtrail_reader_retire(struct evtrail_input *input)
{
    struct evtrail_reader *reader = input->reader;
    struct evtrail_source *source = input->operations->retire ? input->operations->retire(input) : NULL;
    const uint32_t place = reader->ended_count % EVTRAIL_ENDED_KEPT;
    uint32_t at = 0;
    if (!source)
        return;
    while (at < reader->inputs_count && reader->inputs[at] != input)
        at++;
    if (at < reader->inputs_count)
        reader->inputs[at] = reader->inputs[--reader->inputs_count];
    if (reader->ended[place].input)
        remove_files(reader, place);
    if (reader->ended[place].input)
        forget(reader, reader->ended[place].input, reader->ended[place].source);
    reader->ended[place].input = input;
    reader->ended[place].source = source;
    const struct evtrail_live *live = evtrail_input_live(input);
    reader->ended[place].since_ns = reader->watch && live && live->left ? evtrail_monotonic_now() : 0;
    reader->left_count += reader->ended[place].since_ns != 0;
    reader->ended_count++;
}

int evtrail_reader_add_source(struct evtrail_reader *reader, struct evtrail_source *source)
{
    uint32_t skips_capacity = reader->sources_capacity;
    if (grow(&reader->skips, reader->sources_count, &skips_capacity, sizeof(struct evtrail_skips)) < 0 ||
        grow(&reader->sources, reader->sources_count, &reader->sources_capacity, sizeof(struct evtrail_source *)) < 0)
        return -ENOMEM;
    source->number = reader->sources_count;
    source->owner = reader;
    reader->skips[reader->sources_count] = (struct evtrail_skips){.source = source};
    reader->sources[reader->sources_count++] = source;
    return 0;
}

void evtrail_reader_notice(struct evtrail_input *input, struct evtrail_source *source, bool gone)
{
    struct evtrail_reader *reader = input->reader;
    if (grow(&reader->notices, reader->notices_count, &reader->notices_capacity, sizeof(struct evtrail_notice)) == 0)
        reader->notices[reader->notices_count++] = (struct evtrail_notice){source, input, gone};
}

uint32_t evtrail_reader_sources(const struct evtrail_reader *reader, struct evtrail_source *const **ret_sources)
{
    *ret_sources = reader->sources;
    return reader->sources_count;
}

/* ---- types that are passed over ---- */

static bool may_be_asked_for(const struct evtrail_reader *reader, const struct evtrail_source *source, uint32_t id)
{
    const struct evtrail_event_type *type = evtrail_source_type(source, id);
    if (!type || (reader->spans && (type->kind == EVTRAIL_KIND_begin || type->kind == EVTRAIL_KIND_end)))
        return true;
    return evtrail_filter_may_match(reader->options.filter, source, type, 0, INT64_MIN, INT64_MAX);
}

static bool tells_of_entity(const struct evtrail_reader *reader, const struct evtrail_source *source, uint32_t id)
{
    const struct evtrail_event_type *type = evtrail_source_type(source, id);
    (void)reader;
    return !type || type->kind == EVTRAIL_KIND_state || type->kind == EVTRAIL_KIND_name ||
           type->kind == EVTRAIL_KIND_gone;
}

/* The table with all types that the source has by now. NULL: no memory. */
static const uint8_t *up_to_date(struct evtrail_skip_table **table, const struct evtrail_reader *reader,
                                 const struct evtrail_source *source, uint32_t *ret_count,
                                 bool (*wanted)(const struct evtrail_reader *, const struct evtrail_source *, uint32_t))
{
    struct evtrail_skip_table *now = *table;
    if (!now || now->room < source->types_count) {
        const uint32_t room = source->types_count + source->types_count / 2 + 32;
        struct evtrail_skip_table *larger = malloc(sizeof *larger + room);
        if (!larger)
            return NULL;
        *larger = (struct evtrail_skip_table){.before = now, .count = now ? now->count : 0, .room = room};
        if (now)
            memcpy(larger->skip, now->skip, now->count);
        *table = now = larger;
    }
    for (; now->count < source->types_count; now->count++)
        now->skip[now->count] = !wanted(reader, source, now->count);
    *ret_count = now->count;
    return now->skip;
}

const uint8_t *evtrail_reader_skips(struct evtrail_reader *reader, struct evtrail_source *source, uint32_t *ret_count)
{
    *ret_count = 0;
    return reader->options.filter
               ? up_to_date(&reader->skips[source->number].filtered, reader, source, ret_count, may_be_asked_for)
               : NULL;
}

const uint8_t *evtrail_reader_stateless(struct evtrail_reader *reader, struct evtrail_source *source,
                                        uint32_t *ret_count)
{
    *ret_count = 0;
    return up_to_date(&reader->skips[source->number].stateless, reader, source, ret_count, tells_of_entity);
}

/* Room for a plan of each type. */
static bool plans_fit(struct evtrail_skips *skips)
{
    const uint32_t count = skips->source->types_count;
    if (skips->plans_count >= count)
        return true;
    int16_t **plans = realloc(skips->plans, count * sizeof *plans);
    if (!plans)
        return false;
    memset(plans + skips->plans_count, 0, (count - skips->plans_count) * sizeof *plans);
    skips->plans = plans;
    skips->plans_count = count;
    return true;
}

bool evtrail_reader_matches(struct evtrail_reader *reader, const struct evtrail_event *event)
{
    const struct evtrail_filter *filter = reader->options.filter;
    struct evtrail_skips *skips = &reader->skips[event->source->number];
    if (!filter)
        return true;
    if (!event->type || !plans_fit(skips) || event->id >= skips->plans_count)
        return evtrail_filter_match(filter, event);
    int16_t **plan = &skips->plans[event->id];
    if (!*plan)
        *plan = evtrail_filter_plan(filter, event->type);
    return evtrail_filter_match_by(filter, *plan, event);
}

bool evtrail_reader_wants(struct evtrail_reader *reader, struct evtrail_source *source, int64_t from_ns, int64_t to_ns,
                          uint64_t types)
{
    const struct evtrail_reader_options *options = &reader->options;
    if (!reader->spans && options->from_ns && to_ns < options->from_ns)
        return false;
    if (options->to_ns && from_ns > options->to_ns)
        return false;
    if (!options->filter || reader->spans)
        return true;
    for (uint32_t id = EVTRAIL_EVENT_FIRST; id < source->types_count; id++) {
        bool has = types >> ((id * UINT32_C(0x9e3779b1)) >> 26) & 1;
        const struct evtrail_event_type *type = source->types[id];
        if (has && (!type || evtrail_filter_may_match(options->filter, source, type, 0, from_ns, to_ns)))
            return true;
    }
    return false;
}

/* ---- adding ---- */

bool evtrail_is_ocaml_events(const char *path)
{
    return evtrail_ocaml_is_path(path);
}

static int add_session(const char *path, void *context)
{
    struct evtrail_reader *reader = context;
    struct evtrail_fault fault = {""};
    int result = evtrail_live_input_add(reader, path, &fault);
    return result == -EEXIST ? 0 : evtrail_reader_fail(reader, result, &fault);
}

int evtrail_reader_add_process(struct evtrail_reader *reader, const char *pid_or_name)
{
    struct evtrail_fault fault = {""}, ocaml_fault = {""};
    const int ocaml = evtrail_ocaml_add_process(reader, pid_or_name, &ocaml_fault);
    int result =
        evtrail_sessions_find(reader->directory, pid_or_name, reader->options.living, add_session, reader, &fault);
    if (ocaml > 0)
        return result > 0 ? result + ocaml : ocaml;
    if (result == -ESRCH && ocaml == 0 && !reader->options.living)
        evtrail_ocaml_why_none(pid_or_name, &ocaml_fault);
    if (result == -ESRCH && ocaml_fault.text[0]) /* it says more */
        return evtrail_reader_fail(reader, ocaml < 0 ? ocaml : result, &ocaml_fault);
    return result < 0 && fault.text[0] ? evtrail_reader_fail(reader, result, &fault) : result;
}

bool evtrail_reader_try_later(struct evtrail_reader *reader, const char *path)
{
    if (!reader->unready || reader->unready_count == EVTRAIL_UNREADY_MAX)
        return false;
    struct evtrail_unready *unready = &reader->unready[reader->unready_count++];
    snprintf(unready->path, sizeof(unready->path), "%s", path);
    unready->until_ns = evtrail_monotonic_now() + UNREADY_NS;
    return true;
}

/* One that cannot be read must not hide the others: it is told by a later call. One that has just gone is none. */
static int try_session(struct evtrail_reader *reader, const char *path)
{
    struct evtrail_fault fault = {""};
    int result = evtrail_ocaml_is_name(path) ? evtrail_ocaml_input_add(reader, path, 0, &fault)
                                             : evtrail_live_input_add(reader, path, &fault);
    if (result < 0 && result != -EEXIST && result != -ENOENT && result != -EAGAIN)
        evtrail_reader_fault(reader, result, &fault);
    return result;
}

static int add_any_session(const char *path, void *context)
{
    if (try_session(context, path) == -EAGAIN)
        evtrail_reader_try_later(context, path);
    return 0;
}

static void retry_unready(struct evtrail_reader *reader)
{
    for (uint32_t i = reader->unready_count; i-- > 0;) {
        struct evtrail_unready *unready = &reader->unready[i];
        if (try_session(reader, unready->path) == -EAGAIN && evtrail_monotonic_now() < unready->until_ns)
            continue;
        *unready = reader->unready[--reader->unready_count];
    }
}

int evtrail_reader_add_all(struct evtrail_reader *reader)
{
    struct evtrail_fault fault = {""};
    mkdir(reader->directory, 0700); /* so that it can be watched */
    int result = evtrail_sessions_check(reader->directory, &fault);
    if (result < 0)
        return evtrail_reader_fail(reader, result, &fault);
    if (!reader->unready && !(reader->unready = calloc(EVTRAIL_UNREADY_MAX, sizeof(*reader->unready))))
        return -ENOMEM;
    if (!reader->options.snapshot && !reader->watch)
        result = evtrail_watch_new(&reader->watch, reader->directory, reader->options.return_id,
                                   reader->options.return_ns / 1000000000); /* before the scan: none falls between */
    if (result < 0) {
        evtrail_fault_set(&fault, result, "%s: cannot watch: %s", reader->directory, strerror(-result));
        return evtrail_reader_fail(reader, result, &fault);
    }
    uint32_t before = reader->inputs_count;
    result = evtrail_sessions(reader->directory, add_any_session, reader);
    if (result >= 0)
        evtrail_ocaml_visit(reader->directory, add_any_session, reader);
    return result < 0 ? result : (int)(reader->inputs_count - before);
}

void evtrail_reader_look_for_new(struct evtrail_reader *reader)
{
    char path[480];
    bool rescan = false;
    evtrail_ocaml_follow_look(reader);
    if (!reader->watch)
        return;
    reader->late = true;
    if (reader->left_count)
        remove_left(reader, evtrail_monotonic_now());
    retry_unready(reader);
    while (evtrail_watch_next(reader->watch, path, sizeof(path), &rescan))
        add_any_session(path, reader);
    if (rescan) {
        evtrail_sessions(reader->directory, add_any_session, reader);
        evtrail_ocaml_visit(reader->directory, add_any_session, reader);
    }
    reader->late = false;
}

static bool is_session_path(const char *path)
{
    size_t n = strlen(path);
    return n > 6 && strcmp(path + n - 6, ".trail") == 0;
}

int evtrail_reader_add_path(struct evtrail_reader *reader, const char *path)
{
    struct evtrail_fault fault = {""};
    int result = is_session_path(path)         ? evtrail_live_input_add(reader, path, &fault)
                 : evtrail_ocaml_is_path(path) ? evtrail_ocaml_input_add(reader, path, 0, &fault)
                 : evtrail_tree_is(path)       ? evtrail_tree_add(reader, path, &fault)
                                               : evtrail_file_input_add(reader, path, NULL, 0, &fault);
    if (result == -EAGAIN && evtrail_ocaml_is_path(path)) /* nobody makes it */
        result = -EBADMSG;
    return result == -EEXIST ? 0 : evtrail_reader_fail(reader, result, &fault);
}

int evtrail_reader_add_parts(struct evtrail_reader *reader, const char *const *paths, uint32_t count)
{
    struct evtrail_fault fault = {""};
    if (count == 0)
        return -EINVAL;
    return evtrail_reader_fail(reader, evtrail_file_input_add(reader, paths[0], paths, count, &fault), &fault);
}

/* ---- reading ---- */

int evtrail_reader_next(struct evtrail_reader *reader, struct evtrail_event **ret_event)
{
    evtrail_reader_look_for_new(reader);
    if (reader->faults_count)
        return take_fault(reader);
    int result = evtrail_merge_next(reader, ret_event);
    return result == 0 && reader->faults_count ? take_fault(reader) : result;
}

/* Chunk by chunk nobody is told of sources but by source->gone. */
static void take_notices(struct evtrail_reader *reader)
{
    for (uint32_t i = 0; i < reader->notices_count; i++) {
        const struct evtrail_notice *notice = &reader->notices[i];
        notice->source->gone |= notice->gone;
        if (notice->gone)
            evtrail_reader_retire(notice->input);
    }
    reader->notices_count = 0;
}

int evtrail_reader_next_chunk(struct evtrail_reader *reader, struct evtrail_chunk **ret_chunk)
{
    evtrail_reader_look_for_new(reader);
    take_notices(reader);
    for (uint32_t tries = 0; tries <= reader->inputs_count; tries++) {
        if (reader->faults_count)
            return take_fault(reader);
        if (reader->inputs_turn >= reader->inputs_count)
            reader->inputs_turn = 0;
        if (reader->inputs_count == 0)
            return 0;
        struct evtrail_input *input = reader->inputs[reader->inputs_turn++];
        int result = input->done ? 0 : input->operations->next_chunk(input, ret_chunk);
        if (result != 0)
            return result;
    }
    take_notices(reader);
    return reader->faults_count ? take_fault(reader) : 0;
}

void evtrail_reader_count(struct evtrail_reader *reader, const struct evtrail_chunk *chunk, const uint64_t *lost,
                          uint64_t *known_lost)
{
    reader->delivered += chunk->events;
    reader->lost[EVTRAIL_CAUSE_overwritten] += chunk->missed;
    for (int i = 0; i < EVTRAIL_CAUSES; i++) {
        if (lost[i] <= known_lost[i])
            continue;
        reader->lost[i] += lost[i] - known_lost[i];
        known_lost[i] = lost[i];
    }
    int64_t time = evtrail_source_time(chunk->source, chunk->last_ticks);
    if (time > reader->last_time)
        reader->last_time = time;
}

bool evtrail_reader_done(const struct evtrail_reader *reader)
{
    if (reader->watch || (reader->trees && reader->options.follow) || reader->heap_count || reader->current ||
        reader->faults_count || evtrail_ocaml_follow_waits(reader))
        return false;
    for (uint32_t i = 0; i < reader->inputs_count; i++)
        if (!reader->inputs[i]->done)
            return false;
    return true;
}

void evtrail_reader_totals(const struct evtrail_reader *reader, uint64_t *ret_delivered, uint64_t *ret_lost)
{
    if (ret_delivered)
        *ret_delivered = reader->delivered;
    if (ret_lost)
        memcpy(ret_lost, reader->lost, sizeof(reader->lost));
}

void evtrail_reader_spool_by(const struct evtrail_reader *reader, uint64_t ret_events[EVTRAIL_SPOOL_WHYS])
{
    memcpy(ret_events, reader->spool_by, sizeof(reader->spool_by));
}

int64_t evtrail_reader_lag(const struct evtrail_reader *reader)
{
    bool more = reader->heap_count != 0;
    for (uint32_t i = 0; i < reader->inputs_count && !more; i++)
        more = reader->inputs[i]->live && !reader->inputs[i]->done &&
               reader->inputs[i]->operations->ready(reader->inputs[i], false);
    int64_t lag;
    if (!more || reader->last_time == INT64_MIN ||
        __builtin_sub_overflow(evtrail_realtime_now(), reader->last_time, &lag))
        return 0;
    return lag > 0 ? lag : 0;
}

unsigned evtrail_reader_fill(const struct evtrail_reader *reader)
{
    unsigned fullest = 0;
    for (uint32_t i = 0; i < reader->inputs_count; i++) {
        struct evtrail_input *input = reader->inputs[i];
        const unsigned fill = input->live && !input->done ? input->operations->fill(input) : 0;
        fullest = fill > fullest ? fill : fullest;
    }
    return fullest * 100 / 8;
}

int evtrail_reader_follow_spans(struct evtrail_reader *reader)
{
    if (!reader->spans)
        reader->spans = evtrail_spans_new();
    return reader->spans ? 0 : -ENOMEM;
}

int evtrail_reader_seek(struct evtrail_reader *reader, int64_t realtime_ns)
{
    if (reader->ended_count)
        return -ESPIPE;
    for (uint32_t i = 0; i < reader->inputs_count; i++)
        if (!reader->inputs[i]->operations->seek)
            return -ESPIPE;
    for (uint32_t i = 0; i < reader->inputs_count; i++) {
        int result = reader->inputs[i]->operations->seek(reader->inputs[i], realtime_ns);
        if (result < 0)
            return result;
    }
    reader->last_time = INT64_MIN;
    reader->sought_ns = realtime_ns;
    return 0;
}
