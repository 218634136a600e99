/* SPDX-License-Identifier: ISC
 *
 * What the collector is doing, as a page for Prometheus: text format 0.0.4.
 */
#include "ship/collect_private.h"

#include <inttypes.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static void family(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP evtrail_collect_%s %s\n# TYPE evtrail_collect_%s %s\n", name, help, name, type);
}

static void single(FILE *out, const char *name, const char *type, const char *help, double value)
{
    family(out, name, type, help);
    fprintf(out, "evtrail_collect_%s %.17g\n", name, value);
}

static void store_metrics(const struct collect *collect, FILE *out)
{
    struct store_stats stats;
    store_stats(collect->store, &stats);
    family(out, "store_state", "gauge", "1 for the state that the store is in.");
    for (unsigned i = 0; i < STORE_STATES_COUNT; i++)
        fprintf(out, "evtrail_collect_store_state{state=\"%s\"} %d\n", store_state_name(i), stats.state == i);
    single(out, "store_bytes", "gauge", "Bytes of the files in the store.", (double)stats.tree_bytes);
    single(out, "store_files", "gauge", "Files in the store.", (double)stats.tree_files);
    single(out, "store_processes", "gauge", "Processes whose files grow.", stats.sources);
    single(out, "store_queued_bytes", "gauge", "Bytes received and not yet on disk.", (double)stats.queued_bytes);
    single(out, "stored_events_total", "counter", "Events stored.", (double)stats.events);
    single(out, "stored_batches_total", "counter", "Batches stored.", (double)stats.batches);
    single(out, "stored_bytes_total", "counter", "Bytes of batches stored.", (double)stats.bytes);
    single(out, "duplicate_batches_total", "counter", "Batches that came again and were not stored.",
           (double)stats.duplicates);
    family(out, "sync_seconds", "summary", "Time of group commits.");
    fprintf(out, "evtrail_collect_sync_seconds_sum %.9f\nevtrail_collect_sync_seconds_count %" PRIu64 "\n",
            (double)stats.sync_ns / 1e9, stats.syncs);
    single(out, "sync_max_seconds", "gauge", "The longest group commit.", (double)stats.sync_ns_max / 1e9);
    single(out, "deleted_files_total", "counter", "Files that retention deleted.", (double)stats.deleted_files);
    single(out, "set_aside_files", "gauge", "Files found at the start that are none of the store's.",
           (double)stats.set_aside);
}

static void connection_metrics(const struct collect *collect, FILE *out)
{
    const struct collect_totals *totals = &collect->totals;
    struct net_listener_figures figures;
    net_listener_figures(collect->listener, &figures);
    single(out, "connections", "gauge", "Connections of senders and readers.", collect->peers_count);
    single(out, "connections_total", "counter", "Connections that were made.", (double)totals->connections);
    single(out, "holds_total", "counter", "Times that a sender was made to wait.", (double)totals->holds);
    single(out, "received_bytes_total", "counter", "Bytes received.", (double)totals->bytes);
    family(out, "closed_total", "counter", "Connections that ended, by why.");
    for (unsigned i = 0; i < WIRE_BYE_CODES; i++)
        fprintf(out, "evtrail_collect_closed_total{why=\"%s\"} %" PRIu64 "\n", wire_bye_name(i), totals->byes[i]);
    family(out, "turned_away_total", "counter", "Connections that ended before they were ready, by why.");
    for (unsigned i = 0; i < NET_ENDS_COUNT; i++)
        fprintf(out, "evtrail_collect_turned_away_total{why=\"%s\"} %" PRIu64 "\n", net_end_name(i),
                figures.refused[i]);
    family(out, "refused_batches_total", "counter", "Batches that were refused, by why.");
    for (unsigned i = 1; i < COLLECT_REFUSALS; i++)
        fprintf(out, "evtrail_collect_refused_batches_total{why=\"%s\"} %" PRIu64 "\n", wire_refusal_name(i),
                totals->refused[i]);
    family(out, "lost_events_total", "counter", "Events that senders could not keep, by cause.");
    for (unsigned i = 1; i < COLLECT_GAP_CAUSES; i++)
        fprintf(out, "evtrail_collect_lost_events_total{cause=\"%s\"} %" PRIu64 "\n", wire_gap_cause_name(i),
                totals->lost[i]);
    single(out, "senders", "gauge",
           "Senders that have series of their own: those that are connected, and those that were of late.",
           collect->senders_count);
    if (collect->tls && net_tls_days_left(collect->tls) != INT_MAX)
        single(out, "certificate_left_seconds", "gauge",
               "Time until the collector's certificate runs out, in whole days; negative: it has.",
               86400.0 * net_tls_days_left(collect->tls));
}

/* Names come from peers: printable ASCII, so that only these two are escaped. */
static void label_text(FILE *out, const char *text)
{
    for (; *text; text++) {
        const unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\')
            fputc('\\', out);
        fputc(byte < ' ' || byte >= 0x7f ? '?' : byte, out);
    }
}

