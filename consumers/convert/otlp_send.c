/* SPDX-License-Identifier: ISC
 *
 * Sends requests, and again those that may be sent again.
 */
#include "otlp_send.h"

#include "gzip.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TRIES 6
#define BACKOFF_MS 500 /* doubled each time */

/* "All other 4xx or 5xx response status codes MUST NOT be retried." */
static bool may_try_again(int status)
{
    return status == 429 || status == 502 || status == 503 || status == 504;
}

/* Returns false if a signal asks to end. */
static bool wait_ms(int64_t ms)
{
    const int64_t end = monotonic_ns() + ms * 1000000;
    while (monotonic_ns() < end && signals_stops() == 0)
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    return signals_stops() == 0;
}

/* Exponential, with jitter: half of it is random, so that many exporters do not come back at once. */
static int64_t backoff_ms(unsigned try, int retry_after_s)
{
    const int64_t most = (int64_t)BACKOFF_MS << try;
    if (retry_after_s >= 0)
        return (int64_t)retry_after_s * 1000;
    return most / 2 + (int64_t)((uint64_t)monotonic_ns() * UINT64_C(0x9e3779b97f4a7c15) >> 40) % (most / 2 + 1);
}

static bool varint(const unsigned char **at, const unsigned char *end, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (unsigned shift = 0; *at < end && shift < 64; shift += 7) {
        const unsigned char c = *(*at)++;
        value |= (uint64_t)(c & 127) << shift;
        if (c < 128) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

/* Finds a field of a message: of varints the value, of bytes where they are. */
static bool field(const unsigned char *at, const unsigned char *end, unsigned number, uint64_t *ret_value,
                  const unsigned char **ret_bytes)
{
    uint64_t tag, value;
    while (at < end && varint(&at, end, &tag)) {
        *ret_bytes = NULL;
        if ((tag & 7) == 0 || (tag & 7) == 2) {
            if (!varint(&at, end, &value))
                return false;
        } else {
            value = (tag & 7) == 1 ? 8 : 4;
        }
        if ((tag & 7) != 0) {
            if (value > (uint64_t)(end - at))
                return false;
            *ret_bytes = at;
            at += value;
        }
        *ret_value = value;
        if (tag >> 3 == number)
            return true;
    }
    return false;
}

/* ExportLogsServiceResponse and its like: partial_success = 1 { rejected = 1, error_message = 2 }. */
static void partial_success(struct otlp_sender *sender)
{
    const unsigned char *const body = (const unsigned char *)sender->answer.body.bytes;
    const unsigned char *part, *bytes;
    uint64_t size, value;
    if (sender->answer.body.used == 0 || !field(body, body + sender->answer.body.used, 1, &size, &part) || !part)
        return;
    if (field(part, part + size, 1, &value, &bytes) && !bytes)
        sender->rejected += value;
    if (field(part, part + size, 2, &value, &bytes) && bytes && value > 0)
        snprintf(sender->why, sizeof sender->why, "%.*s", (int)(value < 200 ? value : 200), (const char *)bytes);
}

static void refused(struct otlp_sender *sender, const char *path)
{
    sender->dropped++;
    snprintf(sender->why, sizeof sender->why, "%s was answered with status %d", path, sender->answer.status);
}

int otlp_send(struct otlp_sender *sender, const char *path, const struct scratch *body)
{
    int r = sender->client.gzip ? gzip(&sender->packed, body->bytes, body->used) : 0;
    if (r < 0)
        return r;
    if (sender->client.gzip)
        body = &sender->packed;
    r = -EIO;
    for (unsigned try = 0; try < TRIES; try++) {
        sender->answer.status = 0;
        sender->answer.retry_after_s = -1;
        sender->retried += try > 0;
        r = http_post(&sender->client, path, "application/x-protobuf", body->bytes, body->used, &sender->answer);
        if (r == -ENOMEM)
            return r;
        if (r == 0 && sender->answer.status >= 200 && sender->answer.status < 300) {
            sender->sent++;
            partial_success(sender);
            return 0;
        }
        if (r == 0 && !may_try_again(sender->answer.status)) {
            refused(sender, path);
            return 0;
        }
        if (try + 1 < TRIES && !wait_ms(backoff_ms(try, sender->answer.retry_after_s)))
            break;
    }
    return r == 0 ? -EBUSY : r;
}
