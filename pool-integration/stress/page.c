/* SPDX-License-Identifier: ISC
 *
 * The page: one file that needs nothing else. Its policy lets nothing be loaded and nothing run but the style and the script that
 * are in it, by their hashes.
 */
#include "page.h"

#include <openssl/evp.h>

#include <errno.h>
#include <string.h>
#include <time.h>

/* "sha256-..." as a Content-Security-Policy has it. */
static void hash_of(const char *text, char hash[64])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    strcpy(hash, "sha256-");
    if (EVP_Digest(text, strlen(text), digest, &length, EVP_sha256(), NULL) == 1)
        EVP_EncodeBlock((unsigned char *)hash + 7, digest, (int)length);
}

static void title_write(FILE *out, const struct model *model)
{
    fputs("Connection pool", out);
    if (model->preset[0]) {
        fputs(": ", out);
        write_html(out, model->preset);
    }
}

static void write_head(FILE *out, const struct model *model)
{
    char style[64], script[64];
    hash_of(page_css, style);
    hash_of(page_js, script);
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n", out);
    fprintf(
        out,
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src '%s'; script-src '%s'; "
        "base-uri 'none'; form-action 'none'\">\n",
        style, script);
    fputs("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" "
          "content=\"no-referrer\">\n<title>",
          out);
    title_write(out, model);
    fprintf(out, "</title>\n<style>%s</style>\n</head>\n", page_css);
}

static void write_when(FILE *out, const struct model *model)
{
    char date[64] = "";
    const time_t start = (time_t)(model->axis.start_ns / 1000000000);
    struct tm parts;
    if (model->axis.used == 0 || !localtime_r(&start, &parts))
        return;
    strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S", &parts);
    write_html(out, date);
    fprintf(out, " · %s", text_value(model_seconds(model), UNIT_seconds).s);
    if (model->preset[0])
        fprintf(out, " · %s clients · %s servers · %s a message", text_count(model->clients).s,
                text_count(model->servers).s, text_value((double)model->size, UNIT_bytes).s);
}

static void write_header(FILE *out, const struct report *report)
{
    char verdict[300];
    report_verdict(report, verdict, sizeof verdict);
    fputs("<body>\n<a class=\"skip\" href=\"#main\">Skip to the figures</a>\n<header><div class=\"top\"><h1>", out);
    title_write(out, report->model);
    fputs("</h1><button id=\"theme\" type=\"button\" hidden>Theme: system</button></div>\n<p class=\"when\">", out);
    write_when(out, report->model);
    fprintf(out, "</p>\n<p class=\"verdict %s\"><span aria-hidden=\"true\">%s</span> ",
            report_well(report) ? "good" : "bad", report_well(report) ? "✓" : "!");
    write_html(out, verdict);
    fputs("</p>\n", out);
    page_tiles(out, report);
    fputs("<nav aria-label=\"On this page\"><a href=\"#load\">Load</a><a href=\"#latency\">Latency</a>"
          "<a href=\"#pool\">Connections</a><a href=\"#queue\">Waiting</a><a href=\"#faults\">Errors</a>"
          "<a href=\"#loop\">Loop</a><a href=\"#source\">Source</a></nav>\n</header>\n<main id=\"main\">\n",
          out);
}

static void section(FILE *out, const char *id, const char *title)
{
    fprintf(out, "<section id=\"%s\" aria-labelledby=\"%s-title\"><h2 id=\"%s-title\">%s</h2>\n", id, id, id, title);
}

static int write_sections(FILE *out, const struct report *report)
{
    const struct model *const model = report->model;
    int r = 0;
    section(out, "load", "Load");
    if (model->messages[1] == 0)
        fputs("<p class=\"quiet\">The trace has no messages of the stress program.</p>\n", out);
    r |= page_load_charts(out, model);
    fputs("</section>\n", out);
    section(out, "latency", "Latency");
    page_latency_table(out, model);
    r |= page_latency_charts(out, model);
    fputs("</section>\n", out);
    section(out, "pool", "Connections");
    r |= page_connection_charts(out, model);
    r |= page_address_table(out, model);
    fputs("</section>\n", out);
    section(out, "queue", "Waiting");
    r |= page_waiting_charts(out, model);
    fputs("</section>\n", out);
    section(out, "faults", "Errors");
    r |= page_error_charts(out, model);
    page_stories(out, model);
    fputs("</section>\n", out);
    section(out, "loop", "Loop");
    r |= page_loop_charts(out, model);
    fputs("</section>\n", out);
    section(out, "source", "Counts, and where the figures are from");
    page_counts_tables(out, model);
    page_provenance(out, report);
    fputs("</section>\n", out);
    return r ? -ENOMEM : 0;
}

int report_page(FILE *out, const struct report *report)
{
    write_head(out, report->model);
    write_header(out, report);
    const int r = write_sections(out, report);
    fprintf(
        out,
        "</main>\n<footer>Made by pool-stress from evtrail's events.</footer>\n<script>%s</script>\n</body>\n</html>\n",
        page_js);
    return r;
}
