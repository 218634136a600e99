/* SPDX-License-Identifier: ISC
 *
 * Which event types are on in the live processes that are looked at, and switching them. Also tells the model of types that never had an event.
 *
 * What is switched here is a rule of the session's own list, as `evtrail enable` and `evtrail disable` make it: it holds until the process ends or
 * somebody changes it, also when evtrail top has gone; and "off" beats what this evtrail top itself asked for by "*".
 */
#ifndef EVTRAIL_TOP_TYPE_STATES_H
#define EVTRAIL_TOP_TYPE_STATES_H

#include "../model/types.h"
#include "../top.h"

struct type_state {
    uint16_t on, off; /* sessions */
    uint8_t context;  /* bits of the enable byte that any of them has */
};
struct type_states;
int type_states_new(struct type_states **ret_states, struct top *top);
void type_states_free(struct type_states *states);
/* Rows are of another model. */
void type_states_forget(struct type_states *states);
/* Looks again, at most twice a second. */
void type_states_look(struct type_states *states);
struct type_state type_state_of(const struct type_states *states, const struct type_row *row);
/* All of the row's name: on, or off if it is on anywhere. Tells what was done by top_say(). */
void type_states_toggle(struct type_states *states, const struct type_row *row);
/* The level of the row's provider (the name up to the first dot) goes up (more is on) or down. */
void type_states_level(struct type_states *states, const struct type_row *row, bool up);
/* The last rule of a session's own list that is about this type: "pool.*:debug of 4711", or "" if there is none. */
void type_states_rule(struct type_states *states, const struct type_row *row, char *buffer, size_t size);

#endif /* EVTRAIL_TOP_TYPE_STATES_H */
