/* SPDX-License-Identifier: ISC
 *
 * What flags and configuration say of evtrail send.
 */
#include "ship/send.h"

#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *send_said(const struct send_setup *setup, enum option_id option)
{
    static char said[400];
    const char *const name = option_specs[option].name, *const text = setup->args.text[option];
    const char *const place =
        setup->line && setup->line->set[option] ? NULL : config_place(setup->config, "send", name);
    if (place)
        snprintf(said, sizeof said, "%s: %s%s%s", place, name, text ? " = " : "", text ? text : "");
    else
        snprintf(said, sizeof said, "--%s%s%s", name, text ? " " : "", text ? text : "");
    return said;
}

/* Where state belongs that is one's own. */
static int directory_find(struct send_options *options, const struct args *args)
{
    const char *const given = args->text[OPT_send_spool], *const state = getenv("XDG_STATE_HOME"),
                      *const home = getenv("HOME");
    int n = 0;
    if (given)
        n = asprintf(&options->directory, "%s", given);
    else if (state && *state == '/')
        n = asprintf(&options->directory, "%s/evtrail/send", state);
    else if (home && *home == '/')
        n = asprintf(&options->directory, "%s/.local/state/evtrail/send", home);
    if (n < 0)
        options->directory = NULL;
    if (n == 0)
        return fail(CODE_usage, NULL,
                    "no place for the spool: neither $XDG_STATE_HOME nor $HOME is set; name one with --spool DIR");
    return n < 0 ? fail(CODE_system, NULL, "out of memory") : 0;
}

static int collectors_read(struct send_options *options, const struct send_setup *setup)
{
    const struct args *const args = &setup->args;
    const struct text_list *const list = &args->list[OPT_send_collector];
    struct net_text why;
    if (list->count == 0 && !args->set[OPT_send_status])
        return fail(CODE_usage, NULL, "no collector; name one with --collector HOST[:PORT]");
    for (size_t i = 0; i < list->count; i++) {
        const int r = net_endpoints_parse(options->endpoints, &options->endpoints_count, list->items[i], (unsigned)i,
                                          NET_PORT, &why);
        if (r < 0)
            return fail(CODE_usage, send_said(setup, OPT_send_collector), "%s: %s", list->items[i],
                        r == -ENOSPC ? "more collectors than there may be; leave some out" : why.text);
    }
    return 0;
}

static int tls_read(struct send_options *options, const struct args *args)
{
    struct net_tls_options *const tls = &options->tls;
    tls->ca_file = args->text[OPT_send_ca];
    tls->crl_file = args->text[OPT_send_crl];
    tls->cert_file = args->text[OPT_send_cert];
    tls->key_file = args->text[OPT_send_key];
    tls->server_name = args->text[OPT_send_server_name];
    tls->psk_file = args->text[OPT_send_psk_file];
    tls->psk_id = args->text[OPT_send_psk_id];
    options->insecure = args->set[OPT_send_insecure];
    options->tls_given = tls->ca_file || tls->cert_file || tls->psk_file;
    if (!tls->cert_file != !tls->key_file)
        return fail(CODE_usage, NULL,
                    "--cert and --key go together: the certificate with its chain, and its private key");
    if (tls->psk_id && !tls->psk_file)
        return fail(CODE_usage, NULL, "--psk-id is of the keys in --psk-file; name that, too");
    return 0;
}

static int spool_read(struct send_options *options, const struct send_setup *setup)
{
    const struct args *const args = &setup->args;
    struct spool_options *const spool = &options->spool;
    char *error = NULL;
    spool->max_bytes = (uint64_t)args->number[OPT_send_spool_size];
    spool->max_age_ns = args->number[OPT_send_spool_age];
    spool->refused_bytes = (uint64_t)args->number[OPT_send_refused_size];
    spool->flush_ns = args->number[OPT_send_flush];
    spool->level = (int)args->number[OPT_compression];
    spool->no_uring = args->set[OPT_plain_writes];
    spool->parents = !args->set[OPT_send_spool]; /* those of a place that was named are not made */
    spool->name = options->name;
    if (args->set[OPT_compression] && (args->number[OPT_compression] < 1 || args->number[OPT_compression] > 19))
        return fail(CODE_usage, send_said(setup, OPT_compression), "1 to 19");
    if (args->set[OPT_send_spool_size] && spool->max_bytes < UINT64_C(4) << 20)
        return fail(CODE_usage, send_said(setup, OPT_send_spool_size),
                    "less than a spool's segments need; at least 4M");
    if (args->set[OPT_send_refused_size] && spool->refused_bytes < WIRE_PAYLOAD_LEAST)
        return fail(CODE_usage, send_said(setup, OPT_send_refused_size),
                    "less than one batch, so that nothing that is refused would be kept; at least 64K");
    if (spool_policies_parse(args->set[OPT_send_spool_full] ? args->text[OPT_send_spool_full] : "block",
                             spool->policies, &error) < 0) {
        const int code = fail(CODE_usage, send_said(setup, OPT_send_spool_full), "%s", error ? error : "out of memory");
        free(error);
        return code;
    }
    return 0;
}

int send_options_read(struct send_setup *setup)
{
    const struct args *const args = &setup->args;
    struct send_options *const options = &setup->options;
    *options = (struct send_options){0};
    if (gethostname(options->host, sizeof options->host - 1) < 0)
        snprintf(options->host, sizeof options->host, "unknown");
    options->name = args->set[OPT_send_name] ? args->text[OPT_send_name] : options->host;
    options->metrics = args->text[OPT_send_metrics];
    snprintf(options->metrics_said, sizeof options->metrics_said, "%s", send_said(setup, OPT_send_metrics));
    options->drain_ns = args->set[OPT_send_drain] ? args->number[OPT_send_drain] : INT64_C(10000000000);
    options->rate_bytes = (uint64_t)args->number[OPT_send_rate];
    options->keep_sessions = args->set[OPT_keep_sessions];
    options->quiet = args->set[OPT_quiet];
    int code = directory_find(options, args);
    if (code == 0)
        code = collectors_read(options, setup);
    if (code == 0)
        code = tls_read(options, args);
    if (code == 0)
        code = spool_read(options, setup);
    if (code != 0)
        send_options_free(options);
    return code;
}

void send_options_free(struct send_options *options)
{
    free(options->directory);
    *options = (struct send_options){0};
}