/* ---- of each sender ------------------------------------------------------------------------------------------------------ */

static const struct {
    const char *name, *type, *help;
    size_t offset;
    double scale;
    bool integer; /* a uint64_t, else a double */
} sender_families[] = {
#define INTEGER(name, type, field, help) \
    { \
        name, type, help, offsetof(struct collect_sender_figures, field), 1, true \
    }
#define REAL(name, type, field, scale, help) \
    { \
        name, type, help, offsetof(struct collect_sender_figures, field), scale, false \
    }
    INTEGER("connections", "gauge", connections, "Connections of this sender."),
    INTEGER("events_total", "counter", events, "Events taken from this sender."),
    INTEGER("batches_total", "counter", batches, "Batches taken from this sender."),
    INTEGER("received_bytes_total", "counter", bytes, "Bytes received from this sender."),
    INTEGER("duplicate_batches_total", "counter", duplicates, "Batches that came again and were not stored."),
    INTEGER("unacked_bytes", "gauge", unacked_bytes, "Bytes received and not yet acknowledged."),
    REAL("events_per_second", "gauge", events_rate, 1, "Events a second, of late."),
    REAL("bytes_per_second", "gauge", bytes_rate, 1, "Bytes a second, of late."),
    REAL("lag_seconds", "gauge", lag_ns, 1e-9, "How long what came has been waiting for the disk."),
    REAL("waiting", "gauge", held, 1, "1 while it is not read: no room, or over its rate."),
#undef INTEGER
#undef REAL
};

static void sender_value(FILE *out, const char *name, const struct collect_sender *sender, const char *label,
                         const char *value, double number)
{
    fprintf(out, "evtrail_collect_sender_%s{host=\"", name);
    label_text(out, sender->host);
    fputs("\",from=\"", out);
    label_text(out, sender->from);
    if (label)
        fprintf(out, "\",%s=\"%s", label, value);
    fprintf(out, "\"} %.17g\n", number);
}

static void sender_numbers(const struct collect *collect, FILE *out)
{
    for (size_t i = 0; i < sizeof(sender_families) / sizeof(*sender_families); i++) {
        char name[64];
        snprintf(name, sizeof(name), "sender_%s", sender_families[i].name);
        family(out, name, sender_families[i].type, sender_families[i].help);
        for (const struct collect_sender *sender = collect->senders; sender; sender = sender->next) {
            const char *at = (const char *)&sender->now + sender_families[i].offset;
            uint64_t integer;
            double number;
            memcpy(&integer, at, sizeof(integer));
            memcpy(&number, at, sizeof(number));
            sender_value(out, sender_families[i].name, sender, NULL, NULL,
                         sender_families[i].integer ? (double)integer : number * sender_families[i].scale);
        }
    }
}

static void sender_causes(const struct collect *collect, FILE *out)
{
    family(out, "sender_lost_events_total", "counter", "Events that the sender gave up, by cause.");
    for (const struct collect_sender *sender = collect->senders; sender; sender = sender->next)
        for (unsigned i = 1; i < COLLECT_GAP_CAUSES; i++)
            if (i == 1 || sender->now.lost[i])
                sender_value(out, "lost_events_total", sender, "cause", wire_gap_cause_name(i),
                             (double)sender->now.lost[i]);
    family(out, "sender_refused_batches_total", "counter", "Batches of this sender that were refused, by why.");
    for (const struct collect_sender *sender = collect->senders; sender; sender = sender->next)
        for (unsigned i = 1; i < COLLECT_REFUSALS; i++)
            if (i == 1 || sender->now.refused[i])
                sender_value(out, "refused_batches_total", sender, "why", wire_refusal_name(i),
                             (double)sender->now.refused[i]);
}

static void sender_clocks(const struct collect *collect, FILE *out)
{
    family(out, "sender_clock_offset_seconds", "gauge", "How far the sender's clock is ahead of the collector's.");
    for (const struct collect_sender *sender = collect->senders; sender; sender = sender->next)
        if (sender->now.offset_known)
            sender_value(out, "clock_offset_seconds", sender, NULL, NULL, (double)sender->now.offset_ns / 1e9);
    family(out, "sender_clock_bound_seconds", "gauge", "How far off that may be.");
    for (const struct collect_sender *sender = collect->senders; sender; sender = sender->next)
        if (sender->now.offset_known)
            sender_value(out, "clock_bound_seconds", sender, NULL, NULL, (double)sender->now.bound_ns / 1e9);
}

char *collect_metrics_text(const struct collect *collect)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    if (!out)
        return NULL;
    store_metrics(collect, out);
    connection_metrics(collect, out);
    collect_senders_sum(collect, collect_now());
    sender_numbers(collect, out);
    sender_causes(collect, out);
    sender_clocks(collect, out);
    return fclose(out) == 0 ? text : NULL;
}
