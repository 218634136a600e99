/* SPDX-License-Identifier: ISC
 *
 * evtrail verify, repair and merge: whole files, by the functions of file.h.
 */
#include "filetree.h"
#include "outbuf.h"
#include "skeleton.h"

#include <evtrail/file.h>

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define FAULTS_SHOWN 100
enum { MERGED_MAX = 1024 }; /* as evtrail_file_copy() takes */

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

static int worse(int code, int one)
{
    return code == CODE_ok || one == CODE_damaged ? one ? one : code : code;
}

/* The trace files below `path`; with an exit code when there are none. One directory that cannot be read hides no other. */
static int tree_list(struct filetree *tree, const char *path, bool sets)
{
    const int r = filetree_list(tree, path, sets);
    if (tree->error)
        return fail(code_of(tree->error), tree->failed, "cannot be read: %s", strerror(-tree->error));
    if (r == -ENOENT)
        return fail(CODE_missing, path, "no trace files in this directory or below it");
    return r < 0 ? fail(code_of(r), path, "%s", strerror(-r)) : CODE_ok;
}

/* A directory with files is a rotated set; any other is each trace file below it, as `evtrail collect` stores them: one that is damaged hides no other. */
static int verify_operand(struct verification *verification, const char *path, bool fail_on_loss)
{
    struct filetree tree = {0};
    if (!filetree_is(path))
        return verify_one(verification, path, fail_on_loss);
    int code = tree_list(&tree, path, false);
    for (size_t i = 0; i < tree.count && signals_stops() == 0; i++)
        code = worse(code, verify_one(verification, tree.paths[i], fail_on_loss));
    filetree_free(&tree);
    return code;
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

static int repair_one(const struct args *args, const char *path, const char *output)
{
    struct evtrail_file_stats stats = {0};
    uint64_t faults = 0;
    char *error = NULL;
    const struct evtrail_file_copy_options options = copy_options(args, &faults);
    const int r = evtrail_file_repair(path, output, &options, &stats, &error);
    if (r < 0)
        return copy_failed(output, r, error);
    copy_summary(args, output, &stats, faults);
    return CODE_ok;
}

/* The directories of a file's path, but for those of its first `given` bytes. */
static int folders_make(char *path, size_t given)
{
    for (char *slash = strchr(path + given, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        const int r = mkdir(path, 0777) < 0 && errno != EEXIST ? -errno : 0;
        if (r < 0)
            return fail(code_of(r), path, "cannot be made: %s; name another place with -o", strerror(-r));
        *slash = '/';
    }
    return CODE_ok;
}

/* Each file of a tree has a sound one in another tree of the same shape. */
static int repair_tree(const struct args *args, const char *root, const char *output)
{
    struct filetree tree = {0};
    char path[8192];
    size_t given = strlen(output);
    int code = tree_list(&tree, root, false);
    while (given > 1 && output[given - 1] == '/')
        given--;
    for (size_t i = 0; i < tree.count && signals_stops() == 0; i++) {
        snprintf(path, sizeof path, "%.*s/%s", (int)given, output,
                 tree.paths[i] + strlen(root) + strspn(tree.paths[i] + strlen(root), "/"));
        const int made = folders_make(path, given);
        code = worse(code, made ? made : repair_one(args, tree.paths[i], path));
        if (made)
            break;
    }
    filetree_free(&tree);
    return code;
}

int run_repair(const struct args *args)
{
    char output[4096];
    if (args->operands_count != 1)
        return fail(CODE_usage, NULL, "%s", args->operands_count ? "one file or tree at a time" : "which file?");
    const char *const path = args->operands[0];
    const bool tree = filetree_is(path);
    size_t bytes = strlen(path);
    while (tree && bytes > 1 && path[bytes - 1] == '/')
        bytes--;
    signals_install(false);
    snprintf(output, sizeof output, "%.*s%s", args->set[OPT_output] ? INT_MAX : (int)bytes,
             args->set[OPT_output] ? args->text[OPT_output] : path, args->set[OPT_output] ? "" : ".repaired");
    return tree ? repair_tree(args, path, output) : repair_one(args, path, output);
}

/* ---- merge ------------------------------------------------------------------------------------------------------------- */

/* What is merged: files and sets as they are named, and those of trees. */
static int merge_list(const struct args *args, struct filetree *all)
{
    int code = CODE_ok;
    for (int i = 0; i < args->operands_count && code == CODE_ok; i++) {
        if (filetree_is(args->operands[i])) {
            code = tree_list(all, args->operands[i], true);
            continue;
        }
        const int r = filetree_add(all, args->operands[i]);
        code = r < 0 ? fail(code_of(r), NULL, "out of memory") : code;
    }
    if (code == CODE_ok && all->count > MERGED_MAX)
        code = fail(CODE_usage, NULL,
                    "%zu files and sets are more than %d, which can be merged at a time; name parts of the tree, then "
                    "merge the results",
                    all->count, MERGED_MAX);
    return code;
}

/* Each of them has a descriptor or two. */
static void descriptors_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int run_merge(const struct args *args)
{
    struct evtrail_file_stats stats = {0};
    struct filetree all = {0};
    uint64_t faults = 0;
    char *error = NULL;
    if (args->operands_count == 0)
        return fail(CODE_usage, NULL, "which files?");
    if (!args->set[OPT_output])
        return fail(CODE_usage, NULL, "where to? -o FILE");
    signals_install(false);
    const int code = merge_list(args, &all);
    const struct evtrail_file_copy_options options = copy_options(args, &faults);
    descriptors_raise();
    const int r = code ? 0
                       : evtrail_file_copy((const char *const *)all.paths, (uint32_t)all.count, args->text[OPT_output],
                                           &options, &stats, &error);
    filetree_free(&all);
    if (code)
        return code;
    if (r < 0)
        return copy_failed(args->text[OPT_output], r, error);
    copy_summary(args, args->text[OPT_output], &stats, faults);
    return faults ? CODE_damaged : CODE_ok;
}
