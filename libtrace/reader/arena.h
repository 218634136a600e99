/* SPDX-License-Identifier: ISC
 *
 * Memory that is only given back all at once, up to a limit: what a source's schema lives in.
 */
#ifndef EVTRAIL_READER_ARENA_H
#define EVTRAIL_READER_ARENA_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define EVTRAIL_ARENA_PIECE_BYTES ((size_t)32 << 10)
#define EVTRAIL_ARENA_FIRST_BYTES ((size_t)1 << 10) /* of a source with few types; the pieces grow */

struct evtrail_arena_piece {
    struct evtrail_arena_piece *next;
    size_t bytes;
    size_t used;
    _Alignas(16) unsigned char data[];
};

struct evtrail_arena {
    struct evtrail_arena_piece *pieces; /* the newest first */
    size_t bytes;                       /* allocated */
    size_t limit_bytes;
};

static inline void evtrail_arena_init(struct evtrail_arena *arena, size_t limit_bytes)
{
    *arena = (struct evtrail_arena){.limit_bytes = limit_bytes};
}

static inline void evtrail_arena_fini(struct evtrail_arena *arena)
{
    while (arena->pieces) {
        struct evtrail_arena_piece *piece = arena->pieces;
        arena->pieces = piece->next;
        free(piece);
    }
    arena->bytes = 0;
}

/* `bytes` of uninitialised memory, aligned to 8, or NULL: no memory, or the limit. */
static inline void *evtrail_arena_take(struct evtrail_arena *arena, size_t bytes)
{
    bytes = (bytes + 7) & ~(size_t)7;
    struct evtrail_arena_piece *piece = arena->pieces;
    if (!piece || piece->bytes - piece->used < bytes) {
        size_t want = arena->bytes < EVTRAIL_ARENA_FIRST_BYTES ? EVTRAIL_ARENA_FIRST_BYTES : arena->bytes;
        want = want > EVTRAIL_ARENA_PIECE_BYTES ? EVTRAIL_ARENA_PIECE_BYTES : want;
        want = want < bytes ? bytes : want;
        if (want > arena->limit_bytes - arena->bytes)
            return NULL;
        piece = malloc(sizeof(*piece) + want);
        if (!piece)
            return NULL;
        *piece = (struct evtrail_arena_piece){.next = arena->pieces, .bytes = want};
        arena->pieces = piece;
        arena->bytes += want;
    }
    void *memory = piece->data + piece->used;
    piece->used += bytes;
    return memory;
}

/* A NUL-terminated copy of `bytes` bytes of text. */
static inline char *evtrail_arena_text(struct evtrail_arena *arena, const void *text, size_t bytes)
{
    char *copy = evtrail_arena_take(arena, bytes + 1);
    if (copy) {
        memcpy(copy, text, bytes);
        copy[bytes] = 0;
    }
    return copy;
}

/* Where the arena stands now, and back to there: what was taken since is gone. */
struct evtrail_arena_mark {
    struct evtrail_arena_piece *piece;
    size_t used;
};

static inline struct evtrail_arena_mark evtrail_arena_mark(const struct evtrail_arena *arena)
{
    return (struct evtrail_arena_mark){arena->pieces, arena->pieces ? arena->pieces->used : 0};
}

static inline void evtrail_arena_undo(struct evtrail_arena *arena, struct evtrail_arena_mark mark)
{
    while (arena->pieces != mark.piece) {
        struct evtrail_arena_piece *piece = arena->pieces;
        arena->pieces = piece->next;
        arena->bytes -= piece->bytes;
        free(piece);
    }
    if (mark.piece)
        mark.piece->used = mark.used;
}

#endif /* EVTRAIL_READER_ARENA_H */
