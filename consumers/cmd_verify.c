/* SPDX-License-Identifier: ISC
 *
 * evtrail verify, repair and merge: whole files, by the functions of file.h.
 */
#include "outbuf.h"
#include "skeleton.h"

#include <evtrail/file.h>

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FAULTS_SHOWN 100
enum { DEPTH_MAX = 12 };

/* ---- verify ------------------------------------------------------------------------------------------------------------ */

struct verification {
    struct output out;
    const char *path;
    bool json, quiet;
    uint64_t faults;
};

static void show_fault(void *context, const char *line)
{
    struct verification *const verification = context;
    struct output *const out = &verification->out;
    if (verification->quiet || verification->faults++ >= FAULTS_SHOWN)
        return;
    if (verification->json) {
        output_text(out, "{\"file\":");
        output_json_text(out, verification->path);
        output_text(out, ",\"fault\":");
        output_json_text(out, line);
        output_text(out, "}\n");
        return;
    }
    output_print(out, "%s\n", line);
}

static void print_lost(struct output *out, const uint64_t *lost, const char *before, const char *form,
                       const char *between)
{
    for (unsigned i = 0; i < EVTRAIL_CAUSES_ALL; i++) {
        if (lost[i] == 0)
            continue;
        output_print(out, form, before, evtrail_cause_name(i), lost[i]);
        before = between;
    }
}

static void result_json(struct verification *verification, const struct evtrail_file_report *report, bool intact)
{
    struct output *const out = &verification->out;
    output_text(out, "{\"file\":");
    output_json_text(out, verification->path);
    output_print(out,
                 ",\"intact\":%s,\"closed\":%s,\"faults\":%" PRIu64 ",\"batches\":%" PRIu64 ",\"events\":%" PRIu64
                 ",\"raw_bytes\":%" PRIu64 ",\"file_bytes\":%" PRIu64 ",\"sources\":%u,\"from_ns\":%" PRId64
                 ",\"to_ns\":%" PRId64 ",\"lost\":{",
                 intact ? "true" : "false", report->closed ? "true" : "false", report->faults, report->batches,
                 report->events, report->raw_bytes, report->file_bytes, report->sources, report->from_ns,
                 report->to_ns);
    print_lost(out, report->lost, "", "%s\"%s\":%" PRIu64, ",");
    output_print(out, "},\"torn_recorded\":%" PRIu64 "}\n", report->torn_recorded);
}

static void result_line(struct verification *verification, const struct evtrail_file_report *report, bool intact)
{
    struct output *const out = &verification->out;
    output_print(out, "%s: %s; %" PRIu64 " event%s in %" PRIu64 " batch%s, %s", shown(verification->path),
                 intact ? "intact" : "damaged", report->events, report->events == 1 ? "" : "s", report->batches,
                 report->batches == 1 ? "" : "es", human_bytes((double)report->file_bytes));
    if (report->events > 0)
        output_print(out, ", %.2f bytes an event", (double)report->file_bytes / (double)report->events);
    output_print(out, ", lost %" PRIu64, lost_sum(report->lost));
    if (lost_sum(report->lost) > 0) {
        print_lost(out, report->lost, " (", "%s%s %" PRIu64, ", ");
        output_text(out, report->torn_recorded ? "; torn before it was repaired)" : ")");
    }
    if (!report->closed)
        output_text(out, "; without index: its recorder was killed or still runs");
    if (!intact)
        output_text(out, "; evtrail repair makes a sound file of the rest");
    output_text(out, "\n");
}

static int verify_one(struct verification *verification, const char *path, bool fail_on_loss)
{
    struct evtrail_file_report report = {0};
    char *error = NULL;
    verification->path = path;
    verification->faults = 0;
    const int r = evtrail_file_verify(path, show_fault, verification, &report, &error);
    if (r < 0) {
        const int code = fail(code_of(r), error ? NULL : path, "%s", error ? error : strerror(-r));
        free(error);
        return code;
    }
    if (verification->faults > FAULTS_SHOWN)
        output_print(&verification->out, "%s%s: and %" PRIu64 " more\n", verification->json ? "" : shown(path), "",
                     verification->faults - FAULTS_SHOWN);
    if (!verification->quiet)
        (verification->json ? result_json : result_line)(verification, &report, r == 0);
    return r > 0 ? CODE_damaged : fail_on_loss && lost_sum(report.lost) > 0 ? CODE_found : CODE_ok;
}

/* ---- trees ---- */

struct tree_walk {
    struct verification *verification;
    bool fail_on_loss;
    int code;
    uint64_t files;
    char path[4096];
};

