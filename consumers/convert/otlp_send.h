/* SPDX-License-Identifier: ISC
 *
 * OTLP/HTTP (opentelemetry.io/docs/specs/otlp/#otlphttp): which answers are tried again, and what a server refused.
 */
#ifndef EVTRAIL_CONVERT_OTLP_SEND_H
#define EVTRAIL_CONVERT_OTLP_SEND_H

#include "convert.h"
#include "http_post.h"

struct otlp_sender {
    struct http_client client;
    struct http_answer answer;
    struct scratch packed; /* a body, compressed */
    uint64_t sent;     /* requests that were taken */
    uint64_t retried;  /* tries beyond the first */
    uint64_t rejected; /* records that the server did not take, of requests that it took */
    uint64_t dropped;  /* requests that it refused */
    char why[256];     /* its last words on either */
};

/* Sends one request body to "/v1/logs", ... 0: taken, or refused for good, which is counted; < 0: the server cannot be reached, after six
 * tries or a signal. */
int otlp_send(struct otlp_sender *sender, const char *path, const struct scratch *body);

#endif /* EVTRAIL_CONVERT_OTLP_SEND_H */
