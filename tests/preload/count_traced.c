/* SPDX-License-Identifier: ISC
 *
 * Prints "COUNT NAME" for each event type in a directory's sessions, and "COUNT lost". Usage: count_traced DIRECTORY
 */
#include <evtrail/reader.h>

#include <stdio.h>
#include <string.h>

static struct {
    char name[128];
    unsigned long events;
} types[200];
static unsigned types_count;
static unsigned long lost;

static void count(const char *name)
{
    unsigned i = 0;
    while (i < types_count && strcmp(types[i].name, name) != 0)
        i++;
    if (i == sizeof(types) / sizeof(types[0]))
        return;
    if (i == types_count)
        snprintf(types[types_count++].name, sizeof(types[0].name), "%s", name);
    types[i].events++;
}

static int visit(const char *path, void *context)
{
    struct evtrail_reader_options options = {.bytes = sizeof(options), .snapshot = true};
    struct evtrail_reader *reader;
    struct evtrail_event *event;
    int result = evtrail_reader_new(&reader, &options);
    if (result < 0)
        return result;
    result = evtrail_reader_add_path(reader, path);
    while (result >= 0 && (result = evtrail_reader_next(reader, &event)) > 0) {
        if (event->what == EVTRAIL_EVENT_LOST)
            lost += event->lost;
        else if (event->what == EVTRAIL_EVENT)
            count(event->type ? event->type->name : "unknown");
    }
    if (result < 0)
        fprintf(stderr, "%s: %s\n", path, evtrail_reader_error(reader));
    evtrail_reader_free(reader);
    return result;
}

int main(int argc, char **argv)
{
    if (argc != 2 || evtrail_sessions(argv[1], visit, NULL) < 0)
        return 1;
    for (unsigned i = 0; i < types_count; i++)
        printf("%lu %s\n", types[i].events, types[i].name);
    printf("%lu lost\n", lost);
    return 0;
}
