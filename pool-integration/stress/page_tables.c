/* SPDX-License-Identifier: ISC
 *
 * The page's tables: the summary's tiles, percentiles, addresses, counts, error stories, and where the figures are from.
 */
#include "page.h"

#include <errno.h>
#include <stdlib.h>

static void tile(FILE *out, const char *name, struct text value, const char *detail)
{
    fprintf(out, "<div class=\"tile\"><dt>%s</dt><dd>%s<span>%s</span></dd></div>\n", name, value.s, detail);
}

void page_tiles(FILE *out, const struct report *report)
{
    const struct model *const model = report->model;
    const double seconds = model_seconds(model);
    char detail[120];
    fputs("<dl class=\"tiles\">\n", out);
    if (model->begun) {
        snprintf(detail, sizeof detail, "%s in %s", text_count(model->messages[1]).s,
                 text_value(seconds, UNIT_seconds).s);
        tile(out, "Messages", text_value(seconds > 0 ? (double)model->messages[1] / seconds : 0, UNIT_rate), detail);
        const struct histogram *const trip = &model->times[TIME_round_trip];
        snprintf(detail, sizeof detail, "p50 %s, max %s", text_value((double)histogram_quantile(trip, 0.5), UNIT_ns).s,
                 text_value((double)trip->max, UNIT_ns).s);
        tile(out, "Round trip, p99", text_value((double)histogram_quantile(trip, 0.99), UNIT_ns), detail);
    }
    const struct histogram *const wait = &model->times[TIME_wait];
    snprintf(detail, sizeof detail, "p50 %s, max %s", text_value((double)histogram_quantile(wait, 0.5), UNIT_ns).s,
             text_value((double)model->wait_max_ns, UNIT_ns).s);
    tile(out, "Wait, p99", text_value((double)histogram_quantile(wait, 0.99), UNIT_ns), detail);
    snprintf(detail, sizeof detail, "%s of %s requests", text_count(model->reused).s, text_count(model->acquires[0]).s);
    tile(out, "Lent again", text_percent(model->reused, model->acquires[0]), detail);
    snprintf(detail, sizeof detail, "%s created, %s closed", text_count(model->created).s,
             text_count(model_closed(model)).s);
    tile(out, "Open at most", text_count(model->open_max), detail);
    snprintf(detail, sizeof detail, "%s requests failed", text_count(model_acquires_failed(model)).s);
    tile(out, "Errors", text_count(model_errors(model)), detail);
    fputs("</dl>\n", out);
}

void page_latency_table(FILE *out, const struct model *model)
{
    static const double quantiles[] = {0.5, 0.9, 0.99, 0.999};
    fputs("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Percentiles\"><table class=\"figures\">"
          "<thead><tr><th scope=\"col\">time</th><th scope=\"col\">p50</th><th scope=\"col\">p90</th><th "
          "scope=\"col\">p99</th>"
          "<th scope=\"col\">p99.9</th><th scope=\"col\">max</th><th scope=\"col\">count</th></tr></thead><tbody>\n",
          out);
    for (unsigned i = 0; i < MODEL_TIMES; i++) {
        const struct histogram *const times = &model->times[i];
        if (times->count == 0)
            continue;
        fprintf(out, "<tr><th scope=\"row\">%s</th>", model_time_name((enum model_time)i));
        for (unsigned q = 0; q < 4; q++)
            fprintf(out, "<td>%s</td>", text_value((double)histogram_quantile(times, quantiles[q]), UNIT_ns).s);
        fprintf(out, "<td>%s</td><td>%s</td></tr>\n", text_value((double)times->max, UNIT_ns).s,
                text_count(times->count).s);
    }
    fputs("</tbody></table></div>\n", out);
}

static void cell(FILE *out, uint64_t value)
{
    fprintf(out, value ? "<td>%s</td>" : "<td class=\"zero\">%s</td>", text_count(value).s);
}

