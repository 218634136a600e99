/* SPDX-License-Identifier: ISC
 *
 * POST of one body after the other to one server, over a connection that is kept: HTTP/1.1 (RFC 9112) as far as an exporter needs it.
 */
#ifndef EVTRAIL_CONVERT_HTTP_POST_H
#define EVTRAIL_CONVERT_HTTP_POST_H

#include "scratch.h"

struct http_client {
    char host[256]; /* as in the URL, without [] */
    char port[8];
    char prefix[1024]; /* path before ours, without the / at its end */
    int fd;            /* -1: none */
    int64_t deadline_ns; /* of what is being exchanged */
    bool gzip;         /* bodies are */
};
struct http_answer {
    int status;
    int retry_after_s;   /* -1: not said */
    struct scratch body; /* at most HTTP_BODY_MAX bytes of it */
};
enum { HTTP_BODY_MAX = 65536 };

/* http://host[:port][/path]. -EINVAL: no such URL; -EPROTONOSUPPORT: https. */
int http_client_init(struct http_client *client, const char *url);
void http_client_fini(struct http_client *client);
/* 0: an answer came, whatever its status. -ECONNREFUSED, -ETIMEDOUT, -ECONNRESET, ...: none did; the connection is closed. -EHOSTUNREACH:
 * the name has no address. Waits at most ten seconds for each step, and a minute for all of an exchange. */
int http_post(struct http_client *client, const char *path, const char *type, const void *bytes, size_t count,
              struct http_answer *answer);

#endif /* EVTRAIL_CONVERT_HTTP_POST_H */
