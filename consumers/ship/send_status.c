/* SPDX-License-Identifier: ISC
 *
 * How a sender is: for people, as JSON, and as metrics for Prometheus; and asking a running one.
 */
#include "ship/send_private.h"

#include "outbuf.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct status {
    FILE *out;
    const struct spool_stats *spool;
    const struct send_figures *figures;
    const struct send_tail_figures *tail;
    double now; /* realtime, seconds */
};

uint64_t send_latency_below(unsigned bucket)
{
    return bucket < 4 ? bucket + 1 : (UINT64_C(5) + bucket % 4) << (bucket / 4 - 1);
}

unsigned send_latency_bucket(uint64_t us)
{
    unsigned octave = 0;
    while (us >> octave >= 8)
        octave++;
    const unsigned bucket = us < 4 ? (unsigned)us : octave * 4 + (unsigned)(us >> octave);
    return bucket < SEND_LATENCIES ? bucket : SEND_LATENCIES - 1;
}

static double seconds_since(const struct status *status, int64_t realtime_ns)
{
    return realtime_ns ? status->now - (double)realtime_ns / 1e9 : 0;
}

/* Of the acknowledged batches this part was faster, in seconds: the upper bound of its bucket. */
static double latency_at(const struct send_figures *figures, double part)
{
    uint64_t all = 0, sum = 0;
    for (unsigned i = 0; i < SEND_LATENCIES; i++)
        all += figures->latency[i];
    for (unsigned i = 0; all && i < SEND_LATENCIES; i++) {
        sum += figures->latency[i];
        if ((double)sum >= part * (double)all)
            return (double)send_latency_below(i) / 1e6;
    }
    return 0;
}

static uint64_t dropped(const struct spool_stats *spool, unsigned cause)
{
    uint64_t sum = 0;
    for (unsigned level = 0; level < SPOOL_LEVELS; level++)
        sum += spool->dropped[cause][level];
    return sum;
}

static const char *const level_names[SPOOL_LEVELS] = {"any", "critical", "error", "warning", "info", "debug", "trace"};

/* ---- text ---- */

static void text_losses(const struct status *status)
{
    fprintf(status->out, "lost in rings  ");
    bool any = false;
    for (unsigned i = 0; i < EVTRAIL_CAUSES_ALL; i++)
        if (status->tail->lost[i]) {
            fprintf(status->out, "%s%s %" PRIu64, any ? ", " : "", evtrail_cause_name(i), status->tail->lost[i]);
            any = true;
        }
    fprintf(status->out, "%s\ndropped here   ", any ? "" : "nothing");
    any = false;
    for (unsigned cause = 1; cause < SPOOL_CAUSES; cause++)
        if (dropped(status->spool, cause)) {
            fprintf(status->out, "%s%s %" PRIu64, any ? ", " : "", wire_gap_cause_name(cause),
                    dropped(status->spool, cause));
            any = true;
        }
    fprintf(status->out, "%s\n", any ? "" : "nothing");
}

static void text(const struct status *status)
{
    const struct spool_stats *const spool = status->spool;
    const struct send_figures *const figures = status->figures;
    FILE *const out = status->out;
    fprintf(out, "collector      %s%s%s%s\n", figures->state, *figures->collector ? " " : "", figures->collector,
            figures->connected ? figures->tls ? " (TLS)" : " (plain)" : "");
    if (*figures->last_error)
        fprintf(out, "last error     %.0f s ago: %s\n", seconds_since(status, figures->last_error_ns),
                figures->last_error);
    fprintf(out, "spool          %s, %s of %s, %" PRIu64 " segments, %u streams%s\n", spool_state_name(spool->state),
            human_bytes((double)spool->bytes), human_bytes((double)spool->max_bytes), spool->segments, spool->lanes,
            spool->blocked ? ", nothing is read" : "");
    if (spool->state != SPOOL_STATE_ok)
        fprintf(out, "to do          %s\n", spool_advice(spool->state));
    fprintf(out, "unacknowledged %s, %" PRIu64 " batches, about %s events, oldest %.1f s\n",
            human_bytes((double)spool->unacked_bytes), spool->unacked_batches,
            human_count((double)spool->unacked_events), seconds_since(status, spool->oldest_ns));
    fprintf(out, "written        %s events in %" PRIu64 " batches, %s\n", human_count((double)spool->written_events),
            spool->written_batches, human_bytes((double)spool->written_bytes));
    fprintf(out, "acknowledged   %s events in %" PRIu64 " batches\n", human_count((double)spool->acked_events),
            spool->acked_batches);
    fprintf(out, "rates          written %s events/s, acknowledged %s events/s, sent %s/s\n",
            human_count(figures->written_rate), human_count(figures->acked_rate), human_bytes(figures->sent_rate));
    fprintf(out, "emitted to acknowledged  half within %.3g s, 99 %% within %.3g s\n", latency_at(figures, 0.5),
            latency_at(figures, 0.99));
    fprintf(out, "sources        %u, %u of them ended; lag %s, fullest ring %u %%\n", status->tail->sources,
            status->tail->sources_gone, human_ns((double)status->tail->lag_ns), status->tail->fill);
    text_losses(status);
    if (spool->refused_batches)
        fprintf(out, "refused        %" PRIu64 " batches, in refused/ of the spool\n", spool->refused_batches);
    if (figures->offset_known)
        fprintf(out, "clock          the collector's is %.6f s %s, +- %.6f s\n",
                (double)llabs(figures->offset_ns) / 1e9, figures->offset_ns < 0 ? "behind" : "ahead",
                (double)figures->bound_ns / 1e9);
}