static int worse(int code, int one)
{
    return code == CODE_ok || one == CODE_damaged ? one ? one : code : code;
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void visit_tree(struct tree_walk *walk, size_t used, unsigned depth);

static void visit_entry(struct tree_walk *walk, size_t used, const char *name, unsigned depth)
{
    struct stat status;
    const int bytes = snprintf(walk->path + used, sizeof(walk->path) - used, "/%s", name);
    if (bytes < 0 || used + (size_t)bytes >= sizeof(walk->path) || lstat(walk->path, &status) < 0)
        return;
    const char *end = strrchr(name, '.');
    if (S_ISDIR(status.st_mode) && depth < DEPTH_MAX) {
        visit_tree(walk, used + (size_t)bytes, depth + 1);
    } else if (S_ISREG(status.st_mode) && end && strcmp(end, ".evt") == 0) {
        walk->files++;
        walk->code = worse(walk->code, verify_one(walk->verification, walk->path, walk->fail_on_loss));
    }
}

/* walk->path[0..used] is the directory: its files and those below it, in the order of their names. */
static void visit_tree(struct tree_walk *walk, size_t used, unsigned depth)
{
    struct dirent **entries;
    const int count = scandir(walk->path, &entries, visible, alphasort);
    if (count < 0)
        walk->code = worse(walk->code, fail(code_of(-errno), walk->path, "%s", strerror(errno)));
    for (int i = 0; i < count; i++) {
        if (signals_stops() == 0)
            visit_entry(walk, used, entries[i]->d_name, depth);
        walk->path[used] = 0;
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

static bool has_files(const char *path)
{
    bool found = false;
    DIR *const directory = opendir(path);
    for (const struct dirent *entry; !found && directory && (entry = readdir(directory));) {
        const char *end = strrchr(entry->d_name, '.');
        found = end && strcmp(end, ".evt") == 0;
    }
    if (directory)
        closedir(directory);
    return found;
}

/* A directory with files is a rotated set; any other is each trace file below it, as `evtrail collect` stores them: one that is damaged hides no other. */
static int verify_operand(struct verification *verification, const char *path, bool fail_on_loss)
{
    struct tree_walk walk = {.verification = verification, .fail_on_loss = fail_on_loss};
    struct stat status;
    if (stat(path, &status) < 0 || !S_ISDIR(status.st_mode) || has_files(path))
        return verify_one(verification, path, fail_on_loss);
    const int bytes = snprintf(walk.path, sizeof(walk.path), "%s", path);
    if ((size_t)bytes >= sizeof(walk.path))
        return fail(CODE_usage, path, "%s", strerror(ENAMETOOLONG));
    visit_tree(&walk, (size_t)bytes, 0);
    if (walk.files == 0 && walk.code == CODE_ok)
        return fail(CODE_missing, path, "no trace files in this directory or below it");
    return walk.code;
}

int run_verify(const struct args *args)
{
    struct verification verification = {.json = args->set[OPT_json], .quiet = args->set[OPT_quiet]};
    int code = CODE_ok;
    if (args->operands_count == 0)
        return fail(CODE_usage, NULL, "which file?");
    signals_install(false);
    if (output_init(&verification.out, STDOUT_FILENO) < 0)
        return fail(CODE_system, NULL, "out of memory");
    for (int i = 0; i < args->operands_count && signals_stops() == 0; i++) {
        code = worse(code, verify_operand(&verification, args->operands[i], args->set[OPT_fail_on_loss]));
    }
    const int r = output_fini(&verification.out);
    return r < 0 && r != -EPIPE ? fail(CODE_io, "standard output", "%s", strerror(-r)) : code;
}

/* ---- repair and merge -------------------------------------------------------------------------------------------------- */

static void warn_fault(void *context, const char *line)
{
    uint64_t *const faults = context;
    if ((*faults)++ < 10)
        warn(NULL, "%s", line);
}

static struct evtrail_file_copy_options copy_options(const struct args *args, uint64_t *faults)
{
    struct evtrail_file_copy_options options = {.bytes = sizeof options, .fault = warn_fault, .context = faults};
    options.from_ns = args->number[OPT_from];
    options.to_ns = args->number[OPT_to];
    options.file = (struct evtrail_file_options){.bytes = sizeof options.file, .force = args->set[OPT_force]};
    options.file.level = (int)args->number[OPT_compression];
    return options;
}

static int copy_failed(const char *output, int error, char *text)
{
    int code;
    if (error == -EEXIST)
        code = fail(CODE_usage, output, "exists; --force replaces it");
    else
        code = fail(code_of(error), text ? NULL : output, "%s", text ? text : strerror(-error));
    free(text);
    return code;
}

static void copy_summary(const struct args *args, const char *output, const struct evtrail_file_stats *stats,
                         uint64_t faults)
{
    if (args->set[OPT_quiet])
        return;
    char damage[64] = "";
    if (faults > 0)
        snprintf(damage, sizeof damage, "; %" PRIu64 " damaged place%s left out", faults, faults == 1 ? "" : "s");
    warn(output, "%" PRIu64 " event%s, %s%s", stats->events, stats->events == 1 ? "" : "s",
         human_bytes((double)stats->file_bytes), damage);
}

int run_repair(const struct args *args)
{
    char output[4096];
    struct evtrail_file_stats stats = {0};
    uint64_t faults = 0;
    char *error = NULL;
    if (args->operands_count != 1)
        return fail(CODE_usage, NULL, "%s", args->operands_count ? "one file at a time" : "which file?");
    signals_install(false);
    snprintf(output, sizeof output, "%s%s", args->set[OPT_output] ? args->text[OPT_output] : args->operands[0],
             args->set[OPT_output] ? "" : ".repaired");
    const struct evtrail_file_copy_options options = copy_options(args, &faults);
    const int r = evtrail_file_repair(args->operands[0], output, &options, &stats, &error);
    if (r < 0)
        return copy_failed(output, r, error);
    copy_summary(args, output, &stats, faults);
    return CODE_ok;
}

int run_merge(const struct args *args)
{
    struct evtrail_file_stats stats = {0};
    uint64_t faults = 0;
    char *error = NULL;
    if (args->operands_count == 0)
        return fail(CODE_usage, NULL, "which files?");
    if (!args->set[OPT_output])
        return fail(CODE_usage, NULL, "where to? -o FILE");
    signals_install(false);
    const struct evtrail_file_copy_options options = copy_options(args, &faults);
    const int r = evtrail_file_copy((const char *const *)args->operands, (uint32_t)args->operands_count,
                                    args->text[OPT_output], &options, &stats, &error);
    if (r < 0)
        return copy_failed(args->text[OPT_output], r, error);
    copy_summary(args, args->text[OPT_output], &stats, faults);
    return faults ? CODE_damaged : CODE_ok;
}
