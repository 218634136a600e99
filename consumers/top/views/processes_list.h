/* SPDX-License-Identifier: ISC
 *
 * The processes that there are to look at: sessions of this machine, and what is read of files and from a collector.
 */
#ifndef EVTRAIL_TOP_PROCESSES_LIST_H
#define EVTRAIL_TOP_PROCESSES_LIST_H

#include "view.h"

struct listed {
    struct evtrail_session_info info;
    char command[128];
    uint64_t lost;
    uint64_t before; /* events, at the look before */
    int64_t looked_ns;
    double rate;
    char host[HOST_NAME_BYTES];
    bool watched, all; /* all: the first row, for all of them */
    bool read;         /* no session here: of a file, or of another host */
};
struct processes_list {
    struct listed *list;
    unsigned count, room;
    int64_t looked_ns; /* 0: looks again at once */
    uint64_t left_out;
    char host[HOST_NAME_BYTES]; /* this one */
};

void processes_list_init(struct processes_list *processes);
void processes_list_fini(struct processes_list *processes);
/* Takes them anew, twice a second at most. */
void processes_list_look(struct processes_list *processes, struct top *top);

#endif /* EVTRAIL_TOP_PROCESSES_LIST_H */
