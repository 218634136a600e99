/* SPDX-License-Identifier: ISC
 *
 * The collector's settings as the listener, TLS and the store take them.
 */
#include "ship/collect_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *or_null(const char *text)
{
    return text[0] ? text : NULL;
}

int collect_tls_options(struct net_tls_options *ret_tls, const char ***ret_names, const struct collect_options *options)
{
    const char **names = calloc(options->client_name.count + 1, sizeof(char *));
    if (!names)
        return -ENOMEM;
    for (size_t i = 0; i < options->client_name.count; i++)
        names[i] = options->client_name.items[i];
    *ret_tls = (struct net_tls_options){
        .cert_file = or_null(options->cert),
        .key_file = or_null(options->key),
        .ca_file = or_null(options->client_ca),
        .crl_file = or_null(options->crl),
        .psk_file = or_null(options->psk_file),
        .names = options->client_name.count ? names : NULL,
        .anyone = options->anyone,
    };
    *ret_names = names;
    return 0;
}

int collect_tls_new(struct net_tls **ret_tls, const struct collect_options *options, struct net_text *ret_why)
{
    struct net_tls_options tls;
    const char **names;
    *ret_tls = NULL;
    if (!options->cert[0] && !options->psk_file[0])
        return 0;
    int r = collect_tls_options(&tls, &names, options);
    if (r < 0)
        return r;
    r = net_tls_new(ret_tls, NET_SERVER, &tls, ret_why);
    free(names);
    return r;
}

int collect_addresses(const struct collect_options *options, struct net_address *ret_addresses, size_t room,
                      struct net_text *ret_why)
{
    size_t count = 0;
    for (; count < options->listen.count; count++) {
        if (count == room) {
            snprintf(ret_why->text, sizeof(ret_why->text), "more than %zu addresses to listen on", room);
            return -EINVAL;
        }
        const int r = net_address_parse(&ret_addresses[count], options->listen.items[count], NET_PORT, ret_why);
        if (r < 0)
            return r;
    }
    return (int)count;
}

void collect_store_options(struct store_options *ret_store, const struct collect_options *options)
{
    *ret_store = (struct store_options){
        .root = options->store,
        .rotate_bytes = options->rotate_size,
        .rotate_ns = options->rotate_time,
        .keep = {options->keep_size, options->keep_age, options->keep_files},
        .source = {options->process_keep_size, options->process_keep_age, options->process_keep_files},
        .reserve_bytes = options->reserve,
        .queue_bytes = options->memory,
        .open_files = (unsigned)options->open_files,
        .idle_ns = options->idle_time,
        .no_sync = options->no_sync,
    };
}
