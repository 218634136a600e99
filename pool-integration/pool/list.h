/* SPDX-License-Identifier: ISC
 *
 * Circular lists whose links are in the elements. A link that is in no list points at itself, so that taking it out twice does no harm.
 */
#ifndef EVPOOL_LIST_H
#define EVPOOL_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

#define LIST_OF(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void list_init(struct list *list)
{
    list->next = list->prev = list;
}
static inline bool list_empty(const struct list *list)
{
    return list->next == list;
}
static inline void list_insert(struct list *link, struct list *before)
{
    link->next = before;
    link->prev = before->prev;
    before->prev->next = link;
    before->prev = link;
}
static inline void list_push_front(struct list *list, struct list *link)
{
    list_insert(link, list->next);
}
static inline void list_push_back(struct list *list, struct list *link)
{
    list_insert(link, list);
}
static inline void list_del(struct list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}
static inline struct list *list_pop(struct list *list) /* NULL: empty */
{
    struct list *link = list->next;
    if (link == list)
        return NULL;
    list_del(link);
    return link;
}
/* All of `from` goes to the end of `to`. */
static inline void list_splice(struct list *to, struct list *from)
{
    if (list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

#endif /* EVPOOL_LIST_H */
