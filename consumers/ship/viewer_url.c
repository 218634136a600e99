/* SPDX-License-Identifier: ISC
 *
 * collector://HOST[:PORT][?KEY=VALUE&...]
 */
#include "ship/viewer_url.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    size_t offset, bytes;
} texts[] = {
#define TEXT(key, field) \
    { \
        key, offsetof(struct viewer_url, field), sizeof(((struct viewer_url *)0)->field) \
    }
    TEXT("host", host), TEXT("program", program), TEXT("ca", ca),         TEXT("cert", cert),
    TEXT("key", key),   TEXT("psk", psk),         TEXT("psk-id", psk_id), TEXT("name", server),
#undef TEXT
};

static int refuse(struct net_text *ret_why, const char *what, const char *text)
{
    snprintf(ret_why->text, sizeof(ret_why->text),
             "%s '%.100s'; it is collector://HOST[:PORT][?KEY=VALUE&...] with ca, cert, key, psk, psk-id, name, "
             "host, program, insecure",
             what, text);
    return -EINVAL;
}

static int take_option(struct viewer_url *url, const char *option, size_t bytes, struct net_text *ret_why)
{
    char text[400];
    snprintf(text, sizeof(text), "%.*s", (int)(bytes < sizeof(text) ? bytes : sizeof(text) - 1), option);
    char *const value = strchr(text, '=');
    if (value)
        *value = 0;
    if (!strcmp(text, "insecure")) {
        url->insecure = !value || strcmp(value + 1, "no") != 0;
        return 0;
    }
    for (size_t i = 0; value && i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (strcmp(text, texts[i].name) != 0)
            continue;
        if (strlen(value + 1) >= texts[i].bytes || strlen(option) > sizeof(text) + 8192)
            return refuse(ret_why, "too long:", text);
        memcpy((char *)url + texts[i].offset, value + 1, strlen(value + 1) + 1);
        return 0;
    }
    return refuse(ret_why, value ? "no such key:" : "no value for", text);
}

int viewer_url_parse(struct viewer_url *ret_url, const char *name, struct net_text *ret_why)
{
    static const char *const schemes[][2] = {
        {"collector://", ""}, {"collector+tls://", "tls://"}, {"collector+tcp://", "tcp://"}};
    struct viewer_url url = {0};
    char address[400];
    const char *rest = NULL;
    for (unsigned i = 0; i < 3 && !rest; i++)
        if (strncmp(name, schemes[i][0], strlen(schemes[i][0])) == 0) {
            rest = name + strlen(schemes[i][0]);
            const size_t bytes = strcspn(rest, "?");
            snprintf(address, sizeof(address), "%s%.*s", schemes[i][1], (int)(bytes < 300 ? bytes : 300), rest);
        }
    if (!rest)
        return refuse(ret_why, "no collector's name:", name);
    snprintf(url.name, sizeof(url.name), "%.*s", (int)strcspn(name, "?"), name);
    rest += strcspn(rest, "?");
    while (*rest++) {
        const size_t bytes = strcspn(rest, "&");
        const int r = bytes ? take_option(&url, rest, bytes, ret_why) : 0;
        if (r < 0)
            return r;
        rest += bytes;
    }
    url.tls_given = url.ca[0] || url.cert[0] || url.psk[0];
    const int r = net_address_parse(&url.address, address, NET_PORT, ret_why);
    if (r == 0)
        *ret_url = url;
    return r;
}

static const char *given(const char *text)
{
    return *text ? text : NULL;
}

int viewer_url_tls(const struct viewer_url *url, struct net_tls **ret_tls, struct net_text *ret_why)
{
    const struct net_tls_options options = {.cert_file = given(url->cert),
                                            .key_file = given(url->key),
                                            .ca_file = given(url->ca),
                                            .psk_file = given(url->psk),
                                            .psk_id = given(url->psk_id),
                                            .server_name = given(url->server)};
    *ret_tls = NULL;
    return url->tls_given || url->server[0] ? net_tls_new(ret_tls, NET_CLIENT, &options, ret_why) : 0;
}
