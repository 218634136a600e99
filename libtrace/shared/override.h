/* SPDX-License-Identifier: ISC
 *
 * Settings that a consumer overrides while it has its slot. What was before stands in the slot, so that whoever takes the slot
 * away from a consumer that was killed or stopped, a reader or the traced process itself, can put it back.
 */
#ifndef EVTRAIL_OVERRIDE_H
#define EVTRAIL_OVERRIDE_H

#include "layout.h"
#include "shared/rules.h"

/* Whether `text` is one or more of policy=, block=, blocks=, ring= with good values. 0, -EINVAL, -ERANGE. */
int evtrail_override_check(const char *text);
/* Puts them in force for the consumer in slot `index`, which the caller has claimed. Errors as above; then nothing is changed. */
int evtrail_override_set(struct evtrail_control *control, unsigned index, const char *text);
/* Ends what the consumer overrides. What later ones override stays in force; what was set by hand meanwhile stays as well. Of several
 * that call this at once one does the work. */
void evtrail_override_end(struct evtrail_control *control, unsigned index);
/* The settings as they were without any consumer. */
void evtrail_override_base(const struct evtrail_control *control, struct evtrail_settings_values *ret_values);

#endif /* EVTRAIL_OVERRIDE_H */