/* ---- JSON ---- */

static void json_text(FILE *out, const char *name, const char *value)
{
    fprintf(out, "\"%s\":\"", name);
    for (; *value; value++)
        if (*value == '"' || *value == '\\')
            fprintf(out, "\\%c", *value);
        else if ((unsigned char)*value < 32)
            fprintf(out, "\\u%04x", (unsigned char)*value);
        else
            fputc(*value, out);
    fprintf(out, "\",");
}

static void json_losses(const struct status *status)
{
    fprintf(status->out, "\"lost\":{");
    for (unsigned i = 0; i < EVTRAIL_CAUSES_ALL; i++)
        fprintf(status->out, "%s\"%s\":%" PRIu64, i ? "," : "", evtrail_cause_name(i), status->tail->lost[i]);
    fprintf(status->out, "},\"dropped\":{");
    for (unsigned cause = 1; cause < SPOOL_CAUSES; cause++)
        fprintf(status->out, "%s\"%s\":%" PRIu64, cause > 1 ? "," : "", wire_gap_cause_name(cause),
                dropped(status->spool, cause));
    fprintf(status->out, "}");
}

static void json(const struct status *status)
{
    const struct spool_stats *const spool = status->spool;
    const struct send_figures *const figures = status->figures;
    FILE *const out = status->out;
    char id[2 * SPOOL_ID_BYTES + 1];
    for (unsigned i = 0; i < SPOOL_ID_BYTES; i++)
        snprintf(id + 2 * i, 3, "%02x", spool->id[i]);
    fprintf(out, "{\"running\":true,\"connected\":%s,", figures->connected ? "true" : "false");
    json_text(out, "state", figures->state);
    json_text(out, "collector", figures->collector);
    json_text(out, "last_error", figures->last_error);
    json_text(out, "stream", id);
    json_text(out, "spool_state", spool_state_name(spool->state));
    json_text(out, "to_do", spool_advice(spool->state));
    fprintf(out, "\"tls\":%s,\"blocked\":%s,\"connects\":%" PRIu64 ",\"failures\":%" PRIu64 ",",
            figures->tls ? "true" : "false", spool->blocked ? "true" : "false", figures->connects, figures->failures);
    fprintf(out,
            "\"spool_bytes\":%" PRIu64 ",\"spool_max_bytes\":%" PRIu64 ",\"segments\":%" PRIu64
            ",\"streams\":%u,\"disk_free_bytes\":%" PRIu64 ",",
            spool->bytes, spool->max_bytes, spool->segments, spool->lanes, spool->disk_free_bytes);
    fprintf(out,
            "\"unacked_bytes\":%" PRIu64 ",\"unacked_batches\":%" PRIu64 ",\"unacked_events\":%" PRIu64
            ",\"oldest_s\":%.3f,",
            spool->unacked_bytes, spool->unacked_batches, spool->unacked_events,
            seconds_since(status, spool->oldest_ns));
    fprintf(out,
            "\"written_events\":%" PRIu64 ",\"written_batches\":%" PRIu64 ",\"acked_events\":%" PRIu64
            ",\"acked_batches\":%" PRIu64 ",",
            spool->written_events, spool->written_batches, spool->acked_events, spool->acked_batches);
    fprintf(out,
            "\"repeated_events\":%" PRIu64 ",\"refused_batches\":%" PRIu64 ",\"sent_bytes\":%" PRIu64
            ",\"in_flight_bytes\":%" PRIu64 ",",
            spool->repeated_events, spool->refused_batches, figures->sent_bytes, figures->in_flight_bytes);
    fprintf(out,
            "\"written_rate\":%.1f,\"acked_rate\":%.1f,\"sent_rate\":%.1f,\"latency_p50_s\":%.6f,\"latency_p99_s\":%."
            "6f,\"latency_max_s\":%.6f,",
            figures->written_rate, figures->acked_rate, figures->sent_rate, latency_at(figures, 0.5),
            latency_at(figures, 0.99), latency_at(figures, 1));
    fprintf(out,
            "\"hold_ms\":%.3f,\"sources\":%u,\"sources_ended\":%u,\"lag_ns\":%" PRId64
            ",\"ring_fill\":%u,\"read_events\":%" PRIu64 ",",
            (double)spool->hold_ns / 1e6, status->tail->sources, status->tail->sources_gone, status->tail->lag_ns,
            status->tail->fill, status->tail->delivered);
    if (figures->offset_known)
        fprintf(out, "\"clock_offset_ns\":%" PRId64 ",\"clock_bound_ns\":%" PRId64 ",", figures->offset_ns,
                figures->bound_ns);
    json_losses(status);
    fprintf(out, "}\n");
}

