/* SPDX-License-Identifier: ISC
 *
 * A handshake in the loop: one operation at a time, and a deadline.
 */
#include "error_builder.h"
#include "tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void on_sent(struct evloop_op *op, int result);
static void on_received(struct evloop_op *op, int result);

static struct tls_handshake *of_op(struct evloop_op *op)
{
    return (struct tls_handshake *)((char *)op - offsetof(struct tls_handshake, op));
}

static void finish(struct tls_handshake *handshake, enum evpool_code code, int error)
{
    handshake->code = code;
    handshake->error = error;
    if (code != EVPOOL_OK) {
        tls_free(handshake->tls);
        handshake->tls = NULL;
    }
    evloop_timer_stop(handshake->loop, &handshake->timer);
    free(handshake->buffer);
    handshake->buffer = NULL;
    handshake->call(handshake);
}

/* The socket's end, not the protocol's. */
static void fail_io(struct tls_handshake *handshake, int error)
{
    struct error_errno text;
    const char *what = error ? error_text(&text, error) : "the peer closed the connection in the handshake";
    snprintf(handshake->text, sizeof(handshake->text), "%s (tls)", what);
    const enum evpool_code code = error == ENOMEM      ? EVPOOL_ERROR_memory
                                  : error == ECANCELED ? EVPOOL_ERROR_cancelled /* the loop ends */
                                                       : EVPOOL_ERROR_tls_failed;
    finish(handshake, code, error ? error : ECONNRESET);
}

/* Stopped by the deadline or the caller: true, and finished. */
static bool stopped(struct tls_handshake *handshake)
{
    if (!handshake->timed_out && !handshake->cancelled)
        return false;
    const bool cancelled = handshake->cancelled;
    snprintf(handshake->text, sizeof(handshake->text), "%s (tls)", cancelled ? "cancelled" : "handshake timed out");
    finish(handshake, cancelled ? EVPOOL_ERROR_cancelled : EVPOOL_ERROR_tls_timeout, cancelled ? ECANCELED : ETIMEDOUT);
    return true;
}

static void receive(struct tls_handshake *handshake)
{
    evloop_recv(handshake->loop, &handshake->op, handshake->fd, handshake->buffer, TLS_BUFFER_BYTES, on_received);
}

/* Sends what is to be sent, then goes on as the last step said. */
static void go_on(struct tls_handshake *handshake)
{
    void *data;
    const int64_t bytes = tls_outgoing(handshake->tls, &data);
    if (bytes > 0)
        evloop_send(handshake->loop, &handshake->op, handshake->fd, data, (size_t)bytes, on_sent);
    else if (bytes < 0)
        fail_io(handshake, (int)-bytes);
    else if (handshake->step == 0)
        receive(handshake);
    else
        finish(handshake, handshake->step < 0 ? handshake->code : EVPOOL_OK, handshake->step < 0 ? EPROTO : 0);
}

static void step(struct tls_handshake *handshake)
{
    handshake->step = tls_handshake_step(handshake->tls);
    if (handshake->step == -ENOMEM) {
        fail_io(handshake, ENOMEM);
        return;
    }
    if (handshake->step < 0) /* the alert that tells the peer is still to be sent */
        handshake->code = tls_verdict(handshake->tls, handshake->text, sizeof(handshake->text));
    go_on(handshake);
}

static void on_sent(struct evloop_op *op, int result)
{
    struct tls_handshake *handshake = of_op(op);
    if (handshake->step == 0 && stopped(handshake))
        return;
    if (result >= 0) {
        tls_sent(handshake->tls, (size_t)result);
        go_on(handshake);
    } else if (handshake->step < 0) {
        finish(handshake, handshake->code, EPROTO);
    } else if (!stopped(handshake)) {
        fail_io(handshake, -result);
    }
}

static void on_received(struct evloop_op *op, int result)
{
    struct tls_handshake *handshake = of_op(op);
    if (stopped(handshake))
        return;
    if (result > 0)
        result = tls_feed(handshake->tls, handshake->buffer, (size_t)result) < 0 ? -ENOMEM : result;
    if (result > 0)
        step(handshake);
    else
        fail_io(handshake, -result);
}

static void on_deadline(struct evloop_timer *timer)
{
    struct tls_handshake *handshake = (struct tls_handshake *)((char *)timer - offsetof(struct tls_handshake, timer));
    handshake->timed_out = true;
    evloop_cancel(handshake->loop, &handshake->op);
}

int tls_handshake_start(struct tls_handshake *handshake, struct tls_settings *settings)
{
    handshake->buffer = malloc(TLS_BUFFER_BYTES);
    if (!handshake->buffer)
        return -ENOMEM;
    int result = tls_new(&handshake->tls, settings);
    if (result == 0)
        result = evloop_timer_start(handshake->loop, &handshake->timer, handshake->deadline_ns, on_deadline);
    if (result == 0) {
        handshake->step = tls_handshake_step(handshake->tls); /* the hello, which is always followed by a wait */
        void *data;
        const int64_t bytes = tls_outgoing(handshake->tls, &data);
        if (handshake->step == 0 && bytes > 0) {
            evloop_send(handshake->loop, &handshake->op, handshake->fd, data, (size_t)bytes, on_sent);
            return 0;
        }
        evloop_timer_stop(handshake->loop, &handshake->timer);
    }
    tls_free(handshake->tls);
    handshake->tls = NULL;
    free(handshake->buffer);
    handshake->buffer = NULL;
    return -ENOMEM;
}

void tls_handshake_cancel(struct tls_handshake *handshake)
{
    handshake->cancelled = true;
    evloop_cancel(handshake->loop, &handshake->op);
}
