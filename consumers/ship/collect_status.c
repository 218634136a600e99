/* SPDX-License-Identifier: ISC
 *
 * What the collector is doing, as a table and as JSON.
 */
#include "ship/collect_private.h"

#include "host_list.h"
#include "outbuf.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Everything that is shown of a sender. */
struct row {
    const struct collect_peer *peer;
    struct ship_receiver_figures figures;
    double lag, connected; /* seconds: of the oldest that is not on disk; since when it is connected */
    uint64_t lost, refused;
};

static struct row row_of(const struct collect_peer *peer, struct ship_time now)
{
    struct row row = {.peer = peer};
    ship_receiver_figures(peer->receiver, now, &row.figures);
    row.lag = peer->waiting_since_ns ? (double)(now.monotonic_ns - peer->waiting_since_ns) / 1e9 : 0;
    row.connected = (double)(now.monotonic_ns - peer->opened_ns) / 1e9;
    for (unsigned i = 0; i < COLLECT_GAP_CAUSES; i++)
        row.lost += peer->lost[i];
    for (unsigned i = 0; i < COLLECT_REFUSALS; i++)
        row.refused += peer->refused[i];
    return row;
}

static const char *held_text(const struct collect_peer *peer)
{
    static const char *const texts[] = {"", "waits: no room", "waits: over its rate", "waits: costly batches"};
    return texts[peer->held];
}

/* ---- text -------------------------------------------------------------------------------------------------------------- */

static void print_line(FILE *out, const char *text)
{
    for (; *text; text++)
        fputc((unsigned char)*text < ' ' || (unsigned char)*text == 0x7f ? '?' : *text, out);
}

/* "+1.203ms +- 150us": how far the sender's clock is ahead of ours, and how wrong that may be. */
static const char *clock_text(const struct collect_peer *peer, char *buffer, size_t size)
{
    struct host host = {.ahead_ns = peer->offset_ns, .bound_ns = peer->offset_known ? peer->bound_ns : 0};
    return *host_clock_text(&host, "+-", buffer, size) ? buffer : "-";
}

static void text_row(FILE *out, const struct row *row)
{
    char host[40], clock[80];
    snprintf(host, sizeof(host), "%s", row->peer->host);
    print_line(out, host);
    fprintf(out, "%*s %10s/s %10s/s %10s %8s %10" PRIu64 " %8" PRIu64 "  %-22s  ",
            strlen(host) < 24 ? (int)(24 - strlen(host)) : 0, "", human_count(row->peer->events_rate),
            human_bytes(row->peer->bytes_rate), human_bytes((double)row->figures.unacked_bytes),
            human_ns(row->lag * 1e9), row->lost, row->refused, clock_text(row->peer, clock, sizeof(clock)));
    print_line(out, row->peer->name);
    fprintf(out, "%s%s%s\n", row->peer->reader ? " reader" : "", row->peer->held ? " " : "", held_text(row->peer));
}

static void print_text(const struct collect *collect, FILE *out)
{
    struct store_stats stats;
    const struct ship_time now = collect_now();
    store_stats(collect->store, &stats);
    fprintf(out, "store     %s: %s\n", collect->options.store, store_state_name(stats.state));
    if (stats.state != STORE_ok)
        fprintf(out, "          %s (%s)\n", store_state_text(stats.state), strerror(-stats.error));
    fprintf(out, "          %s in %" PRIu64 " files of %u processes; %s on the way to disk; longest sync %s\n",
            human_bytes((double)stats.tree_bytes), stats.tree_files, stats.sources,
            human_bytes((double)stats.queued_bytes), human_ns((double)stats.sync_ns_max));
    fprintf(out, "stored    %s events in %s batches; %" PRIu64 " came twice; %s events lost by senders\n",
            human_count((double)stats.events), human_count((double)stats.batches), stats.duplicates,
            human_count((double)stats.lost_events));
    fprintf(out, "senders   %u connected, %" PRIu64 " connections since the start\n", collect->peers_count,
            collect->totals.connections);
    if (!collect->peers)
        return;
    fprintf(out, "\n%-24s %12s %12s %10s %8s %10s %8s  %-22s  %s\n", "HOST", "EVENTS", "BYTES", "UNACKED", "LAG",
            "LOST", "REFUSED", "CLOCK AHEAD", "FROM");
    for (const struct collect_peer *peer = collect->peers; peer; peer = peer->next) {
        const struct row row = row_of(peer, now);
        text_row(out, &row);
    }
}

