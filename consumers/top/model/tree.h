/* SPDX-License-Identifier: ISC
 *
 * Spans within spans: a node for each path of names ("request", "request > parse"), over all processes of a host.
 *
 * A span's parent is the newest open span of its process that has the id that its begin names; one whose parent is not open, or not known, is
 * a root. A span's own time is what is left of its duration after those of its children that ended before it did. So, once all spans have
 * ended: the sum of all nodes' own times is the sum of the roots' durations, and `beyond`: the time of children at once (threads, fibers)
 * that did not fit into their parent's, and of those that outlived it.
 */
#ifndef EVTRAIL_TOP_TREE_H
#define EVTRAIL_TOP_TREE_H

#include "model.h"

#define TREE_ROOT 0u
#define TREE_MORE 1u /* the node of all paths for which there is no room */
#define TREE_DEPTH_MAX 32u
#define TREE_NONE UINT32_MAX

struct tree_node {
    uint32_t parent, name;
    uint32_t child, sibling; /* the first child; the next of its parent's; TREE_NONE: none */
    uint16_t depth;          /* 0: the root of all; 1: hosts */
    bool host;               /* no span: a child of the root, with all paths of a host below it */
    bool rest;               /* stands for several paths: spans in it may lie within each other */
    uint64_t count;          /* ended */
    uint64_t open;
    uint64_t abandoned; /* open when their process ended */
    uint64_t total_ns, self_ns, max_ns;
};
struct tree_sums {
    uint64_t roots_ns, self_ns, beyond_ns;
    uint64_t orphans;   /* spans whose begin names a parent that is not known */
    uint64_t unmatched; /* ends without a begin */
    uint64_t forgotten; /* open spans, for want of room */
    uint64_t no_path;   /* spans in TREE_MORE */
};

uint32_t tree_nodes(const struct part *part);
const struct tree_node *tree_node(const struct part *part, uint32_t node);
const char *tree_name(const struct part *part, uint32_t node);
struct tree_sums tree_sums(const struct part *part);

#endif /* EVTRAIL_TOP_TREE_H */