int page_address_table(FILE *out, const struct model *model)
{
    unsigned *const order = model_ranking(model);
    const unsigned shown = model->addresses_count < 100 ? model->addresses_count : 100;
    if (!order)
        return -ENOMEM;
    fputs("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Addresses\"><table "
          "class=\"figures\"><thead><tr>"
          "<th scope=\"col\">address</th><th scope=\"col\">created</th><th "
          "scope=\"col\">lent again</th>"
          "<th scope=\"col\">closed</th><th scope=\"col\">attempts</th><th scope=\"col\">failed</th>"
          "<th scope=\"col\">ejected</th><th scope=\"col\">for</th></tr></thead><tbody>\n",
          out);
    for (unsigned i = 0; i < shown; i++) {
        const struct model_address *const address = &model->addresses[order[i]];
        fputs("<tr><th scope=\"row\">", out);
        write_html(out, address->label);
        fputs("</th>", out);
        cell(out, address->created);
        cell(out, address->reused);
        cell(out, address->closed);
        cell(out, address->attempts);
        cell(out, address->failures);
        cell(out, address->ejections);
        const uint64_t ns = model_out_ns(model, address);
        fprintf(out, "<td>%s</td></tr>\n", ns ? text_value((double)ns, UNIT_ns).s : "");
    }
    fputs("</tbody></table></div>\n", out);
    if (shown < model->addresses_count)
        fprintf(out, "<p class=\"note\">and %u more</p>\n", model->addresses_count - shown);
    free(order);
    return 0;
}

static void counts_table(FILE *out, const char *title, const uint64_t *counts, unsigned from, unsigned to,
                         const char *(*name_of)(unsigned))
{
    uint64_t sum = 0;
    for (unsigned i = from; i < to; i++)
        sum += counts[i];
    if (sum == 0)
        return;
    fprintf(out, "<table class=\"figures counts\"><caption>%s</caption><tbody>\n", title);
    for (unsigned i = from; i < to; i++)
        if (counts[i])
            fprintf(out, "<tr><th scope=\"row\">%s</th><td>%s</td><td class=\"share\">%s</td></tr>\n", name_of(i),
                    text_count(counts[i]).s, text_percent(counts[i], sum).s);
    fputs("</tbody></table>\n", out);
}

struct what {
    const char *name;
    uint64_t count;
};

void page_counts_tables(FILE *out, const struct model *model)
{
    const struct what whats[] = {
        {"attempts", model->attempts},
        {"races won", model->races},
        {"TLS handshakes", model->handshakes},
        {"of these TLS 1.3", model->tls13},
        {"sessions resumed", model->resumed},
        {"lookups", model->lookups},
        {"of these from the cache", model->cached},
        {"lookups shared", model->coalesced},
        {"retries", model->retries},
        {"ejections", model->ejections},
        {"returns", model->returned},
        {"health checks passed", model->health_ok},
        {"health checks failed", model->health_failed},
        {"leaks suspected", model->leaks},
        {"loop iterations", model->loop.iterations},
        {"submissions", model->loop.submissions},
        {"completions", model->loop.completions},
        {"wake-ups by other threads", model->loop.wakeups},
        {"timers fired", model->loop.timers_fired},
        {"operations that waited for room", model->loop.overflows},
    };
    fputs("<div class=\"columns\">\n", out);
    counts_table(out, "Requests by result", model->acquires, 0, MODEL_CODES, model_code_name);
    counts_table(out, "Connections closed by reason", model->closed, 0, MODEL_REASONS, model_reason_name);
    counts_table(out, "Errors of attempts and lookups", model->errors, 1, MODEL_CODES, model_code_name);
    counts_table(out, "Operations of the loop", model->loop.by_opcode, 0, MODEL_OPCODES, model_opcode_name);
    fputs("<table class=\"figures counts\"><caption>How often</caption><tbody>\n", out);
    for (unsigned i = 0; i < sizeof whats / sizeof whats[0]; i++)
        if (whats[i].count)
            fprintf(out, "<tr><th scope=\"row\">%s</th><td>%s</td></tr>\n", whats[i].name,
                    text_count(whats[i].count).s);
    fputs("</tbody></table>\n</div>\n", out);
}

