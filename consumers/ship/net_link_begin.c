/* SPDX-License-Identifier: ISC
 *
 * A link's beginning: the first byte, which tells TLS from plain, the refusals that both kinds can read, and the handshake.
 */
#include "ship/net_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { TLS_CHANGE_CIPHER = 0x14, TLS_ALERT = 0x15, TLS_HANDSHAKE = 0x16, TLS_DATA = 0x17, REFUSAL_MAX = 400 };

/* ---- a server's first bytes ---- */

static void say(struct net_link *link, const char *text)
{
    const struct iovec part = {(void *)(uintptr_t)text, strlen(text)};
    link_queue(link, &part, 1); /* without memory it goes unsaid */
}

static bool is_http(const uint8_t *bytes, size_t size)
{
    static const char *const verbs[] = {"GET ", "HEAD ", "POST ", "PUT ", "OPTIONS "};
    for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
        if (size >= strlen(verbs[i]) && memcmp(bytes, verbs[i], strlen(verbs[i])) == 0)
            return true;
    return false;
}

static void refuse_plain(struct net_link *link, const uint8_t *bytes, size_t size)
{
    const bool http = is_http(bytes, size);
    char shown[17];
    snprintf(shown, sizeof(shown), "%.*s", (int)size, (const char *)bytes);
    net_printable(shown);
    say(link,
        http ? "HTTP/1.0 426 Upgrade Required\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
               "This is an evtrail collector; off loopback it takes only TLS.\n"
             : NET_REFUSAL
            "plaintext: this collector takes only TLS here; connect to it with tls:// and its --ca or --psk-file\n");
    link_end_gently(link, NET_SECOND_NS, NET_END_plaintext, "plaintext where only TLS is taken (it began with '%s')%s",
                    shown,
                    http ? "; HTTP is not spoken here" : "; the sender must use tls://, or the collector --insecure");
}

static void refuse_tls(struct net_link *link)
{
    say(link, NET_REFUSAL "unwanted_tls: this collector speaks no TLS here; connect to it with tcp://, or give it "
                          "--cert and --key, or --psk-file\n");
    link_end_gently(link, NET_SECOND_NS, NET_END_unwanted_tls,
                    "TLS where only plaintext is spoken; the sender must use tcp://, or the collector --cert and "
                    "--key, or --psk-file");
}

void link_first_bytes(struct net_link *link, const uint8_t *bytes, size_t size)
{
    const struct link_maker *maker = link->maker;
    link->first_seen = true;
    if (!link->maker_context) { /* the listener was closed */
        link_end(link, NET_END_local, "this side ends");
    } else if (bytes[0] != TLS_HANDSHAKE) {
        if (maker->plain_allowed(link->maker_context, link))
            link_ready(link);
        else
            refuse_plain(link, bytes, size);
    } else {
        SSL_CTX *context = maker->tls_allowed(link->maker_context, link);
        if (!context) {
            refuse_tls(link);
        } else if (secure_new(&link->secure, context, NULL) < 0) {
            link_end(link, NET_END_memory, "out of memory");
        } else {
            link->state = LINK_SHAKES;
            secure_feed(link->secure, bytes, size);
            link_handshake_step(link);
        }
    }
}

/* ---- the handshake ---- */

void link_handshake_step(struct net_link *link)
{
    const int result = secure_step(link->secure);
    if (result < 0)
        link_end_gently(link, NET_SECOND_NS, link->secure->end, "%s", link->secure->reason.text);
    else if (result > 0)
        link_ready(link);
    link_flush(link);
}

/* ---- a client's first bytes ---- */

static enum net_end end_of_name(const char *name, size_t length)
{
    for (unsigned end = 0; end < NET_ENDS_COUNT; end++)
        if (strlen(net_end_name(end)) == length && memcmp(net_end_name(end), name, length) == 0)
            return end;
    return NET_END_peer;
}

/* "evtrail: END: text" */
void link_refusal_ended(struct net_link *link)
{
    char line[REFUSAL_MAX + 1];
    snprintf(line, sizeof(line), "%.*s", (int)link->inbox_bytes, (const char *)link->inbox);
    line[strcspn(line, "\r\n")] = '\0';
    link->refusal = false;
    const size_t prefix = strlen(NET_REFUSAL);
    const char *name = strlen(line) > prefix ? line + prefix : "", *colon = strstr(name, ": ");
    if (strncmp(line, NET_REFUSAL, prefix) != 0 || !colon)
        link_end(link, NET_END_reset, "closed by the peer after '%s'", line);
    else
        link_end(link, end_of_name(name, (size_t)(colon - name)), "the peer says: %s", colon + 2);
}

static bool collect_refusal(struct net_link *link, const uint8_t *bytes, size_t size)
{
    const size_t room = REFUSAL_MAX - link->inbox_bytes;
    if (link_inbox_add(link, bytes, size < room ? size : room) < 0)
        return true;
    if (memchr(link->inbox, '\n', link->inbox_bytes) || link->inbox_bytes == REFUSAL_MAX)
        link_refusal_ended(link);
    return true;
}

bool link_refusal(struct net_link *link, const uint8_t *bytes, size_t size)
{
    if (link->refusal)
        return collect_refusal(link, bytes, size);
    const size_t prefix = size < strlen(NET_REFUSAL) ? size : strlen(NET_REFUSAL);
    if (memcmp(bytes, NET_REFUSAL, prefix) == 0) {
        link->refusal = true;
        return collect_refusal(link, bytes, size);
    }
    const bool tls = bytes[0] >= TLS_CHANGE_CIPHER && bytes[0] <= TLS_DATA;
    if (tls == (link->secure != NULL))
        return false;
    if (tls) {
        link_end(link, NET_END_plaintext, "the collector speaks TLS here; connect to it with tls://");
        return true;
    }
    char shown[33];
    snprintf(shown, sizeof(shown), "%.*s", (int)size, (const char *)bytes);
    shown[strcspn(shown, "\r\n")] = '\0';
    net_printable(shown);
    link_end(link, NET_END_unwanted_tls, "no TLS is spoken there (it answered '%s'): is it a collector, and its port?",
             shown);
    return true;
}
