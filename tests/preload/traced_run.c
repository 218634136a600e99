/* SPDX-License-Identifier: ISC
 *
 * Runs a program with or without the preloaded libraries, keeps what it said, and counts the events that it left.
 */
#include "traced_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define NESTED 3 /* cause, as layout.h numbers them */

static void set_or_unset(const char *name, const char *value)
{
    if (value)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

static void take_output(int fd, char text[OUTPUT_BYTES])
{
    ssize_t n = pread(fd, text, OUTPUT_BYTES - 1, 0);
    assert_true(n >= 0);
    text[n] = '\0';
    close(fd);
}

void run_program(struct run *run, char *const *arguments, const char *preload, const char *rules, const char *directory)
{
    int out = memfd_create("out", 0), err = memfd_create("err", 0);
    assert_true(out >= 0 && err >= 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(out, STDOUT_FILENO);
        dup2(err, STDERR_FILENO);
        close(out);
        close(err);
        set_or_unset("LD_PRELOAD", preload);
        set_or_unset("EVTRAIL", rules);
        set_or_unset("EVTRAIL_DIR", directory);
        alarm(60);
        execvp(arguments[0], arguments);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &run->status, 0), child);
    take_output(out, run->out);
    take_output(err, run->err);
}

void directory_make(char path[64])
{
    strcpy(path, "/dev/shm/evtrail-preload-XXXXXX");
    assert_non_null(mkdtemp(path));
}

void directory_remove(const char *path)
{
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(directory), entry->d_name, 0);
    if (directory)
        closedir(directory);
    rmdir(path);
}

/* ---- counting -------------------------------------------------------------------------------------------------- */

static bool text_is(const struct evtrail_value *value, const char *text)
{
    return value->data && value->bytes == strlen(text) && memcmp(value->data, text, value->bytes) == 0;
}

static bool matches(const struct query *query, const struct evtrail_event *event)
{
    struct evtrail_value value;
    if (!event->type || event->type->kind != query->kind || strcmp(event->type->name, query->name) != 0)
        return false;
    if (!query->field)
        return true;
    int index = evtrail_event_type_field(event->type, query->field);
    assert_true(index >= 0);
    assert_int_equal(evtrail_event_value(event, (unsigned)index, &value), 0);
    return query->text ? text_is(&value, query->text) : value.i == query->equals;
}

static int64_t value_of(const char *field, const struct evtrail_event *event)
{
    struct evtrail_value value;
    int index = evtrail_event_type_field(event->type, field);
    assert_true(index >= 0);
    assert_int_equal(evtrail_event_value(event, (unsigned)index, &value), 0);
    return value.i;
}

static void count_one(struct tally *tally, const struct query *query, const struct evtrail_event *event)
{
    if (event->what == EVTRAIL_EVENT_LOST) {
        tally->lost += event->lost;
        tally->nested += event->cause == NESTED ? event->lost : 0;
    } else if (event->what == EVTRAIL_EVENT && matches(query, event)) {
        tally->events++;
        tally->sum += query->sum ? value_of(query->sum, event) : 0;
    }
}

struct walk {
    struct tally tally;
    const struct query *query;
};

static int count_session(const char *path, void *context)
{
    struct walk *walk = context;
    struct evtrail_reader_options options = {.bytes = sizeof(options), .snapshot = true};
    struct evtrail_reader *reader;
    struct evtrail_event *event;
    int result = 0;
    assert_int_equal(evtrail_reader_new(&reader, &options), 0);
    if (evtrail_reader_add_path(reader, path) < 0)
        fail_msg("%s: %s", path, evtrail_reader_error(reader));
    while ((result = evtrail_reader_next(reader, &event)) > 0)
        count_one(&walk->tally, walk->query, event);
    if (result < 0)
        fail_msg("%s: %s", path, evtrail_reader_error(reader));
    evtrail_reader_free(reader);
    walk->tally.sessions++;
    return 0;
}

struct tally count_events(const char *directory, const struct query *query)
{
    struct walk walk = {{0}, query};
    assert_true(evtrail_sessions(directory, count_session, &walk) >= 0);
    return walk.tally;
}
