/* SPDX-License-Identifier: ISC
 *
 * pool-stress's help and its manual page, out of the lists of options and presets.
 */
#include "stress.h"

#include <evtrail/evtrail.h>

static const struct {
    const char *name, *argument, *what;
} options[] = {
#define VALUE(name, argument, what) {#name, argument, what},
#define FLAG(name, what) {#name, "", what},
#include "stress_options.def"
#undef VALUE
#undef FLAG
};
enum { OPTIONS = sizeof options / sizeof options[0] };

static const struct {
    const char *code, *what;
} exit_codes[] = {
    {"0", "all well"},
    {"1", "a wrong answer or none, lost events, or figures that differ from the pool's own"},
    {"2", "usage"},
    {"6", "failed"},
};
enum { EXIT_CODES = sizeof exit_codes / sizeof exit_codes[0] };

static const char summary[] =
    "a load on a connection pool, every message checked, and figures computed from its events";

void settings_usage(FILE *out)
{
    fprintf(out,
            "pool-stress: %s.\n\n"
            "usage: pool-stress [OPTIONS] [PRESET]\n"
            "       pool-stress --from FILE.evt [--json] [--html PAGE]\n\n"
            "presets (--list tells more; the first is the default):",
            summary);
    for (unsigned i = 0; i < presets_count; i++)
        fprintf(out, "%s%s", i % 6 ? " " : "\n  ", presets[i].name);
    fputs("\n\n", out);
    for (unsigned i = 0; i < OPTIONS; i++) {
        char left[32];
        snprintf(left, sizeof left, "--%s %s", options[i].name, options[i].argument);
        fprintf(out, "  %-21s %s\n", left, options[i].what);
    }
    fputs("\nexit codes:\n", out);
    for (unsigned i = 0; i < EXIT_CODES; i++)
        fprintf(out, "  %-21s %s\n", exit_codes[i].code, exit_codes[i].what);
}

/* ---- the manual page ---- */

static void roff(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '-' || *text == '\\')
            fputc('\\', out);
        fputc(*text, out);
    }
}

static void roff_item(FILE *out, const char *dashes, const char *name, const char *argument, const char *what)
{
    fputs(".TP\n\\fB", out);
    roff(out, dashes);
    roff(out, name);
    fprintf(out, "\\fR%s\\fI%s\\fR\n", *argument ? " " : "", argument);
    roff(out, what);
    fputc('\n', out);
}

void settings_man(FILE *out)
{
    fputs(".\\\" made by pool-stress --man; do not edit\n"
          ".TH pool-stress 1 \"\" \"evtrail " EVTRAIL_VERSION "\" \"User Commands\"\n.SH NAME\npool\\-stress \\- ",
          out);
    roff(out, summary);
    fputs("\n.SH SYNOPSIS\n\\fBpool\\-stress\\fR [\\fIOPTION\\fR...] [\\fIPRESET\\fR]\n.br\n"
          "\\fBpool\\-stress \\-\\-from\\fR \\fIFILE\\fR [\\fB\\-\\-json\\fR] [\\fB\\-\\-html\\fR \\fIPAGE\\fR]\n"
          ".SH DESCRIPTION\n"
          "Clients send messages over pooled connections to echo servers in the same process, or to a real one, and "
          "check "
          "every byte of the answers. The pool and its loop are traced meanwhile, and all figures, as a table, as JSON "
          "or "
          "as a page, are computed from the events; at the end they are held against the pool's own counters.\n"
          ".SH PRESETS\nThe first is the default.\n",
          out);
    for (unsigned i = 0; i < presets_count; i++)
        roff_item(out, "", presets[i].name, "", presets[i].what);
    fputs(".SH OPTIONS\n", out);
    for (unsigned i = 0; i < OPTIONS; i++)
        roff_item(out, "--", options[i].name, options[i].argument, options[i].what);
    fputs(".SH \"EXIT STATUS\"\n", out);
    for (unsigned i = 0; i < EXIT_CODES; i++)
        roff_item(out, "", exit_codes[i].code, "", exit_codes[i].what);
    fputs(".SH \"SEE ALSO\"\n\\fBevtrail\\fR(1), \\fBevtrail\\-stat\\fR(1)\n", out);
}
