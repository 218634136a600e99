/* SPDX-License-Identifier: ISC
 *
 * Arrays that grow by doubling.
 */
#ifndef EVTRAIL_FILE_GROW_H
#define EVTRAIL_FILE_GROW_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Room for one more item in *array, which has `count`; false: no memory, and nothing is changed. */
static inline bool grow(void *array_pointer, size_t count, size_t *room, size_t item_bytes)
{
    void *array;
    memcpy(&array, array_pointer, sizeof(array));
    if (count < *room)
        return true;
    const size_t grown_room = *room ? *room * 2 : 64;
    void *grown = realloc(array, grown_room * item_bytes);
    if (!grown)
        return false;
    memcpy(array_pointer, &grown, sizeof(grown));
    *room = grown_room;
    return true;
}

#endif /* EVTRAIL_FILE_GROW_H */
