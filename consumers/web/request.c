/* SPDX-License-Identifier: ISC
 *
 * Stricter than RFC 9112 lets a server be: no bodies, no folded lines, no bare line feeds, no bytes but printable ones.
 */
#include "request.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

size_t request_end(const char *bytes, size_t count)
{
    const char *const end = count > 0 ? memmem(bytes, count, "\r\n\r\n", 4) : NULL;
    return end ? (size_t)(end - bytes) + 4 : 0;
}

static bool is_token(const char *text)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (const char *c = text; *c; c++)
        if (!(*c >= 'a' && *c <= 'z') && !(*c >= 'A' && *c <= 'Z') && !(*c >= '0' && *c <= '9') && !strchr(others, *c))
            return false;
    return *text != '\0';
}

static bool is_printable(const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        if ((*c < ' ' && *c != '\t') || *c == 0x7f)
            return false;
    return true;
}

/* The line at *at, ended where its CR was; NULL: it has none, or what must not be in it. */
static char *line_take(char **at, const char *end)
{
    char *const line = *at;
    char *const stop = memmem(line, (size_t)(end - line), "\r\n", 2);
    if (!stop || memchr(line, '\0', (size_t)(stop - line)))
        return NULL;
    *stop = '\0';
    *at = stop + 2;
    return is_printable(line) ? line : NULL;
}

static int first_line(struct request *request, char *line)
{
    char *const target = strchr(line, ' ');
    char *const version = target ? strchr(target + 1, ' ') : NULL;
    if (strlen(line) > REQUEST_LINE)
        return 414;
    if (!version || strchr(version + 1, ' '))
        return 400;
    *target = *version = '\0';
    if (strncmp(version + 1, "HTTP/", 5) != 0 || !is_token(line))
        return 400;
    if (strcmp(version + 1, "HTTP/1.1") != 0 && strcmp(version + 1, "HTTP/1.0") != 0)
        return 505;
    if (target[1] != '/') /* nor the absolute form, which is for proxies */
        return 400;
    char *const query = strchr(target + 1, '?');
    if (query)
        *query = '\0';
    request->method = line;
    request->path = target + 1;
    request->query = query ? query + 1 : NULL;
    return 0;
}

static int keep(const char **field, const char *value)
{
    if (*field)
        return 400; /* twice: which one a proxy believed is not known */
    *field = value;
    return 0;
}

static int field_take(struct request *request, char *line)
{
    char *const colon = strchr(line, ':');
    if (!colon)
        return 400;
    *colon = '\0';
    if (!is_token(line))
        return 400;
    char *value = colon + 1 + strspn(colon + 1, " \t");
    for (size_t length = strlen(value); length > 0 && (value[length - 1] == ' ' || value[length - 1] == '\t'); length--)
        value[length - 1] = '\0';
    if (strcasecmp(line, "host") == 0)
        return keep(&request->host, value);
    if (strcasecmp(line, "origin") == 0)
        return keep(&request->origin, value);
    if (strcasecmp(line, "authorization") == 0)
        return keep(&request->authorization, value);
    if (strcasecmp(line, "sec-fetch-site") == 0)
        return keep(&request->fetch_site, value);
    if (strcasecmp(line, "transfer-encoding") == 0 ||
        (strcasecmp(line, "content-length") == 0 && strcmp(value, "0") != 0))
        return 413;
    return 0;
}

int request_parse(struct request *request, char *bytes, size_t count)
{
    char *at = bytes, *const end = bytes + count;
    *request = (struct request){0};
    char *line = line_take(&at, end);
    int status = line ? first_line(request, line) : 400;
    for (unsigned fields = 0; status == 0; fields++) {
        line = line_take(&at, end);
        if (line && *line == '\0')
            break;
        status = !line ? 400 : fields == REQUEST_FIELDS ? 431 : field_take(request, line);
    }
    return status ? status : request->host ? 0 : 400;
}

unsigned long long request_number(const struct request *request, const char *name)
{
    const size_t length = strlen(name);
    for (const char *at = request->query; at && *at; at = strchr(at, '&') ? strchr(at, '&') + 1 : NULL)
        if (strncmp(at, name, length) == 0 && at[length] == '=')
            return strtoull(at + length + 1, NULL, 10);
    return 0;
}
