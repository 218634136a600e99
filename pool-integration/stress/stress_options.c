/* SPDX-License-Identifier: ISC
 *
 * pool-stress's command line.
 */
#include "stress.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum { ADDRESSES_MAX = 28 }; /* of one name: they fit an answer by UDP */
/* Those before ID_from change the load. */
enum option_id {
    ID_first = 255,
#define VALUE(name, argument, what) ID_##name,
#define FLAG(name, what) ID_##name,
#include "stress_options.def"
#undef VALUE
#undef FLAG
};
static const struct option options[] = {
#define VALUE(name, argument, what) {#name, required_argument, NULL, ID_##name},
#define FLAG(name, what) {#name, no_argument, NULL, ID_##name},
#include "stress_options.def"
#undef VALUE
#undef FLAG
    {NULL, 0, NULL, 0},
};

static int complain(const char *what, const char *text, const char *wanted)
{
    fprintf(stderr, "pool-stress: --%s %s: %s\n", what, text, wanted);
    return 2;
}

/* A number with k, M, G (powers of 1024 for sizes: K, M, G). */
static int number_read(const char *what, const char *text, uint64_t low, uint64_t high, bool binary,
                       uint64_t *ret_value)
{
    char *end, wanted[80];
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    const char *const units = "kMG";
    const char unit = *end == 'K' ? 'k' : *end;
    const char *const at = unit && end > text ? strchr(units, unit) : NULL;
    bool bad = end == text || errno || *text == '-';
    for (const char *u = units; at && u <= at; u++)
        bad |= __builtin_mul_overflow(value, binary ? 1024u : 1000u, &value);
    if (bad || end[at != NULL] != '\0' || value < low || value > high) {
        snprintf(wanted, sizeof wanted, "a number from %llu to %llu", (unsigned long long)low,
                 (unsigned long long)high);
        return complain(what, text, wanted);
    }
    *ret_value = value;
    return 0;
}

static int time_read(const char *what, const char *text, uint64_t *ret_ns)
{
    char *end;
    const double value = strtod(text, &end);
    const double unit = strcmp(end, "ms") == 0           ? 1e6
                        : strcmp(end, "s") == 0 || !*end ? 1e9
                        : strcmp(end, "m") == 0          ? 60e9
                                                         : 0;
    if (end == text || unit == 0 || !(value * unit >= 1e7) || !(value * unit <= 86400e9))
        return complain(what, text, "a time from 10ms to 1440m");
    *ret_ns = (uint64_t)(value * unit);
    return 0;
}

static int connect_read(struct settings *settings, char *text)
{
    char *const colon = strrchr(text, ':');
    uint64_t port;
    if (!colon || colon == text)
        return complain("connect", text, "HOST:PORT");
    if (number_read("connect", colon + 1, 1, 65535, false, &port))
        return 2;
    *colon = '\0';
    settings->connect_host = text;
    settings->connect_port = (uint16_t)port;
    return 0;
}

static int backend_read(struct settings *settings, const char *text)
{
    if (strcmp(text, "uring") == 0)
        settings->backend = EVLOOP_URING;
    else if (strcmp(text, "epoll") == 0)
        settings->backend = EVLOOP_EPOLL;
    else
        return complain("backend", text, "uring or epoll");
    return 0;
}

/* What changes the load; kept until the preset is known. */
struct changes {
    uint64_t clients, servers, messages, size, duration_ns, max;
};

static int load_option(struct changes *changes, struct settings *settings, int id, char *text)
{
    uint64_t value = 0;
    int r = 0;
    switch (id) {
    case ID_clients:
        return number_read("clients", text, 1, 100000, false, &changes->clients);
    case ID_servers:
        return number_read("servers", text, 1, 250, false, &changes->servers);
    case ID_messages:
        return number_read("messages", text, 1, UINT64_C(1) << 40, false, &changes->messages);
    case ID_size:
        return number_read("size", text, 24, 8 << 20, true, &changes->size);
    case ID_max:
        return number_read("max", text, 1, 100000, false, &changes->max);
    case ID_duration:
        return time_read("duration", text, &changes->duration_ns);
    case ID_seed:
        return number_read("seed", text, 0, UINT64_MAX, false, &settings->seed);
    case ID_threads:
        r = number_read("threads", text, 1, 512, false, &value);
        settings->threads = (unsigned)value;
        return r;
    case ID_backend:
        return backend_read(settings, text);
    default:
        return connect_read(settings, text);
    }
}

static void output_option(struct settings *settings, int id, const char *text)
{
    if (id == ID_from)
        settings->from = text;
    else if (id == ID_html)
        settings->html = text;
    else if (id == ID_trace)
        settings->trace = text;
    settings->json |= id == ID_json;
    settings->quiet |= id == ID_quiet;
    settings->list |= id == ID_list;
    settings->help |= id == ID_help;
    settings->man |= id == ID_man;
    settings->force |= id == ID_force;
}

static void changes_apply(struct preset *preset, const struct changes *changes, const struct settings *settings)
{
    if (changes->clients)
        preset->clients = (unsigned)changes->clients;
    if (settings->threads)
        preset->clients = settings->threads;
    if (changes->servers)
        preset->servers = (unsigned)changes->servers;
    if (preset->names * ADDRESSES_MAX < preset->servers)
        preset->names = (preset->servers + ADDRESSES_MAX - 1) / ADDRESSES_MAX;
    if (preset->names > preset->servers)
        preset->names = preset->servers;
    if (changes->size)
        preset->size = (uint32_t)changes->size;
    if (changes->max) {
        preset->max_total = (unsigned)changes->max;
        preset->max_per_name = preset->max_per_name < preset->max_total ? preset->max_per_name : preset->max_total;
    }
    if (changes->messages) {
        preset->messages = changes->messages;
        preset->duration_ns = 0;
    }
    if (changes->duration_ns)
        preset->duration_ns = changes->duration_ns;
    if (preset->refusing + preset->flapping + preset->dropping + preset->silent >= preset->servers)
        preset->refusing = preset->flapping = preset->dropping = preset->silent = preset->servers / 5;
}

int settings_read(struct settings *settings, int argc, char **argv)
{
    struct changes changes = {0};
    int id;
    *settings = (struct settings){.preset = presets[0], .seed = 1};
    while ((id = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (id == '?')
            return 2;
        if (id == 'h')
            id = ID_help;
        if (id >= ID_from)
            output_option(settings, id, optarg);
        else if (load_option(&changes, settings, id, optarg))
            return 2;
    }
    if (optind < argc) {
        const struct preset *const preset = preset_find(argv[optind]);
        if (!preset || optind + 1 < argc) {
            fprintf(stderr, "pool-stress: '%s': %s\n", argv[optind + (preset != NULL)],
                    preset ? "one preset at a time" : "no such preset; --list shows them");
            return 2;
        }
        settings->preset = *preset;
    }
    changes_apply(&settings->preset, &changes, settings);
    return 0;
}
