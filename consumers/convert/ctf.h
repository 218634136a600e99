/* SPDX-License-Identifier: ISC
 *
 * The Common Trace Format 1.8: what the writer of packets and that of the metadata share.
 */
#ifndef EVTRAIL_CONVERT_CTF_H
#define EVTRAIL_CONVERT_CTF_H

#include "convert.h"

/* An event with context of its own (CPU, caller, stack, labels) or NULL or missing fields is of a second event class of the same name. */
enum { CTF_WITH_CONTEXT = 16384, CTF_UNKNOWN = 65535 };

/* Append TSDL text (diamon.org/ctf/v1.8.3). */
void ctf_metadata_trace(struct scratch *text, const struct evtrail_source *source, const uint8_t uuid[16]);
void ctf_metadata_type(struct scratch *text, const struct evtrail_event_type *type, bool with_context);
void ctf_metadata_unknown(struct scratch *text);

#endif /* EVTRAIL_CONVERT_CTF_H */
