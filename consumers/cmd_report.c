/* SPDX-License-Identifier: ISC
 *
 * evtrail report: a page about a trace, or a figure of it.
 */
#include "report/report.h"

#include "select.h"
#include "skeleton.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIGURES_MAX (1 << 20) /* bytes */

struct reporting {
    struct sink sink; /* first */
    struct report report;
    char *figures; /* of --figures, or NULL */
};

static int take_event(struct sink *sink, struct consumer *consumer, const struct evtrail_event *event)
{
    struct reporting *const reporting = (struct reporting *)sink;
    (void)consumer;
    report_event(&reporting->report, event);
    return reporting->report.out_of_memory ? -ENOMEM : 0;
}

static int take_close(struct sink *sink, struct consumer *consumer)
{
    struct reporting *const reporting = (struct reporting *)sink;
    reporting->report.faults = consumer->faults;
    report_end(&reporting->report);
    return reporting->report.out_of_memory ? -ENOMEM : 0;
}

/* Reads what `args` names; an exit code. */
static int read_all(struct reporting *reporting, const struct args *args)
{
    struct consumer consumer = {.args = args};
    reporting->sink = (struct sink){.name = "report", .spans = true, .event = take_event, .close = take_close};
    if (report_init(&reporting->report, args->set[OPT_full] ? &report_full : &report_default) < 0)
        return fail(CODE_system, NULL, "out of memory");
    return consumer_run(&consumer, &reporting->sink);
}

/* ---- the other trace --------------------------------------------------------------------------------------------------- */

static int read_against(struct reporting *reporting, const struct args *args)
{
    struct args other = {.command = args->command};
    char *operand = (char *)args->text[OPT_against];
    other.operands = &operand;
    other.operands_count = 1;
    other.set[OPT_full] = args->set[OPT_full];
    other.set[OPT_filter] = args->set[OPT_filter];
    other.text[OPT_filter] = args->text[OPT_filter];
    return read_all(reporting, &other);
}

/* ---- output ------------------------------------------------------------------------------------------------------------ */

/* "shop", or "shop, 3 more". */
static void title_make(const struct report *report, const struct report *against, char *title, size_t bytes)
{
    const char *const first =
        report->processes_count > 0 && report->processes[0].command ? report->processes[0].command : "trace";
    const char *const other =
        against && against->processes_count > 0 && against->processes[0].command ? against->processes[0].command : "";
    if (report->processes_count > 1)
        snprintf(title, bytes, "%s and %u more: evtrail report", first, report->processes_count - 1);
    else if (against)
        snprintf(title, bytes, "%s against %s: evtrail report", first,
                 strcmp(first, other) == 0 ? "an earlier trace" : other);
    else
        snprintf(title, bytes, "%s: evtrail report", first);
}

static int figure_missing(const char *name)
{
    return fail(CODE_missing, NULL, "no span, counter or entity is called \"%s\"; evtrail stat lists them",
                shown(name));
}

static int write_report(struct reporting *reporting, struct reporting *against, const struct args *args, int fd)
{
    struct output out;
    char title[256];
    const char *const name = args->text[OPT_svg];
    if (output_init(&out, fd) < 0)
        return fail(CODE_system, NULL, "out of memory");
    title_make(&reporting->report, against ? &against->report : NULL, title, sizeof title);
    const struct page_options options = {.title = title, .figures = reporting->figures, .full = args->set[OPT_full]};
    int r = args->set[OPT_svg]
                ? report_svg(&out, &reporting->report, *name && strcmp(name, "events") != 0 ? name : NULL)
                : report_page(&out, &reporting->report, against ? &against->report : NULL, &options);
    const int end = output_fini(&out);
    if (r == -ENOENT)
        return figure_missing(name);
    r = r < 0 ? r : end;
    if (r == -EPIPE)
        return CODE_ok;
    return r < 0 ? fail(code_of(r), args->text[OPT_output], "%s", strerror(-r)) : CODE_ok;
}

