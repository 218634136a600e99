/* SPDX-License-Identifier: ISC
 *
 * Events that go to another tracer in this process as well: evtrail_forward_to().
 *
 * A trace point looks at one byte, and that byte belongs to the rules, which other processes change. So points of a forwarded type look at
 * a byte of our own, whose value no rule makes; it sends each event the way of large ones (emit.c), which asks the real byte.
 * Trace points that are off, or not forwarded, cost what they did.
 */
#include "internal.h"

#include <errno.h>
#include <link.h>
#include <string.h>

#define POINTS_MAX 65536 /* remembered; those that come later are forwarded only if they were wanted when they came */

static struct {
    uint8_t wanted[EVTRAIL_EVENT_TYPES_MAX]; /* by type */
    uint32_t points_count;
    struct evtrail_point *points[POINTS_MAX]; /* C++'s may have left with the object that they were in */
} forward;

const struct evtrail_forward *_Atomic evtrail_forward_receiver;
static const uint8_t forwarded_byte = EVTRAIL_FORWARDED_;
static_assert((EVTRAIL_FORWARDED_ & EVTRAIL_ENABLE_ON) == 0, "no rule makes it");

static const uint8_t *real_byte(uint32_t id)
{
    return (const uint8_t *)&evtrail_process.control->enable[id];
}

const uint8_t *evtrail_forward_enabled(uint32_t id)
{
    return forward.wanted[id] ? &forwarded_byte : real_byte(id);
}

void evtrail_forward_remember(struct evtrail_point *point)
{
    if (forward.points_count < POINTS_MAX)
        forward.points[forward.points_count++] = point;
}

/* All points of one object, which is about to go: what lies between is its, too. */
void evtrail_forward_forget(struct evtrail_point *const *first, struct evtrail_point *const *end)
{
    uintptr_t low = UINTPTR_MAX, high = 0;
    uint32_t kept = 0;
    for (; first < end; first++) {
        const uintptr_t address = (uintptr_t)*first;
        low = address && address < low ? address : low;
        high = address > high ? address : high;
    }
    for (uint32_t i = 0; i < forward.points_count; i++) {
        const uintptr_t address = (uintptr_t)forward.points[i];
        if (address < low || address > high)
            forward.points[kept++] = forward.points[i];
    }
    forward.points_count = kept;
}

static uint64_t read_number(const uint8_t **at, size_t bytes)
{
    uint64_t number = 0;
    memcpy(&number, *at, bytes); /* little-endian, as all our platforms are */
    *at += bytes;
    return number;
}

static void skip_string(const uint8_t **at)
{
    const uint64_t bytes = read_number(at, 2);
    *at += bytes;
}

struct texts {
    size_t used;
    char bytes[4096];
};

/* A copy that ends with a NUL; "": there is no room for more. */
static const char *read_string(const uint8_t **at, struct texts *texts)
{
    const uint64_t bytes = read_number(at, 2);
    char *const text = texts->bytes + texts->used;
    const uint8_t *const from = *at;
    *at += bytes;
    if (bytes == 0 || bytes >= sizeof(texts->bytes) - texts->used)
        return "";
    memcpy(text, from, bytes);
    text[bytes] = '\0';
    texts->used += bytes + 1;
    return text;
}

/* Our own entry, as registry.c made it: layout.h has its parts. */
static void read_entry(const struct evtrail_meta_header *entry, struct evtrail_forward_type *type,
                       struct evtrail_field_desc *fields, struct texts *texts)
{
    const uint8_t *at = (const uint8_t *)(entry + 1);
    type->id = (uint32_t)read_number(&at, 4);
    read_number(&at, 4); /* line */
    type->level = (uint8_t)read_number(&at, 1);
    type->kind = (uint8_t)read_number(&at, 1);
    type->fields_count = (uint16_t)read_number(&at, 2);
    type->fields = fields;
    for (int i = 0; i < 4; i++)
        skip_string(&at);
    for (unsigned i = 0; i < type->fields_count; i++) {
        fields[i].type = (uint8_t)read_number(&at, 4);
        fields[i].name = read_string(&at, texts);
        fields[i].unit = read_string(&at, texts);
        skip_string(&at);
        fields[i].doc = "";
        fields[i].enums = read_string(&at, texts);
    }
}

void evtrail_forward_ask(uint32_t id)
{
    const struct evtrail_forward *receiver = atomic_load_explicit(&evtrail_forward_receiver, memory_order_relaxed);
    struct evtrail_forward_type type;
    struct evtrail_point *point;
    struct evtrail_field_desc fields[EVTRAIL_FIELDS_MAX];
    static struct texts texts; /* under the registry's lock */
    const struct evtrail_meta_header *entry = evtrail_registry_entry(id, &type.name, &point);
    if (!entry)
        return;
    texts.used = 0;
    read_entry(entry, &type, fields, &texts);
    forward.wanted[id] = receiver && receiver->wants(&type);
    if (point)
        __atomic_store_n(&point->enabled, evtrail_forward_enabled(id),
                         __ATOMIC_RELEASE); /* T2; pairs with T1 in trace.h */
}

/* Whether the memory still holds a point that we know: a C++ object may have gone without a word, and another be in its place. */
__attribute__((no_sanitize("address"))) static bool still_there(const struct evtrail_point *point)
{
    const uint32_t id = point->head >> 6;
    return id >= EVTRAIL_EVENT_FIRST && id < evtrail_registry_types() && point->abi == EVTRAIL_ABI &&
           (point->enabled == &forwarded_byte || point->enabled == real_byte(id));
}

/* The loader's lock before the registry's, as in constructors. */
static int visit_object(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    (void)context;
    evtrail_registry_lock();
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *phdr = &info->dlpi_phdr[i];
        if (phdr->p_type != PT_LOAD || !(phdr->p_flags & PF_W))
            continue;
        const uintptr_t start = info->dlpi_addr + phdr->p_vaddr;
        for (uint32_t p = 0; p < forward.points_count; p++) {
            struct evtrail_point *point = forward.points[p];
            if ((uintptr_t)point - start <= phdr->p_memsz - sizeof(*point) && phdr->p_memsz >= sizeof(*point) &&
                still_there(point))
                __atomic_store_n(&point->enabled, evtrail_forward_enabled(point->head >> 6), __ATOMIC_RELEASE); /* T2 */
        }
    }
    evtrail_registry_unlock();
    return 0;
}

API int evtrail_forward_to(const struct evtrail_forward *receiver)
{
    int saved = errno, count = 0;
    if (receiver && (receiver->bytes < sizeof(*receiver) || !receiver->wants || !receiver->event))
        return -EINVAL;
    if (!evtrail_session_start_wait())
        count = -ENODEV;
    else if (!evtrail_registry_lock_unless_mine())
        count = -EINVAL;
    if (count == 0) {
        atomic_store_explicit(&evtrail_forward_receiver, receiver, memory_order_release); /* F2 */
        for (uint32_t id = EVTRAIL_EVENT_FIRST; id < evtrail_registry_types(); id++) {
            evtrail_forward_ask(id);
            count += forward.wanted[id];
        }
        evtrail_registry_unlock();
        dl_iterate_phdr(visit_object, NULL);
    }
    errno = saved;
    return count;
}