void page_stories(FILE *out, const struct model *model)
{
    if (model->stories_count == 0)
        return;
    fputs("<h3>The first of each kind, in full</h3><ul class=\"stories\">\n", out);
    for (unsigned i = 0; i < model->stories_count; i++) {
        fprintf(out, "<li><strong>%s</strong> × %s<code>", model_code_name((unsigned)model->stories[i].code),
                text_count(model->stories[i].count).s);
        write_html(out, model->stories[i].text);
        fputs("</code></li>\n", out);
    }
    fputs("</ul>\n", out);
}

/* ---- where the figures are from ---- */

static void fact(FILE *out, const char *name, const char *value)
{
    if (!*value)
        return;
    fprintf(out, "<div><dt>%s</dt><dd>", name);
    write_html(out, value);
    fputs("</dd></div>\n", out);
}

static void provenance_losses(FILE *out, const struct model *model)
{
    fprintf(out,
            "<table class=\"figures counts\"><caption>Events</caption><tbody>\n<tr><th "
            "scope=\"row\">read</th><td>%s</td></tr>\n",
            text_count(model->events).s);
    for (unsigned i = 0; i < EVTRAIL_CAUSES_ALL; i++)
        if (model->lost[i])
            fprintf(out, "<tr class=\"bad\"><th scope=\"row\">lost: %s</th><td>%s</td></tr>\n", evtrail_cause_name(i),
                    text_count(model->lost[i]).s);
    if (model_lost(model) == 0)
        fputs("<tr><th scope=\"row\">lost</th><td>0</td></tr>\n", out);
    fputs("</tbody></table>\n", out);
}

static void provenance_agreement(FILE *out, const struct agreement *agreement)
{
    if (!agreement)
        return;
    fprintf(out,
            "<details%s><summary>Compared with the pool's own counters: %u figures, <span>%u differ</span></summary>"
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Figures compared\"><table "
            "class=\"figures\"><thead><tr>"
            "<th scope=\"col\">figure</th><th scope=\"col\">by the events</th><th scope=\"col\">by the "
            "pool</th></tr></thead><tbody>\n",
            agreement->differ ? " open" : "", agreement->count, agreement->differ);
    for (unsigned i = 0; i < agreement->count; i++) {
        const struct agreement_line *const line = &agreement->lines[i];
        fprintf(out, "<tr%s><th scope=\"row\">%s</th><td>%s</td><td>%s</td></tr>\n",
                line->events != line->pool ? " class=\"bad\"" : "", line->name, text_count(line->events).s,
                text_count(line->pool).s);
    }
    fputs("</tbody></table></div></details>\n", out);
}

void page_provenance(FILE *out, const struct report *report)
{
    const struct model *const model = report->model;
    char seed[32];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)model->seed);
    fputs("<p>Every figure on this page is computed from recorded events, none from a counter kept aside.</p>\n<dl "
          "class=\"facts\">",
          out);
    fact(out, "program", model->command);
    fact(out, "host", model->host);
    fact(out, "preset", model->preset);
    fact(out, "clients", model->preset[0] ? text_count(model->clients).s : "");
    fact(out, "mode", model->mode);
    fact(out, "loop", model->backend);
    fact(out, "servers", model->preset[0] ? text_count(model->servers).s : "");
    fact(out, "message", model->preset[0] ? text_value((double)model->size, UNIT_bytes).s : "");
    fact(out, "seed", model->preset[0] ? seed : "");
    fact(out, "trace", report->trace ? report->trace : "");
    fact(out, "damage", model->faults ? model->fault : "");
    fputs("</dl>\n", out);
    provenance_losses(out, model);
    if (model->incomplete)
        fputs("<p class=\"note\">There were more names, addresses or connections than the tables hold: what is said of "
              "single ones is not all.</p>\n",
              out);
    provenance_agreement(out, report->agreement);
}
