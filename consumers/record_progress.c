/* SPDX-License-Identifier: ISC
 *
 * What evtrail record says while it records, and at its end.
 */
#include "record.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define EVERY_NS INT64_C(500000000)

static double ratio(const struct evtrail_file_stats *stats)
{
    return stats->file_bytes ? (double)stats->raw_bytes / (double)stats->file_bytes : 0;
}

static void print(const char *text, size_t length)
{
    (void)!write(STDERR_FILENO, text, length);
}

void progress_show(struct recorder *recorder, const struct consumer *consumer)
{
    const int64_t now = monotonic_ns(), passed = now - recorder->shown_ns;
    if (!recorder->progress || passed < EVERY_NS)
        return;
    const struct evtrail_file_stats *const stats = &recorder->stats;
    uint64_t delivered, lost[EVTRAIL_CAUSES_ALL] = {0};
    evtrail_reader_totals(consumer->reader, &delivered, lost);
    const double seconds = (double)passed / 1e9;
    char line[256];
    int used = snprintf(line, sizeof line, "\r%6.1f s  %s events  %s/s  %s/s  ratio %.1f  lost %s  lag %s",
                        (double)(now - recorder->started_ns) / 1e9, human_count((double)stats->events),
                        human_count((double)(stats->events - recorder->shown_events) / seconds),
                        human_bytes((double)(stats->raw_bytes - recorder->shown_bytes) / seconds), ratio(stats),
                        human_count((double)lost_sum(lost)), human_ns((double)evtrail_reader_lag(consumer->reader)));
    if (used > 0 && (unsigned)used < sizeof line - 4) {
        memcpy(line + used, "\033[K", 3);
        print(line, (size_t)used + 3);
    }
    recorder->shown_ns = now;
    recorder->shown_events = stats->events;
    recorder->shown_bytes = stats->raw_bytes;
}

void progress_clear(const struct recorder *recorder)
{
    if (recorder->progress)
        print("\r\033[K", 4);
}

static void lost_text(const uint64_t *lost, char *text, size_t bytes)
{
    size_t used = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < EVTRAIL_CAUSES_ALL && used < bytes; i++)
        if (lost[i] > 0)
            used += (size_t)snprintf(text + used, bytes - used, "%s%s %" PRIu64, used ? ", " : " (",
                                     evtrail_cause_name(i), lost[i]);
    if (used > 0 && used < bytes - 1)
        snprintf(text + used, bytes - used, ")");
}

void summary_show(struct recorder *recorder, const struct consumer *consumer)
{
    const struct evtrail_file_stats *const stats = &recorder->stats;
    char causes[400], size[64] = "", files[48] = "";
    if (recorder->args->set[OPT_quiet])
        return;
    lost_text(recorder->lost, causes, sizeof causes);
    if (stats->events > 0)
        snprintf(size, sizeof size, " (%.2f bytes an event, ratio %.1f)",
                 (double)stats->file_bytes / (double)stats->events, ratio(stats));
    if (stats->files > 1)
        snprintf(files, sizeof files, " in %" PRIu64 " files (%" PRIu64 " removed)", stats->files,
                 stats->files_deleted);
    if (stats->events == 0 && lost_sum(recorder->lost) == 0 && consumer->live && !consumer->args->program)
        warn(NULL, "no event came; evtrail enable -l -p PID lists what there is, and what was switched off by hand");
    warn(recorder->path, "%" PRIu64 " events in %.1f s, %s%s%s; lost %" PRIu64 "%s", stats->events,
         (double)(monotonic_ns() - recorder->started_ns) / 1e9, human_bytes((double)stats->file_bytes), files, size,
         lost_sum(recorder->lost), causes);
}
