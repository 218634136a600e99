/* SPDX-License-Identifier: ISC
 *
 * One lock, held for as long as it takes to move a few words.
 */
#include "board.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

int board_init(struct board *board)
{
    *board = (struct board){.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (board->wake < 0)
        return -errno;
    return -pthread_mutex_init(&board->lock, NULL);
}

void board_fini(struct board *board)
{
    blob_fini(&board->report);
    pthread_mutex_destroy(&board->lock);
    close(board->wake);
}

void board_wake(struct board *board)
{
    const uint64_t one = 1;
    const ssize_t n = write(board->wake, &one, sizeof one); /* full: it is awake */
    (void)n;
}

void board_facts(struct board *board, const struct facts *facts)
{
    pthread_mutex_lock(&board->lock);
    const bool ended = facts->done && !board->facts.done;
    board->facts = *facts;
    pthread_mutex_unlock(&board->lock);
    if (ended)
        board_wake(board);
}

bool board_wanted(struct board *board, bool *ret_large)
{
    pthread_mutex_lock(&board->lock);
    const bool wanted = board->wanted;
    *ret_large = board->large;
    board->large = false;
    pthread_mutex_unlock(&board->lock);
    return wanted;
}

void board_put(struct board *board, struct blob *report)
{
    pthread_mutex_lock(&board->lock);
    struct blob old = board->report;
    board->report = *report;
    board->number++;
    board->wanted = false;
    pthread_mutex_unlock(&board->lock);
    *report = (struct blob){0};
    blob_fini(&old);
    board_wake(board);
}

void board_want(struct board *board)
{
    pthread_mutex_lock(&board->lock);
    board->wanted = true;
    pthread_mutex_unlock(&board->lock);
}

bool board_take(struct board *board, struct blob *ret_report, uint64_t *ret_number, struct facts *ret_facts)
{
    pthread_mutex_lock(&board->lock);
    *ret_facts = board->facts;
    *ret_number = board->number;
    *ret_report = board->report;
    board->report = (struct blob){0};
    pthread_mutex_unlock(&board->lock);
    return ret_report->used > 0;
}
