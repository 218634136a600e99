/* SPDX-License-Identifier: ISC
 *
 * The part that knows warnings.
 */
#include "model.h"

static int init(struct part *part)
{
    (void)part;
    return 0;
}

static void fini(struct part *part)
{
    (void)part;
}

static void *plan(struct part *part, const struct evtrail_source *source, const struct evtrail_event_type *type)
{
    (void)part, (void)source, (void)type;
    return NULL;
}

static void event(struct part *part, void *plan_data, const struct evtrail_event *happened, bool matched)
{
    (void)part, (void)plan_data, (void)happened, (void)matched;
}

static void reset(struct part *part)
{
    (void)part;
}

const struct part_ops warnings_part = {.name = "warnings",
                                       .bytes = sizeof(struct part),
                                       .kinds = 0,
                                       .share = 20,
                                       .init = init,
                                       .fini = fini,
                                       .plan = plan,
                                       .event = event,
                                       .reset = reset};
