/* SPDX-License-Identifier: ISC
 *
 * How the model's files share the work: model.c finds the handler of an event and its fields, model_events.c has the handlers,
 * model_entities.c knows names, addresses and connections.
 */
#ifndef EVPOOL_STRESS_MODEL_INTERNAL_H
#define EVPOOL_STRESS_MODEL_INTERNAL_H

#include "model.h"

enum { HANDLER_FIELDS = 8 };
enum entity_class { ENTITY_conn = 1, ENTITY_address = 2, ENTITY_name = 3, ENTITY_request = 4 };

/* One event of the catalogue, as the model understands it. */
struct step {
    struct model *model;
    const struct evtrail_event *event;
    struct evtrail_value value[HANDLER_FIELDS]; /* of the handler's fields */
};
struct handler {
    const char *name;
    uint8_t kind; /* enum evtrail_kind */
    void (*call)(struct step *step);
    const char *fields[HANDLER_FIELDS];
};
extern const struct handler model_handlers[];
extern const unsigned model_handlers_count;

/* NULL: the table is full (noted). Ids are those of the step's source. */
struct model_name *entity_name(struct step *step, uint64_t id);
struct model_address *entity_address(struct step *step, uint64_t id);
void entity_conn_state(struct step *step, uint64_t id, uint32_t state);
void entity_conn_gone(struct step *step, uint64_t id);
void entity_address_state(struct step *step, uint64_t id, uint32_t state);
/* A request begins, joins the queue, and ends. That it waits is known when its end has not been seen yet: threads tell in any order. */
void entity_request_begin(struct step *step, uint64_t span);
void entity_request_wait(struct step *step, uint64_t span);
void entity_request_end(struct step *step, uint64_t span);
void value_text(const struct evtrail_value *value, char *text, size_t bytes);

#endif /* EVPOOL_STRESS_MODEL_INTERNAL_H */
