/* SPDX-License-Identifier: ISC
 *
 * Reading again what is held, or the files: events of a range, in slices, while the live reader goes on.
 */
#ifndef EVTRAIL_TOP_REPLAY_H
#define EVTRAIL_TOP_REPLAY_H

#include "feed_private.h"

struct replay;
struct replay_range {
    uint32_t first_segment, end_segment; /* of the hold: [first, end); 0: all */
    int64_t from_ns, to_ns;              /* both included; INT64_MIN, INT64_MAX: open */
    const struct evtrail_filter *filter; /* borrowed */
    bool spans;                          /* fill event->duration */
};
/* -ENODATA: nothing of the range is held. */
int replay_open(struct replay **ret_replay, struct feed *feed, const struct replay_range *range);
void replay_close(struct replay *replay);
/* The next event, valid until the next call. 1; 0: the end of the range. What cannot be read is passed over. */
int replay_next(struct replay *replay, struct evtrail_event **ret_event);
/* Lost, as it was read. [EVTRAIL_CAUSES_ALL] */
void replay_lost(const struct replay *replay, uint64_t *ret_lost);
/* Events that the segments were said to have; 0: not known. */
uint64_t replay_expected(const struct replay *replay);
/* The event as one of the same process's source in the feed's own reader: *ret_event is a copy. False: that never met the process. */
bool replay_as_live(struct replay *replay, const struct evtrail_event *event, struct evtrail_event *ret_event);
/* Gives an event of the replay to a model, as one of the same process's source in the feed's own reader. */
void replay_feed(struct replay *replay, struct model *model, const struct evtrail_event *event);

#endif /* EVTRAIL_TOP_REPLAY_H */
