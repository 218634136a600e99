/* SPDX-License-Identifier: ISC
 *
 * Wakes us when a process works: it cannot fill a ring without using a processor, and until it does nobody needs to look at its rings.
 */
#ifndef EVTRAIL_READER_OCAML_ACTIVITY_H
#define EVTRAIL_READER_OCAML_ACTIVITY_H

#include <stdbool.h>
#include <stdint.h>

enum { EVTRAIL_ACTIVITY_THREADS_MAX = 128 };

struct evtrail_ocaml_activity {
    uint32_t pid; /* 0: none */
    uint32_t count;
    struct evtrail_activity_thread {
        int fd;
        void *page;
    } *threads;
    bool impossible; /* the kernel does not let us */
};

/* Until it is disarmed, `epoll` tells when a thread of the process has used cpu_ns, or has made another. -EACCES, -ENOSYS, -EMFILE, -ESRCH, ... */
int evtrail_activity_arm(struct evtrail_ocaml_activity *activity, int epoll, uint64_t cpu_ns);
void evtrail_activity_disarm(struct evtrail_ocaml_activity *activity);

#endif /* EVTRAIL_READER_OCAML_ACTIVITY_H */