/* ---- metrics ---- */

static void metric(FILE *out, const char *name, const char *type, const char *help, double value)
{
    fprintf(out, "# HELP evtrail_send_%s %s\n# TYPE evtrail_send_%s %s\nevtrail_send_%s %.17g\n", name, help, name,
            type, name, value);
}

static void metrics_losses(const struct status *status)
{
    FILE *const out = status->out;
    fprintf(out, "# HELP evtrail_send_lost_events_total Events lost in the rings, by cause.\n# TYPE "
                 "evtrail_send_lost_events_total counter\n");
    for (unsigned i = 0; i < EVTRAIL_CAUSES_ALL; i++)
        fprintf(out, "evtrail_send_lost_events_total{cause=\"%s\"} %" PRIu64 "\n", evtrail_cause_name(i),
                status->tail->lost[i]);
    fprintf(out, "# HELP evtrail_send_dropped_events_total Events given up here, by cause and level.\n# TYPE "
                 "evtrail_send_dropped_events_total counter\n");
    for (unsigned cause = 1; cause < SPOOL_CAUSES; cause++)
        for (unsigned level = 0; level < SPOOL_LEVELS; level++)
            if (level == 0 || status->spool->dropped[cause][level])
                fprintf(out, "evtrail_send_dropped_events_total{cause=\"%s\",level=\"%s\"} %" PRIu64 "\n",
                        wire_gap_cause_name(cause), level_names[level], status->spool->dropped[cause][level]);
}

static void metrics_latency(const struct status *status)
{
    FILE *const out = status->out;
    uint64_t sum = 0;
    fprintf(out, "# HELP evtrail_send_latency_seconds From a batch's first event to its acknowledgement.\n# TYPE "
                 "evtrail_send_latency_seconds histogram\n");
    for (unsigned i = 0; i < SEND_LATENCIES; i++) {
        sum += status->figures->latency[i];
        if (i % 4 == 3 && i >= 36)
            fprintf(out, "evtrail_send_latency_seconds_bucket{le=\"%.9g\"} %" PRIu64 "\n",
                    (double)send_latency_below(i) / 1e6, sum);
    }
    fprintf(out,
            "evtrail_send_latency_seconds_bucket{le=\"+Inf\"} %" PRIu64
            "\nevtrail_send_latency_seconds_sum %.9f\nevtrail_send_latency_seconds_count %" PRIu64 "\n",
            sum, status->figures->latency_s, sum);
}