/* ---- JSON ---------------------------------------------------------------------------------------------------------------- */

static void json_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        const unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\')
            fprintf(out, "\\%c", byte);
        else if (byte < ' ' || byte >= 0x7f)
            fprintf(out, "\\u%04x", byte);
        else
            fputc(byte, out);
    }
    fputc('"', out);
}

static void json_lost(FILE *out, const uint64_t lost[COLLECT_GAP_CAUSES])
{
    bool first = true;
    fputc('{', out);
    for (unsigned i = 0; i < COLLECT_GAP_CAUSES; i++) {
        if (!lost[i])
            continue;
        fprintf(out, "%s\"%s\":%" PRIu64, first ? "" : ",", i ? wire_gap_cause_name(i) : "unknown", lost[i]);
        first = false;
    }
    fputc('}', out);
}

static void json_row(FILE *out, const struct row *row)
{
    const struct collect_peer *peer = row->peer;
    fputs("{\"host\":", out);
    json_text(out, peer->host);
    fputs(",\"address\":", out);
    json_text(out, peer->name);
    fputs(",\"owner\":", out);
    json_text(out, peer->owner);
    fprintf(out,
            ",\"role\":\"%s\",\"connected_s\":%.1f,\"events\":%" PRIu64 ",\"batches\":%" PRIu64 ",\"bytes\":%" PRIu64
            ",\"events_per_s\":%.1f,\"bytes_per_s\":%.1f,\"unacked_bytes\":%" PRIu64
            ",\"lag_s\":%.6f,\"duplicates\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"waits\":",
            peer->reader ? "reader" : "sender", row->connected, peer->events, peer->batches, peer->bytes,
            peer->events_rate, peer->bytes_rate, row->figures.unacked_bytes, row->lag, row->figures.duplicates,
            row->refused);
    json_text(out, held_text(peer));
    if (peer->offset_known)
        fprintf(out, ",\"clock_offset_ns\":%" PRId64 ",\"clock_bound_ns\":%" PRId64, peer->offset_ns, peer->bound_ns);
    fputs(",\"lost\":", out);
    json_lost(out, peer->lost);
    fputc('}', out);
}

static void print_json(const struct collect *collect, FILE *out)
{
    struct store_stats stats;
    const struct ship_time now = collect_now();
    store_stats(collect->store, &stats);
    fputs("{\"store\":{\"path\":", out);
    json_text(out, collect->options.store);
    fprintf(out, ",\"state\":\"%s\",\"what\":", store_state_name(stats.state));
    json_text(out, store_state_text(stats.state));
    fprintf(out,
            ",\"error\":%d,\"bytes\":%" PRIu64 ",\"files\":%" PRIu64 ",\"processes\":%u,\"queued_bytes\":%" PRIu64
            ",\"events\":%" PRIu64 ",\"batches\":%" PRIu64 ",\"duplicates\":%" PRIu64 ",\"lost_events\":%" PRIu64
            ",\"syncs\":%" PRIu64 ",\"sync_s\":%.6f,\"sync_max_s\":%.6f,\"deleted_files\":%" PRIu64
            ",\"set_aside\":%" PRIu64 "},",
            -stats.error, stats.tree_bytes, stats.tree_files, stats.sources, stats.queued_bytes, stats.events,
            stats.batches, stats.duplicates, stats.lost_events, stats.syncs, (double)stats.sync_ns / 1e9,
            (double)stats.sync_ns_max / 1e9, stats.deleted_files, stats.set_aside);
    fprintf(out, "\"uptime_s\":%.1f,\"connections\":%" PRIu64 ",\"lost\":",
            (double)(now.monotonic_ns - collect->started_ns) / 1e9, collect->totals.connections);
    json_lost(out, collect->totals.lost);
    fputs(",\"senders\":[", out);
    for (const struct collect_peer *peer = collect->peers; peer; peer = peer->next) {
        const struct row row = row_of(peer, now);
        if (peer != collect->peers)
            fputc(',', out);
        json_row(out, &row);
    }
    fputs("]}\n", out);
}

char *collect_status_text(const struct collect *collect, bool json)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    if (!out)
        return NULL;
    if (json)
        print_json(collect, out);
    else
        print_text(collect, out);
    return fclose(out) == 0 ? text : NULL;
}
