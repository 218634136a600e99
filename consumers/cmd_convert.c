/* SPDX-License-Identifier: ISC
 *
 * evtrail convert: events in the formats that other programs open, which are in convert/. Here are the output, its parts, and what is
 * said at the end.
 */
#include "convert/convert.h"
#include "convert/gzip.h"
#include "select.h"

#include <evtrail/file.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the output ------------------------------------------------------------------------------------------------------- */

int convert_write(struct convert *convert, const void *bytes, size_t count)
{
    convert->part_bytes += count;
    return output_write(&convert->out, bytes, count);
}

int convert_line(struct convert *convert)
{
    struct scratch *const line = &convert->line;
    const int r = line->failed ? -ENOMEM : convert_write(convert, line->bytes, line->used);
    line->used = 0;
    return r;
}

/* A descriptor. A pipe or a device is written to: nothing of it is replaced. */
static int file_create(const struct convert *convert, const char *path)
{
    struct stat status;
    int flags = O_WRONLY | O_CLOEXEC | O_NOCTTY;
    if (stat(path, &status) < 0)
        flags |= O_CREAT | O_EXCL;
    else if (S_ISREG(status.st_mode) && (!convert->args->set[OPT_force] || is_input(convert->args, path)))
        return -EEXIST;
    else if (S_ISREG(status.st_mode))
        flags |= O_TRUNC;
    const int fd = open(path, flags, 0666);
    return fd < 0 ? -errno : fd;
}

/* Says it once: the first failure ends the run. */
static int failed(struct convert *convert, int error)
{
    const char *const path = *convert->part_path ? convert->part_path : "standard output";
    enum exit_code code = code_of(error);
    if (convert->error)
        return error;
    convert->error = error;
    if (error == -EEXIST) {
        code = CODE_usage;
        fail(code, path, "%s",
             is_input(convert->args, path)   ? "is one of the inputs; name another"
             : convert->args->set[OPT_force] ? "has something in it that evtrail convert did not write; name another"
                                             : "exists; --force replaces it");
    } else if (error == -ENOMEM) {
        fail(code, NULL, "out of memory");
    } else if (error != -EPIPE) {
        fail(code, path, "%s", *convert->why ? convert->why : strerror(-error));
    }
    consumer_note(convert->consumer, code);
    return error;
}

/* ---- parts ------------------------------------------------------------------------------------------------------------ */

/* NAME.json has the parts NAME.00001.json, ... */
static void part_name(struct convert *convert)
{
    const char *const dot = strrchr(convert->path, '.');
    const bool suffix = dot && dot != convert->path && !strchr(dot, '/') && dot[-1] != '/';
    const int stem = suffix ? (int)(dot - convert->path) : (int)strlen(convert->path);
    if (convert->part_size == 0)
        snprintf(convert->part_path, sizeof convert->part_path, "%s", convert->path);
    else
        snprintf(convert->part_path, sizeof convert->part_path, "%.*s.%05u%s", stem, convert->path, convert->part,
                 suffix ? dot : "");
}

static int part_open(struct convert *convert)
{
    int fd = STDOUT_FILENO;
    convert->part++;
    convert->part_bytes = 0;
    if (convert->path) {
        part_name(convert);
        fd = file_create(convert, convert->part_path);
    }
    if (fd < 0)
        return fd;
    const int r = output_init(&convert->out, fd);
    if (r < 0 && convert->path)
        close(fd);
    convert->opened = r == 0;
    return r == 0 && convert->format->begin ? convert->format->begin(convert) : r;
}

static int part_close(struct convert *convert, bool whole)
{
    int r = 0;
    if (!convert->opened)
        return 0;
    if (whole && convert->format->end)
        r = convert->format->end(convert);
    const int written = output_fini(&convert->out);
    const int closed = convert->path && close(convert->out.fd) < 0 ? -errno : 0;
    convert->opened = false;
    convert->bytes += convert->part_bytes;
    return r < 0 ? r : written < 0 ? written : closed;
}

static int part_next(struct convert *convert)
{
    const int r = part_close(convert, true);
    return r < 0 ? r : part_open(convert);
}

/* ---- the sink --------------------------------------------------------------------------------------------------------- */

static int sink_open(struct sink *sink, struct consumer *consumer)
{
    struct convert *const convert = (struct convert *)sink;
    convert->consumer = consumer;
    if (convert->path)
        snprintf(convert->part_path, sizeof convert->part_path, "%s", convert->path);
    int r = convert->format->open ? convert->format->open(convert) : 0;
    if (r == 0 && !convert->format->directory)
        r = part_open(convert);
    if (r < 0) {
        failed(convert, r);
        part_close(convert, false);
        if (convert->format->free)
            convert->format->free(convert);
    }
    return r;
}

static int sink_event(struct sink *sink, struct consumer *consumer, const struct evtrail_event *event)
{
    struct convert *const convert = (struct convert *)sink;
    (void)consumer;
    int r = 0;
    if (convert->part_size && convert->part_bytes >= convert->part_size)
        r = part_next(convert);
    convert->time = event->time;
    convert->events += event->what == EVTRAIL_EVENT;
    convert->lost += event->what == EVTRAIL_EVENT_LOST ? event->lost : 0;
    if (r == 0)
        r = convert->format->event(convert, event);
    return r < 0 ? failed(convert, r) : r;
}

static int sink_flush(struct sink *sink, struct consumer *consumer)
{
    struct convert *const convert = (struct convert *)sink;
    int r = convert->format->flush && consumer->live ? convert->format->flush(convert) : 0;
    if (r == 0 && convert->opened)
        r = output_flush(&convert->out);
    if (r == 0 && convert->opened && output_gone(&convert->out))
        r = convert->out.error;
    return r < 0 ? failed(convert, r) : r;
}

