/* SPDX-License-Identifier: ISC
 *
 * What the thread that reads the trace hands to the thread that serves it. The reader never waits for a browser: it puts down figures when it
 * has them, and all of the report when somebody asks for it, at most as often as is worth its while.
 */
#ifndef EVTRAIL_WEB_BOARD_H
#define EVTRAIL_WEB_BOARD_H

#include "../report/blob.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct facts {
    uint64_t events, lost;
    int64_t length_ns;
    bool done; /* nothing will follow */
};
struct board {
    pthread_mutex_t lock;
    int wake; /* eventfd: something was put down */
    struct facts facts;
    struct blob report; /* as report_snapshot() made it; not yet taken */
    uint64_t number;    /* of that, or of the last one that was taken */
    bool wanted;
    bool large; /* the last one was: less, please */
    bool stop;
};
int board_init(struct board *board);
void board_fini(struct board *board);
void board_wake(struct board *board);

/* The reader's side. */
void board_facts(struct board *board, const struct facts *facts);
bool board_wanted(struct board *board, bool *ret_large);
void board_put(struct board *board, struct blob *report); /* takes what is in it */

/* The server's side. */
void board_want(struct board *board);
/* False: there is none. *ret_facts is filled in any case. */
bool board_take(struct board *board, struct blob *ret_report, uint64_t *ret_number, struct facts *ret_facts);

#endif /* EVTRAIL_WEB_BOARD_H */
