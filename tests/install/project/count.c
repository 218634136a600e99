/* SPDX-License-Identifier: ISC
 * Reads a trace file and prints how many events of each name there are, in order of appearance. */
#include <stdio.h>
#include <string.h>

#include <evtrail/reader.h>

enum { NAMES = 32 };

static void count(const char *name, const char *names[NAMES], int counts[NAMES])
{
    int i = 0;
    while (i < NAMES - 1 && names[i] && strcmp(names[i], name) != 0)
        i++;
    names[i] = name;
    counts[i]++;
}

int main(int argc, char **argv)
{
    const char *names[NAMES] = {NULL};
    int counts[NAMES] = {0};
    struct evtrail_reader *reader;
    struct evtrail_event *event;
    if (argc != 2 || evtrail_reader_new(&reader, NULL) < 0)
        return 2;
    int r = evtrail_reader_add_path(reader, argv[1]);
    while (r >= 0 && (r = evtrail_reader_next(reader, &event)) > 0) {
        if (event->what == EVTRAIL_EVENT && event->type)
            count(event->type->name, names, counts);
    }
    if (r < 0)
        fprintf(stderr, "%s\n", evtrail_reader_error(reader));
    for (int i = 0; i < NAMES && names[i]; i++)
        printf("%s %d\n", names[i], counts[i]);
    evtrail_reader_free(reader);
    return r < 0;
}
