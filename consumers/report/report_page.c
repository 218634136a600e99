/* SPDX-License-Identifier: ISC
 *
 * The page: one file that needs nothing else. Its policy lets nothing be loaded and nothing run but the style and the script that are
 * in it, by their hashes; the data are compressed, in base64, and text to the page.
 */
#include "report.h"

#include "sha256.h"
#include "svg.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define LEVEL 12
#define DATA_MOST 1400000u /* bytes, of which base64 makes a third more */

extern const char report_css[], report_js[], live_js[], report_html[]; /* made by embed.cmake */

/* Four characters for each three bytes, or a part of them. Returns how many. */
static size_t base64(char *text, const unsigned char *bytes, size_t count)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t used = 0;
    for (size_t i = 0; i < count; i += 3) {
        const size_t left = count - i;
        const unsigned word =
            (unsigned)bytes[i] << 16 | (left > 1 ? (unsigned)bytes[i + 1] << 8 : 0) | (left > 2 ? bytes[i + 2] : 0);
        text[used++] = digits[word >> 18];
        text[used++] = digits[word >> 12 & 63];
        text[used++] = left > 1 ? digits[word >> 6 & 63] : '=';
        text[used++] = left > 2 ? digits[word & 63] : '=';
    }
    return used;
}

static void base64_write(struct output *out, const unsigned char *bytes, size_t count)
{
    char text[4 * 1024];
    for (size_t i = 0; i < count; i += 3 * 1024)
        output_write(out, text, base64(text, bytes + i, count - i < 3 * 1024 ? count - i : 3 * 1024));
}

static void hash_add(struct blob *to, const char *text)
{
    unsigned char digest[32];
    char coded[48];
    sha256(text, strlen(text), digest);
    coded[base64(coded, digest, sizeof digest)] = '\0';
    blob_print(to, "'sha256-%s'", coded);
}

/* What may be loaded and run. */
static void policy_add(struct blob *to, const char *script, const char *more)
{
    blob_text(to, "default-src 'none'; style-src ");
    hash_add(to, report_css);
    blob_text(to, "; script-src ");
    hash_add(to, script);
    blob_text(to, more);
    blob_text(to, "; base-uri 'none'; form-action 'none'");
}

#define HEAD_BEFORE_POLICY \
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta " \
    "http-equiv=\"Content-Security-Policy\" content=\""
#define HEAD_BEFORE_TITLE \
    "\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n" \
    "<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n<title>"

static int head_write(struct output *out, const char *title)
{
    struct blob policy = {0};
    policy_add(&policy, report_js, "");
    output_text(out, HEAD_BEFORE_POLICY);
    output_write(out, policy.bytes, policy.used);
    output_text(out, HEAD_BEFORE_TITLE);
    xml_text(out, title);
    output_text(out, "</title>\n<style>");
    output_text(out, report_css);
    output_text(out, "</style>\n</head>\n");
    const bool failed = policy.failed;
    blob_fini(&policy);
    return failed ? -ENOMEM : 0;
}

int report_live_page(struct blob *page, struct blob *policy)
{
    policy_add(policy, live_js, "; connect-src 'self'");
    blob_text(page, HEAD_BEFORE_POLICY);
    blob_add(page, policy->bytes, policy->used);
    blob_text(page, HEAD_BEFORE_TITLE "evtrail web</title>\n<style>");
    blob_text(page, report_css);
    blob_text(page, "</style>\n</head>\n");
    blob_text(page, report_html);
    blob_text(page, "<script>");
    blob_text(page, live_js);
    blob_text(page, "</script>\n</body>\n</html>\n");
    blob_add(page, "", 1);
    blob_text(policy, "; frame-ancestors 'none'"); /* which a page cannot say of itself */
    blob_add(policy, "", 1);
    return page->failed || policy->failed ? -ENOMEM : 0;
}

/* The report's data, compressed; NULL: no memory. */
static void *data_pack(struct report *report, size_t *ret_bytes)
{
    struct blob data = {0};
    report_write(report, &data);
    const size_t most = ZSTD_compressBound(data.used);
    void *packed = data.failed ? NULL : malloc(most);
    const size_t bytes = packed ? ZSTD_compress(packed, most, data.bytes, data.used, LEVEL) : 0;
    blob_fini(&data);
    if (packed && ZSTD_isError(bytes)) {
        free(packed);
        packed = NULL;
    }
    *ret_bytes = bytes;
    return packed;
}

static int data_write(struct output *out, struct report *report, size_t most, const char *id)
{
    size_t bytes;
    void *packed = data_pack(report, &bytes);
    while (packed && bytes > most && report_shrink(report)) {
        free(packed);
        packed = data_pack(report, &bytes);
    }
    if (!packed || report->out_of_memory) {
        free(packed);
        return -ENOMEM;
    }
    output_print(out, "<script type=\"application/octet-stream\" id=\"%s\">", id);
    base64_write(out, packed, bytes);
    output_text(out, "</script>\n");
    free(packed);
    return 0;
}

/* JSON in which no markup can begin. */
static void figures_write(struct output *out, const char *json)
{
    output_text(out, "<script type=\"application/json\" id=\"given\">");
    for (size_t length; *json; json += length) {
        length = strcspn(json, "<");
        output_write(out, json, length);
        if (json[length] == '<') {
            output_text(out, "\\u003c");
            length++;
        }
    }
    output_text(out, "</script>\n");
}

int report_page(struct output *out, struct report *report, struct report *against, const struct page_options *options)
{
    const size_t most = options->full ? SIZE_MAX : against ? DATA_MOST / 2 : DATA_MOST;
    int r = head_write(out, options->title);
    output_text(out, report_html);
    if (options->figures)
        figures_write(out, options->figures);
    if (r == 0)
        r = data_write(out, report, most, "data");
    if (r == 0 && against)
        r = data_write(out, against, most, "against");
    output_text(out, "<script>");
    output_text(out, report_js);
    output_text(out, "</script>\n</body>\n</html>\n");
    return r < 0 ? r : out->error;
}