/* Beside the file, and then in its place: whoever looks sees the old one or the new one. */
static int write_file(struct reporting *reporting, struct reporting *against, const struct args *args)
{
    char *beside;
    const char *const path = args->text[OPT_output];
    if (asprintf(&beside, "%s.%d.tmp", path, (int)getpid()) < 0)
        return fail(CODE_system, NULL, "out of memory");
    const int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    int code = fd < 0 ? fail(code_of(-errno), path, "%s", strerror(errno)) : write_report(reporting, against, args, fd);
    if (fd >= 0 && close(fd) < 0 && code == CODE_ok)
        code = fail(code_of(-errno), path, "%s", strerror(errno));
    if (fd >= 0 && code == CODE_ok && rename(beside, path) < 0)
        code = fail(code_of(-errno), path, "%s", strerror(errno));
    if (fd >= 0 && code != CODE_ok)
        unlink(beside);
    free(beside);
    return code;
}

static int write_out(struct reporting *reporting, struct reporting *against, const struct args *args)
{
    struct stat there;
    const char *const path = args->text[OPT_output];
    if (!path || strcmp(path, "-") == 0)
        return write_report(reporting, against, args, STDOUT_FILENO);
    if (stat(path, &there) == 0 && !S_ISREG(there.st_mode)) { /* /dev/stdout, a pipe */
        const int fd = open(path, O_WRONLY | O_CLOEXEC);
        const int code =
            fd < 0 ? fail(code_of(-errno), path, "%s", strerror(errno)) : write_report(reporting, against, args, fd);
        if (fd >= 0)
            close(fd);
        return code;
    }
    return write_file(reporting, against, args);
}

static int check(const struct args *args)
{
    const char *const path = args->text[OPT_output];
    struct stat there;
    if (!path && isatty(STDOUT_FILENO))
        return fail(CODE_usage, NULL, "a page is no text for a terminal; name a file: -o report.html");
    if (path && !args->set[OPT_force] && stat(path, &there) == 0 && S_ISREG(there.st_mode) && there.st_size > 0)
        return fail(CODE_io, path, "exists; --force replaces it");
    if (path && is_input(args, path))
        return fail(CODE_usage, path, "is one of the inputs; name another");
    if (!path && args->program)
        return fail(CODE_usage, NULL, "standard output is the program's; name a file: -o report.html");
    if (args->set[OPT_svg] && args->set[OPT_against])
        return fail(CODE_usage, NULL, "--svg is of one trace; it cannot go with --against");
    return CODE_ok;
}

/* All of the file, which is to be one JSON object; an exit code. */
static int figures_read(const struct args *args, char **ret_figures)
{
    const char *const path = args->text[OPT_figures];
    FILE *const in = fopen(path, "re");
    char *const text = in ? calloc(1, FIGURES_MAX + 1) : NULL;
    const size_t count = text ? fread(text, 1, FIGURES_MAX + 1, in) : 0;
    const int error = ferror(in ? in : stderr) || !text ? errno : 0;
    if (in)
        fclose(in);
    int code = CODE_ok;
    if (error)
        code = fail(code_of(-error), path, "%s", strerror(error));
    else if (count > FIGURES_MAX)
        code = fail(CODE_usage, path, "more than %d bytes of figures", FIGURES_MAX);
    else if (text[strspn(text, " \t\r\n")] != '{' || strlen(text) != count)
        code = fail(CODE_usage, path, "no JSON object");
    if (code != CODE_ok)
        free(text);
    else
        *ret_figures = text;
    return code;
}

/* What is not damaged of a trace is shown; what is none at all makes no page. */
static bool usable(const struct reporting *reporting, int code)
{
    return code == CODE_ok || code == CODE_found || (code == CODE_damaged && reporting->report.processes_count > 0);
}

int run_report(const struct args *args)
{
    int code = check(args), other = CODE_ok, written = CODE_ok;
    struct reporting *const both = code == CODE_ok ? calloc(2, sizeof *both) : NULL;
    struct reporting *const against = both && args->set[OPT_against] ? &both[1] : NULL;
    if (!both)
        return code == CODE_ok ? fail(CODE_system, NULL, "out of memory") : code;
    if (args->set[OPT_figures])
        code = figures_read(args, &both[0].figures);
    if (code == CODE_ok)
        code = read_all(&both[0], args);
    const bool good = usable(&both[0], code);
    if (good && against)
        other = read_against(against, args);
    if (good && (!against || usable(against, other)))
        written = write_out(&both[0], against, args);
    report_fini(&both[0].report);
    if (against)
        report_fini(&against->report);
    free(both[0].figures);
    free(both);
    return written != CODE_ok ? written : code != CODE_ok ? code : other;
}
