/* SPDX-License-Identifier: ISC
 *
 * evtrail record --trigger: stands by while the rings overwrite themselves, and writes what they hold when an event matches.
 */
#include "record.h"

#include <errno.h>
#include <string.h>

struct trigger {
    struct sink sink; /* first */
    struct recorder *recorder;
    int64_t left; /* snapshots still to be taken; negative: no end */
};

static int snapshot_reader(struct consumer *consumer, const struct recorder *recorder, const char *directory)
{
    const struct text_list *const list = &recorder->args->list[OPT_process];
    consumer->options = (struct evtrail_reader_options){
        .bytes = sizeof consumer->options, .snapshot = true, .name = "snapshot", .directory = directory};
    int r = evtrail_reader_new(&consumer->reader, &consumer->options);
    for (size_t i = 0; r >= 0 && i < list->count; i++)
        r = evtrail_reader_add_process(consumer->reader, list->items[i]);
    return r >= 0 && list->count == 0 ? evtrail_reader_add_all(consumer->reader) : r;
}

/* What the rings hold now goes to a file. An exit code. */
static int snapshot_take(struct recorder *recorder, const char *directory)
{
    struct consumer consumer = {.args = recorder->args, .snapshot = true};
    struct sink *const sink = &recorder->sink;
    *sink = (struct sink){.name = "snapshot", .block = recorder_block, .flush = recorder_flush};
    recorder->number++;
    recorder->error = 0;
    int r = snapshot_reader(&consumer, recorder, directory);
    if (r < 0)
        consumer_note(&consumer, (enum exit_code)fail(code_of(r), NULL, "snapshot: %s", strerror(-r)));
    if (r >= 0 && recorder_open(sink, &consumer) == 0) {
        consumer_loop(&consumer, sink);
        r = recorder_close(sink, &consumer);
        if (r < 0)
            consumer_note(&consumer, code_of(r));
    }
    evtrail_reader_free(consumer.reader);
    return (int)consumer.code;
}

static int on_event(struct sink *sink, struct consumer *consumer, const struct evtrail_event *event)
{
    struct trigger *const trigger = (struct trigger *)sink;
    if (event->what != EVTRAIL_EVENT)
        return 0;
    const int code = snapshot_take(trigger->recorder, consumer->options.directory);
    consumer_note(consumer, (enum exit_code)code);
    if (trigger->left > 0 && --trigger->left == 0)
        return CONSUMER_STOP;
    return code == CODE_ok ? 0 : CONSUMER_STOP;
}

static int on_close(struct sink *sink, struct consumer *consumer)
{
    struct trigger *const trigger = (struct trigger *)sink;
    if (trigger->recorder->number == 0 && !consumer->args->set[OPT_quiet])
        warn(NULL, "no event matched; no snapshot was taken");
    return 0;
}

int record_trigger(struct recorder *recorder, struct consumer *consumer)
{
    const struct args *const args = recorder->args;
    struct trigger trigger = {.recorder = recorder, .left = args->set[OPT_snapshots] ? args->number[OPT_snapshots] : 1};
    if (trigger.left == 0)
        trigger.left = -1;
    trigger.sink = (struct sink){.name = "trigger", .event = on_event, .close = on_close};
    consumer->expression = args->text[OPT_trigger];
    consumer->options.from_now = !args->program;
    recorder->progress = false;
    return consumer_run(consumer, &trigger.sink);
}
