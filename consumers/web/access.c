/* SPDX-License-Identifier: ISC
 *
 * A page of another site can make a browser send requests here. What keeps it from the trace: it does not know the token; its DNS name, bound
 * to our address, is no Host of ours; and its Origin is not our Host.
 */
#include "access.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

int token_make(char token[TOKEN_DIGITS + 1])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[TOKEN_DIGITS / 2];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return -EIO;
    for (unsigned i = 0; i < TOKEN_DIGITS; i++)
        token[i] = digits[bytes[i / 2] >> (i % 2 ? 0 : 4) & 15];
    token[TOKEN_DIGITS] = '\0';
    return 0;
}

bool token_given(const char *token, const struct request *request)
{
    static const char scheme[] = "Bearer ";
    const char *const text = request->authorization;
    char given[TOKEN_DIGITS] = {0};
    volatile unsigned different = 0;
    if (!text || strncasecmp(text, scheme, sizeof scheme - 1) != 0)
        return false;
    const size_t length = strlen(text + sizeof scheme - 1);
    memcpy(given, text + sizeof scheme - 1, length < sizeof given ? length : sizeof given);
    for (unsigned i = 0; i < TOKEN_DIGITS; i++)
        different |= (unsigned char)given[i] ^ (unsigned char)token[i];
    return different == 0 && length == TOKEN_DIGITS;
}

/* The part before the port; false: what is behind it is none. */
static bool host_split(const char *host, char name[64], bool *ret_v6)
{
    *ret_v6 = *host == '[';
    const char *const begin = host + *ret_v6;
    const size_t length = strcspn(begin, *ret_v6 ? "]" : ":");
    const char *rest = begin + length;
    if (length == 0 || length > 63 || (*ret_v6 && *rest++ != ']'))
        return false;
    memcpy(name, begin, length);
    name[length] = '\0';
    if (*rest == '\0')
        return true;
    return *rest == ':' && rest[1] && strlen(rest + 1) <= 5 && strspn(rest + 1, "0123456789") == strlen(rest + 1);
}

bool host_allowed(const char *host, bool loopback)
{
    char name[64];
    struct in_addr v4;
    struct in6_addr v6;
    bool is_v6;
    if (!host_split(host, name, &is_v6))
        return false;
    if (is_v6)
        return inet_pton(AF_INET6, name, &v6) == 1 && (!loopback || IN6_IS_ADDR_LOOPBACK(&v6));
    if (strcasecmp(name, "localhost") == 0)
        return true;
    return inet_pton(AF_INET, name, &v4) == 1 && (!loopback || ntohl(v4.s_addr) >> 24 == 127);
}

bool origin_allowed(const struct request *request)
{
    static const char scheme[] = "http://";
    const char *const origin = request->origin, *const site = request->fetch_site;
    if (origin && (strncasecmp(origin, scheme, sizeof scheme - 1) != 0 ||
                   strcasecmp(origin + sizeof scheme - 1, request->host) != 0))
        return false;
    return !site || strcasecmp(site, "same-origin") == 0 || strcasecmp(site, "none") == 0;
}
