/* SPDX-License-Identifier: ISC
 *
 * Names of the protocol's numbers, for logs, metrics and the dissector's tests.
 */
#include "ship/wire.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const upper_names[] = {"HELLO", "WELCOME", "OPEN", "OPENED", "FRAMES", "DATA", "GAP",
                                          "ACK",   "REFUSE",  "PING", "PONG",   "DRAIN",  "BYE",  "TRACE"};

const char *wire_type_name(unsigned type)
{
    return type >= WIRE_hello && type <= WIRE_trace ? upper_names[type - 1] : "?";
}

const char *wire_bye_name(unsigned code)
{
    switch (code) {
#define X(name, number, again, text) \
    case number: \
        return #name;
        WIRE_BYES(X)
#undef X
    default:
        return "?";
    }
}

bool wire_bye_again(unsigned code)
{
    switch (code) {
#define X(name, number, again, text) \
    case number: \
        return again;
        WIRE_BYES(X)
#undef X
    default:
        return true;
    }
}

const char *wire_refusal_name(unsigned code)
{
    switch (code) {
#define X(name, number, text) \
    case number: \
        return #name;
        WIRE_REFUSALS(X)
#undef X
    default:
        return "?";
    }
}

const char *wire_gap_cause_name(unsigned cause)
{
    switch (cause) {
#define X(name, number, word, text) \
    case number: \
        return word;
        WIRE_GAP_CAUSES(X)
#undef X
    default:
        return "?";
    }
}

void wire_bye_say(struct wire_bye *ret_bye, enum wire_bye_code code, const char *format, ...)
{
    va_list list;
    *ret_bye = (struct wire_bye){.code = code};
    va_start(list, format);
    vsnprintf(ret_bye->reason, sizeof(ret_bye->reason), format, list);
    va_end(list);
}
