/* SPDX-License-Identifier: ISC
 *
 * Numbers of any width at any bit of a packet, and the values that variants and sequences refer to.
 */
#ifndef EVTRAIL_IMPORT_CTF_BITS_H
#define EVTRAIL_IMPORT_CTF_BITS_H

#include "../convert/scratch.h"
#include "tsdl.h"

enum { CTF_SCOPE = 128 };
struct ctf_bits {
    const uint8_t *bytes;
    uint64_t at, end; /* in bits */
    bool failed;      /* something did not fit, or made no sense: nothing after it is believed */
    unsigned depth;
    uint64_t values; /* read so far: values of no size could go on for ever */
    /* The last integers that were read. */
    struct {
        const char *name;
        const struct tsdl_type *type;
        uint64_t value;
    } scope[CTF_SCOPE];
    unsigned scope_next;
};

/* What of headers and contexts has a meaning: found by name while they are read. */
struct ctf_known {
    uint64_t magic, stream_id, begin, end, content, size, discarded, sequence, cpu, id, time;
    int64_t tid, pid;
    bool has_stream_id, has_begin, has_end, has_content, has_size, has_discarded, has_sequence, has_cpu, has_time, has_tid,
        has_pid;
    uint32_t time_size, discarded_size; /* bits */
    char process[32], thread[17];
};

void ctf_align(struct ctf_bits *bits, uint32_t align);
/* Sign-extended if it is signed. Enums, too. */
uint64_t ctf_integer(struct ctf_bits *bits, const struct tsdl_type *type, const char *name);
double ctf_float(struct ctf_bits *bits, const struct tsdl_type *type);
/* Its bytes, without the NUL; *ret_count. NULL: it has no end. */
const char *ctf_string(struct ctf_bits *bits, size_t *ret_count);
/* How many elements an array or a sequence has. */
uint64_t ctf_length(struct ctf_bits *bits, const struct tsdl_type *type);
/* Reads a value of any type: into `known` what has a meaning (may be NULL), and as text (may be NULL). */
void ctf_value(struct ctf_bits *bits, const struct tsdl_type *type, const char *name, struct ctf_known *known,
               struct scratch *text);

#endif /* EVTRAIL_IMPORT_CTF_BITS_H */
