/* SPDX-License-Identifier: ISC
 *
 * The file of an OCaml 5 Runtime_events ring, mapped read-only: its header checked once and kept in our own memory, and the reading of
 * one domain's ring. docs/ocaml.md has the layout. Nothing in the file is believed.
 */
#ifndef EVTRAIL_READER_OCAML_MAP_H
#define EVTRAIL_READER_OCAML_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "reader/fault.h"

enum {
    EVTRAIL_OCAML_HEADER_BYTES = 64,
    EVTRAIL_OCAML_DOMAINS_MAX = 4096,
    EVTRAIL_OCAML_NAME_BYTES = 128,
    EVTRAIL_OCAML_NAMES_MAX = 8192,
    EVTRAIL_OCAML_ITEM_WORDS_MAX = 1023,
    EVTRAIL_OCAML_COPY_WORDS = 65536, /* that are copied at once: a whole ring of the default size */
};

struct evtrail_ocaml_map {
    const uint8_t *base; /* NULL: not mapped */
    int fd;              /* without base: it is read from; -1: closed */
    uint64_t bytes;
    int guard;
    uint32_t domains;
    uint64_t elements;       /* words in each ring, a power of two */
    uint64_t headers, data;  /* offsets */
    uint64_t header_stride;
    uint64_t names;          /* offset; 0: there are none (OCaml 5.0) */
    struct stat status;
};

/* Whether these are the first bytes of such a file. */
bool evtrail_ocaml_is_header(const void *bytes, size_t size);
/* -EAGAIN: it is just being made; -EBADMSG: it is none, or damaged; -ENOENT, -EACCES, -ENOMEM, -EMFILE. */
int evtrail_ocaml_map_open(struct evtrail_ocaml_map *map, const char *path, struct evtrail_fault *fault);
void evtrail_ocaml_map_close(struct evtrail_ocaml_map *map);
/* No process writes it: where it has holes it is read from here on, and not mapped, which on tmpfs gives memory to each hole that is looked at. */
void evtrail_ocaml_map_left(struct evtrail_ocaml_map *map);
/* A process writes it: what is mapped is enough. */
void evtrail_ocaml_map_living(struct evtrail_ocaml_map *map);
/* The file has become shorter than it was: what is missing of it reads as zeros. */
bool evtrail_ocaml_map_cut(const struct evtrail_ocaml_map *map);
/* Whether the file still has the layout that it was opened with. */
bool evtrail_ocaml_map_same(const struct evtrail_ocaml_map *map);
/* A domain's cursors as they are now; index < domains. */
void evtrail_ocaml_map_cursors(const struct evtrail_ocaml_map *map, uint32_t index, uint64_t *ret_head,
                               uint64_t *ret_tail);
/* The name of a user event, at most 127 bytes; "" if it has none. */
void evtrail_ocaml_map_name(const struct evtrail_ocaml_map *map, uint32_t id, char name[EVTRAIL_OCAML_NAME_BYTES]);

/* ---- one domain's ring ---- */

struct evtrail_ocaml_ring {
    uint32_t index;
    uint64_t at;   /* the next word to be read */
    bool begun;    /* `at` is set */
    /* A program that replaces another by exec takes over its file: it sets the cursors to 0 and writes over what is there. */
    uint64_t head, tail; /* as they were seen last */
    uint64_t first_ns;   /* the stamp at word 0; 0: not known, or it is not there any more */
    uint32_t odd;        /* looks at cursors that contradict each other, since they did not */
};
struct evtrail_ocaml_copy {
    uint64_t *words; /* room for `room` */
    size_t room;     /* 0: EVTRAIL_OCAML_COPY_WORDS; else at least one more than EVTRAIL_OCAML_ITEM_WORDS_MAX */
    bool any;        /* asked for: the last item may be cut, as `cut` says then; to find its beginning costs a walk */
    bool cut;
    size_t count;    /* whole items; what is behind one that can be none is left out */
    uint64_t at;     /* position of words[0] */
    uint64_t lost;   /* words overwritten before it, since the last call */
    uint64_t next;   /* where to go on when all of it was taken */
    uint64_t behind; /* words before `next` that nobody can find an item in */
    uint64_t tail;   /* where an item begins in any case */
    bool anew;       /* another program has taken over the ring: `lost` is what is known to be left of the one before, the next call begins its own */
    bool impossible; /* the cursors contradict each other: the ring begins anew behind what is there */
};
/* Copies what is new, up to the room there is. ring->at stays: the caller moves it behind the last item that it took, or to copy->next. Returns
 * whether there is anything: words, or a loss. */
