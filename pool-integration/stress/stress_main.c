/* SPDX-License-Identifier: ISC
 *
 * pool-stress: runs a load and records it, or takes an earlier trace; computes the figures from the events; reports them.
 */
#include "stress.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_WELL = 0, EXIT_UNWELL = 1, EXIT_USAGE = 2, EXIT_FAILED = 6 };

static int list_presets(void)
{
    for (unsigned i = 0; i < presets_count; i++)
        printf("%-18s %s\n", presets[i].name, presets[i].what);
    return EXIT_WELL;
}

/* `trace` is the file that the figures are from. */
static int report_all(const struct settings *settings, const struct report *report, const char *trace)
{
    if (settings->json)
        report_json(stdout, report);
    else if (!settings->quiet)
        report_text(stdout, report);
    if (settings->html && page_write(settings->html, report, trace) < 0)
        return EXIT_FAILED;
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "pool-stress: output: %s\n", strerror(errno));
        return EXIT_FAILED;
    }
    if (settings->html && !settings->quiet && !settings->json)
        printf("\npage: %s\n", settings->html);
    return report_well(report) ? EXIT_WELL : EXIT_UNWELL;
}

/* The figures of a trace, beside the pool's own if the outcome is known. */
static int figures_report(const struct settings *settings, const char *path, const struct outcome *outcome)
{
    struct model *model = NULL;
    struct agreement agreement;
    char *error = NULL;
    int r = model_new(&model);
    if (r == 0)
        r = model_read(model, path, &error);
    if (r < 0) {
        fprintf(stderr, "pool-stress: %s\n", error ? error : strerror(-r));
        free(error);
        model_free(model);
        return EXIT_FAILED;
    }
    if (outcome)
        agree(model, outcome, &agreement);
    const struct report report = {
        .model = model, .agreement = outcome ? &agreement : NULL, .trace = outcome ? settings->trace : path};
    const int code = report_all(settings, &report, path);
    model_free(model);
    return code;
}

static int stress(const struct settings *settings)
{
    struct observer observer;
    struct outcome outcome;
    int code = EXIT_FAILED;
    if (observer_start(&observer, settings) == 0 && load_run(settings, &outcome) == 0 && observer_stop(&observer) == 0)
        code = figures_report(settings, observer.path, &outcome);
    observer_fini(&observer);
    return code;
}

int main(int argc, char **argv)
{
    struct settings settings;
    if (argc > 1 && strcmp(argv[1], "--observe") == 0)
        return observe_main(argc, argv);
    if (settings_read(&settings, argc, argv))
        return EXIT_USAGE;
    if (settings.help) {
        settings_usage(stdout);
        return EXIT_WELL;
    }
    if (settings.man) {
        settings_man(stdout);
        return EXIT_WELL;
    }
    if (settings.list)
        return list_presets();
    if (settings.from)
        return figures_report(&settings, settings.from, NULL);
    return stress(&settings);
}