static size_t note(char *text, size_t size, size_t used, uint64_t count, const char *what)
{
    const int n = count ? snprintf(text + used, size - used, "; %" PRIu64 " %s", count, what) : 0;
    return used + (n > 0 && (size_t)n < size - used ? (size_t)n : 0);
}

/* What was written, what was lost before it came to us, and what the format had no place for. */
static void summary(const struct convert *convert)
{
    char text[1000] = "";
    size_t used = 0;
    used =
        note(text, sizeof text, used, convert->replaced, "bytes of strings that are not UTF-8 (or NUL) became U+FFFD");
    used = note(text, sizeof text, used, convert->unfinished, "spans had not ended");
    used = note(text, sizeof text, used, convert->orphans, "ends of spans had no begin, and are points");
    used = note(text, sizeof text, used, convert->held_back, "spans began while too many were open, and are points");
    used = note(text, sizeof text, used, convert->shifted,
                "events were out of order, and have the time of the one before");
    used = note(text, sizeof text, used, convert->dropped, "events have no place in this format, and are left out");
    if (*convert->part_path || used || convert->lost)
        warn(convert->path         ? convert->path
             : *convert->part_path ? convert->part_path
                                   : NULL,
             "%" PRIu64 " events, %s, %s; lost %" PRIu64 "%s", convert->events, human_bytes((double)convert->bytes),
             convert->format->name, convert->lost, text);
}

static int sink_close(struct sink *sink, struct consumer *consumer)
{
    struct convert *const convert = (struct convert *)sink;
    int r = 0;
    convert->last = true;
    if (convert->format->directory && !convert->error)
        r = convert->format->end(convert);
    const int closed = part_close(convert, !convert->error);
    if (r == 0)
        r = closed;
    if (convert->format->free)
        convert->format->free(convert);
    if (r < 0)
        failed(convert, r);
    if (!convert->error && !consumer->args->set[OPT_quiet])
        summary(convert);
    return 0; /* what failed was noted */
}

/* ---- the subcommand --------------------------------------------------------------------------------------------------- */

static int format_find(struct convert *convert)
{
    const struct args *const args = convert->args;
    if (args->set[OPT_to_format]) {
        convert->format = convert_format_named(args->text[OPT_to_format]);
        return CODE_ok;
    }
    if (!convert->path)
        return fail(CODE_usage, NULL, "to what? --to FORMAT, or -o with a suffix that says it");
    convert->format = convert_format_of(convert->path);
    if (!convert->format)
        return fail(CODE_usage, convert->path, "does not say by its suffix which format it is; add --to FORMAT");
    return CODE_ok;
}

static int options_check(const struct convert *convert)
{
    const struct convert_format *const format = convert->format;
    const bool endpoint = convert->args->set[OPT_endpoint];
    if (convert->args->set[OPT_gzip] && !endpoint)
        return fail(CODE_usage, NULL, "--gzip is for --to otlp");
    if (convert->args->set[OPT_gzip] && !gzip_built())
        return fail(CODE_usage, NULL, "--gzip: this evtrail was built without zlib");
    if (format->network != endpoint)
        return fail(CODE_usage, NULL,
                    endpoint ? "--endpoint is for --to otlp" : "otlp goes to a server; name it with --endpoint URL");
    if (format->network && convert->path)
        return fail(CODE_usage, NULL, "-o: otlp goes to a server, not into a file");
    if (format->directory && !format->network && !convert->path)
        return fail(CODE_usage, NULL, "%s is a directory; name one with -o", format->name);
    if (convert->part_size && !format->parts)
        return fail(CODE_usage, NULL, "--split-size: %s is not cut into parts", format->name);
    if (convert->part_size && convert->part_size < 1024)
        return fail(CODE_usage, NULL, "--split-size: a part has at least 1K");
    if (convert->part_size && !convert->path)
        return fail(CODE_usage, NULL, "--split-size needs -o FILE");
    if (convert->path && strlen(convert->path) > sizeof convert->part_path - 16)
        return fail(CODE_usage, convert->path, "%s", strerror(ENAMETOOLONG));
    if (format->binary && !convert->path && isatty(STDOUT_FILENO))
        return fail(CODE_usage, NULL, "%s is not for a terminal; name a file with -o", format->name);
    return CODE_ok;
}

int run_convert(const struct args *given)
{
    struct args ours = *given; /* --to is the format here, and --before what --to is elsewhere */
    const struct args *const args = &ours;
    ours.set[OPT_to] = given->set[OPT_before];
    ours.number[OPT_to] = given->number[OPT_before];
    struct convert convert = {.args = args, .part_size = (uint64_t)args->number[OPT_part_size]};
    struct consumer consumer = {.args = args};
    if (args->set[OPT_output] && strcmp(args->text[OPT_output], "-") != 0)
        convert.path = args->text[OPT_output];
    int code = format_find(&convert);
    if (code == CODE_ok)
        code = options_check(&convert);
    if (code != CODE_ok)
        return code;
    convert.sink = (struct sink){.name = "convert",
                                 .spans = convert.format->durations,
                                 .open = sink_open,
                                 .event = sink_event,
                                 .flush = sink_flush,
                                 .close = sink_close};
    consumer.snapshot = args->set[OPT_snapshot];
    code = consumer_run(&consumer, &convert.sink);
    scratch_fini(&convert.line);
    scratch_fini(&convert.cell);
    return code;
}
