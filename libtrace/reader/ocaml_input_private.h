/* SPDX-License-Identifier: ISC
 *
 * Inside of an OCaml ring as an input: ocaml_input.c is the input, ocaml_items.c what is read of its rings, ocaml_process.c whose it is.
 */
#ifndef EVTRAIL_READER_OCAML_INPUT_PRIVATE_H
#define EVTRAIL_READER_OCAML_INPUT_PRIVATE_H

#include "reader/ocaml_decode.h"
#include "reader/ocaml_feed.h"
#include "reader/ocaml_input.h"

/* What is known of a domain's ring. */
struct ocaml_ring {
    uint32_t index;
    bool faulty; /* a fault was told, and nothing sound was read since */
    struct evtrail_ocaml_lane lane;
    struct evtrail_stream *stream;
    uint64_t last_ns;       /* of its last item */
    uint64_t items, words;  /* that were read */
    uint64_t lost_words;    /* not told yet */
    uint64_t events_before; /* made of it so far, and missed */
    uint64_t chunks;
    bool seen;    /* something of the program that has it now */
    bool renewed; /* what another ring was told: the next taking over that is seen here is that one */
};

enum { FORK_PARENT = 4, FORKS_MAX = 1024 };

struct ocaml_input {
    struct evtrail_input input; /* first */
    struct evtrail_ocaml_map map;
    struct evtrail_ocaml_feed feed;
    struct evtrail_ocaml_decoder decoder;
    struct evtrail_ocaml_evidence evidence;
    struct evtrail_source source;
    struct ocaml_ring **rings; /* [map.domains]; NULL: nothing seen of it */
    uint64_t *copied;          /* the reader's, for all of them: EVTRAIL_OCAML_COPY_WORDS */
    uint64_t items;
    struct evtrail_words words; /* of next_chunk */
    struct evtrail_chunk chunk;
    uint64_t alive_looked_ns;
    uint32_t turn;
    uint64_t forks[FORKS_MAX];
    uint32_t forks_count;
    int pidfd;
    bool pass_got;
    bool settled; /* the version is known, or as well as it will be */
    bool said;    /* ... by the user */
    bool truncated;
    bool dead, ended;
    bool resized; /* the file is another's, who needs another input */
    char path[640], command[64], program[512], host[65], boot_id[41];
};

static inline struct ocaml_input *ocaml_input_of(struct evtrail_input *input)
{
    return (struct ocaml_input *)input;
}

/* ---- ocaml_items.c ---- */
/* What is known of a domain's ring, made when it is first asked for. NULL: no memory. */
struct ocaml_ring *evtrail_ocaml_ring_of(struct ocaml_input *in, uint32_t index);
bool evtrail_ocaml_has_more(struct ocaml_input *in, uint32_t index);
/* The next events of a ring. 1: there are some; 0: none. */
int evtrail_ocaml_read_ring(struct ocaml_input *in, struct ocaml_ring *ring, struct evtrail_words *words,
                            struct evtrail_chunk *chunk);
/* Chooses the tables of numbers: by the user, by the executable, else by what the items show. */
void evtrail_ocaml_find_release(struct ocaml_input *in, uint32_t pid);

/* ---- ocaml_process.c ---- */
/* Fills in->source. pid: of a living process, or 0; named_pid: in the file's name. */
void evtrail_ocaml_describe_source(struct ocaml_input *in, uint32_t pid, uint32_t named_pid);

#endif /* EVTRAIL_READER_OCAML_INPUT_PRIVATE_H */
