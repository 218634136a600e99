/* SPDX-License-Identifier: ISC
 *
 * The hosts that a trace's processes ran on: how many processes, events and losses each has, and how far its clock was.
 */
#ifndef EVTRAIL_CONSUMERS_HOST_LIST_H
#define EVTRAIL_CONSUMERS_HOST_LIST_H

#include <evtrail/reader.h>

#define HOSTS_MAX 4096u /* more are one: the last */
#define HOST_NAME_BYTES 65u

struct host {
    char name[HOST_NAME_BYTES]; /* untrusted; "" if it was not told */
    uint32_t processes, ended;
    uint32_t measured;          /* processes whose clock was measured */
    int64_t ahead_ns, bound_ns; /* of the one that is known the least; bound_ns 0: none was measured */
    int64_t last_ns;            /* of its newest event; INT64_MIN: none */
    uint64_t events;
    uint64_t lost[EVTRAIL_CAUSES_ALL];
};
struct host_list {
    struct host *list;
    uint32_t count;
    uint16_t *index; /* by the name's hash: number + 1; 0: free */
};

void host_list_fini(struct host_list *hosts);
/* The number of the host of this name, made if there was none; UINT32_MAX: no memory. */
uint32_t host_list_number(struct host_list *hosts, const char *name);
/* Whether sources are of more than one host. `looked` (may be NULL) is how many were looked at before, of which all were of one. */
bool sources_of_several_hosts(struct evtrail_source *const *sources, uint32_t count, uint32_t *looked);
/* Processes and clocks, anew; events and losses stay. */
void host_list_take_clocks(struct host_list *hosts, struct evtrail_source *const *sources, uint32_t count);
/* More processes, beside those that were taken. */
void host_list_add_clocks(struct host_list *hosts, struct evtrail_source *const *sources, uint32_t count);
/* The widest bound of all; 0: no clock was measured. */
int64_t host_list_worst_bound(const struct host_list *hosts);
/* "+1.203ms +- 150us"; "" if it was not measured. `sign` stands between. Returns buffer. */
const char *host_clock_text(const struct host *host, const char *sign, char *buffer, size_t size);

#endif /* EVTRAIL_CONSUMERS_HOST_LIST_H */