bool evtrail_ocaml_ring_copy(struct evtrail_ocaml_ring *ring, const struct evtrail_ocaml_map *map,
                             struct evtrail_ocaml_copy *copy);
/* Whether a copy would have anything to say. */
bool evtrail_ocaml_ring_has(const struct evtrail_ocaml_ring *ring, const struct evtrail_ocaml_map *map);
/* Passes over what is there. Whether there is anything. */
bool evtrail_ocaml_ring_skip(struct evtrail_ocaml_ring *ring, const struct evtrail_ocaml_map *map);
/* Of a ring that was taken over: words that lie from `at` on and were not written over yet, whose stamps follow since_ns. */
uint64_t evtrail_ocaml_ring_left(const struct evtrail_ocaml_map *map, uint32_t index, uint64_t at, uint64_t since_ns);

/* ---- items ---- */

enum evtrail_ocaml_runtime { /* types of runtime items */
    EVTRAIL_OCAML_INTERNAL = 0,
    EVTRAIL_OCAML_LIFECYCLE = 1,
    EVTRAIL_OCAML_BEGIN = 2,
    EVTRAIL_OCAML_EXIT = 3,
    EVTRAIL_OCAML_COUNTER = 4,
    EVTRAIL_OCAML_ALLOC = 5,
    EVTRAIL_OCAML_FLUSH = 6,
};
enum evtrail_ocaml_user { /* types of user items */
    EVTRAIL_OCAML_UNIT = 0,
    EVTRAIL_OCAML_INT = 1,
    EVTRAIL_OCAML_SPAN_BEGIN = 2,
    EVTRAIL_OCAML_SPAN_END = 3,
    EVTRAIL_OCAML_CUSTOM = 4,
};
struct evtrail_ocaml_item {
    uint64_t time; /* CLOCK_MONOTONIC, ns; 0: padding */
    const uint64_t *payload;
    uint32_t words; /* of payload */
    uint16_t id;
    uint8_t type;
    bool user, padding;
};

/* Takes the item at words[0]. Its length, or 0: it is not whole within `count`; *ret_fault (else NULL) says if it can be none. */
static inline uint32_t evtrail_ocaml_item_take(const uint64_t *words, size_t count, struct evtrail_ocaml_item *ret_item,
                                               const char **ret_fault)
{
    const uint64_t header = words[0];
    const uint32_t length = (uint32_t)(header >> 54);
    const uint8_t type = header >> 49 & 15;
    const bool user = header >> 53 & 1;
    *ret_fault = NULL;
    *ret_item = (struct evtrail_ocaml_item){.id = header >> 36 & 0x1fff, .type = type, .user = user};
    if (!user && type == EVTRAIL_OCAML_INTERNAL) { /* to the ring's end; a word of it is written, the rest is old */
        ret_item->padding = true;
        if (length == 0)
            *ret_fault = "padding of no words";
        return length == 0 || length > count ? 0 : length;
    }
    if (length < 2)
        *ret_fault = "an item shorter than its stamp";
    else if (type > (user ? EVTRAIL_OCAML_CUSTOM : 7))
        *ret_fault = "an item of an impossible type";
    else if (length > count)
        return 0;
    else
        ret_item->time = words[1];
    ret_item->payload = words + 2;
    ret_item->words = length - 2;
    return *ret_fault ? 0 : length;
}

#endif /* EVTRAIL_READER_OCAML_MAP_H */