static void metrics(const struct status *status)
{
    const struct spool_stats *const spool = status->spool;
    const struct send_figures *const figures = status->figures;
    FILE *const out = status->out;
    metric(out, "connected", "gauge", "1 while a collector takes events.", figures->connected);
    metric(out, "connects_total", "counter", "Connections that came up.", (double)figures->connects);
    metric(out, "connect_failures_total", "counter", "Attempts that failed.", (double)figures->failures);
    metric(out, "spool_ok", "gauge", "1 while the spool takes events.", spool->state == SPOOL_STATE_ok);
    metric(out, "spool_blocked", "gauge", "1 while nothing is read because the spool is full.", spool->blocked);
    metric(out, "spool_bytes", "gauge", "Size of the spool.", (double)spool->bytes);
    metric(out, "spool_max_bytes", "gauge", "Its limit.", (double)spool->max_bytes);
    metric(out, "disk_free_bytes", "gauge", "Free where the spool is.", (double)spool->disk_free_bytes);
    metric(out, "unacked_bytes", "gauge", "Not acknowledged by a collector.", (double)spool->unacked_bytes);
    metric(out, "unacked_batches", "gauge", "Not acknowledged by a collector.", (double)spool->unacked_batches);
    metric(out, "unacked_events", "gauge", "Not acknowledged by a collector (about).", (double)spool->unacked_events);
    metric(out, "oldest_seconds", "gauge", "Age of the oldest that is not acknowledged.",
           seconds_since(status, spool->oldest_ns));
    metric(out, "read_events_total", "counter", "Events read from rings.", (double)status->tail->delivered);
    metric(out, "written_events_total", "counter", "Events written to the spool.", (double)spool->written_events);
    metric(out, "acked_events_total", "counter", "Events that a collector has on disk.", (double)spool->acked_events);
    metric(out, "repeated_events_total", "counter", "Read again after a restart, and left out.",
           (double)spool->repeated_events);
    metric(out, "sent_bytes_total", "counter", "Sent to collectors.", (double)figures->sent_bytes);
    metric(out, "in_flight_bytes", "gauge", "Sent and not acknowledged.", (double)figures->in_flight_bytes);
    metric(out, "refused_batches_total", "counter", "Batches that a collector would not take.",
           (double)spool->refused_batches);
    metric(out, "sources", "gauge", "Processes that are read.", status->tail->sources - status->tail->sources_gone);
    metric(out, "lag_seconds", "gauge", "Age of the oldest event in a ring that is not read.",
           (double)status->tail->lag_ns / 1e9);
    if (figures->offset_known)
        metric(out, "clock_offset_seconds", "gauge", "The collector's clock less this one's.",
               (double)figures->offset_ns / 1e9);
    metric(out, "sent_bytes_per_second", "gauge", "Bytes sent a second, of late.", figures->sent_rate);
    metric(out, "written_events_per_second", "gauge", "Events written to the spool a second, of late.",
           figures->written_rate);
    metric(out, "acked_events_per_second", "gauge", "Events acknowledged a second, of late.", figures->acked_rate);
    if (figures->certificate_days != INT_MAX)
        metric(out, "certificate_left_seconds", "gauge",
               "Time until this sender's certificate runs out, in whole days; negative: it has.",
               86400.0 * figures->certificate_days);
    metrics_losses(status);
    metrics_latency(status);
}

char *send_status_text(enum send_status_format format, const struct spool_stats *spool,
                       const struct send_figures *figures, const struct send_tail_figures *tail)
{
    char *buffer = NULL;
    size_t bytes = 0;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const struct status status = {.out = open_memstream(&buffer, &bytes),
                                  .spool = spool,
                                  .figures = figures,
                                  .tail = tail,
                                  .now = (double)now.tv_sec + (double)now.tv_nsec / 1e9};
    if (!status.out)
        return NULL;
    if (format == SEND_STATUS_text)
        text(&status);
    else if (format == SEND_STATUS_json)
        json(&status);
    else
        metrics(&status);
    fclose(status.out);
    return buffer;
}

/* ---- asking ---- */

int send_status_show(const struct send_options *options, bool as_json)
{
    const char *const spool = options->directory;
    const int r = serve_ask(spool, SEND_STATUS_SOCKET, as_json ? "/status.json" : "/status");
    if (r == -ENAMETOOLONG)
        return fail(CODE_usage, spool, "too long a path for a socket; ask by --metrics, which has a page /status, too");
    if (r == -EACCES || r == -EPERM)
        return fail(CODE_permission, spool, "the spool is another user's; ask as that user");
    if (r == -ENOENT || r == -ENOTDIR || r == -ECONNREFUSED) {
        if (as_json)
            puts("{\"running\":false}");
        return fail(CODE_missing, spool, "no evtrail send runs on this spool; what is in it is read by evtrail stat %s",
                    spool);
    }
    return r < 0 ? fail(code_of(r) == CODE_ok ? CODE_io : code_of(r), spool, "the sender does not answer: %s",
                        strerror(-r))
                 : CODE_ok;
}
