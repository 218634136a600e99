/* SPDX-License-Identifier: ISC
 *
 * Event types: gives each an id and an enable byte, and writes the schema that readers decode with.
 *
 * Types are known by name, kind, level and fields: the same one from two places, two libraries or after dlclose and dlopen is one type. What
 * a session needs (entries as in layout.h) is kept in private memory too, for the session of a forked child.
 */
#include "entry.h"
#include "fields.h"
#include "internal.h"
#include "notes.h"

#include <errno.h>
#include <link.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define ARENA_BYTES (UINT64_C(1) << 20)
#define ENTRY_BYTES_MAX (64u << 10)
#define INDEX_SLOTS_MIN 512 /* powers of two, at least twice the types */
#define INDEX_SLOTS_MAX (2 * EVTRAIL_EVENT_TYPES_MAX)

/* What identifies a type is its entry less id, line, file and function: two spans of its bytes. */
struct key {
    uint64_t hash;
    uint32_t head_end, tail_start, end;
};
#define KEY_START 16
#define PAGE_BYTES_MIN 4096u /* pages may be larger: then more has memory than we know of */

struct type {
    const struct evtrail_meta_header *entry;
    struct evtrail_point *point; /* of evtrail_register(), or NULL */
    const char *name;
    struct key key;
    uint8_t level;
};

static struct registry {
    _Atomic uint32_t lock; /* thread id of the holder */
    uint32_t count;        /* next id */
    int error;             /* why the last type was refused */
    uint8_t *arena;
    size_t arena_used, arena_bytes;
    uint32_t slots;      /* of the index that are in use */
    uint64_t meta_bytes; /* published in this session */
    uint64_t meta_allocated;
    uint32_t enables_allocated;    /* enable bytes that have memory in this session */
    _Atomic uint64_t modules_hash; /* of those published; 0: none */
    /* Zeros of the library itself, which cost nothing until they are touched: a program of few types touches three pages. */
    struct type types[EVTRAIL_EVENT_TYPES_MAX];
    uint16_t index[INDEX_SLOTS_MAX]; /* id or 0 */
    _Alignas(8) uint8_t first_arena[2 * ENTRY_BYTES_MAX];
} registry;

static const uint8_t off_byte = 0;
/* Of points that are wanted and have no type, for want of memory: not 1, so that each event goes to evtrail_reserve(). */
static const uint8_t missing_byte = EVTRAIL_ENABLE_ON | EVTRAIL_ENABLE_CPU;

/* The rules as text. Under the registry's lock, or while the session is being made: not on the stack, as a thread that
 * emits its first event after a fork may have little of it. */
static char rule_lines[EVTRAIL_RULES_BYTES];

/* ---- lock: never taken while emitting, but by C++'s and the modules' first time, which only try ---- */

static bool try_lock(void)
{
    uint32_t free = 0;
    /* G1 (acquire) pairs with G2 (release): what the last holder wrote. */
    return atomic_compare_exchange_strong_explicit(&registry.lock, &free, evtrail_gettid(), memory_order_acquire,
                                                   memory_order_relaxed);
}

void evtrail_registry_lock(void)
{
    while (!try_lock())
        sched_yield();
}

void evtrail_registry_unlock(void)
{
    atomic_store_explicit(&registry.lock, 0, memory_order_release); /* G2 */
}

static bool lock_is_mine(void)
{
    return atomic_load_explicit(&registry.lock, memory_order_relaxed) == evtrail_gettid();
}

bool evtrail_registry_lock_unless_mine(void)
{
    if (lock_is_mine())
        return false;
    evtrail_registry_lock();
    return true;
}

uint32_t evtrail_registry_types(void)
{
    return registry.count;
}

/* The forking thread held the lock (atfork); the child's thread has another id. */
void evtrail_registry_fork_child(void)
{
    atomic_store_explicit(&registry.modules_hash, 0, memory_order_relaxed);
    atomic_store_explicit(&registry.lock, 0, memory_order_relaxed);
}

/* ---- private memory ---- */

static void registry_start(void)
{
    if (registry.count)
        return;
    registry.count = EVTRAIL_EVENT_FIRST;
    registry.slots = INDEX_SLOTS_MIN;
    registry.arena = registry.first_arena;
    registry.arena_bytes = sizeof(registry.first_arena);
}

static uint8_t *arena_room(size_t bytes)
{
    if (registry.arena_bytes - registry.arena_used < bytes) {
        void *map = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (map == MAP_FAILED)
            return NULL;
        registry.arena = map;
        registry.arena_bytes = ARENA_BYTES;
        registry.arena_used = 0;
    }
    return registry.arena + registry.arena_used;
}

static uint64_t hash_bytes(const uint8_t *bytes, size_t count, uint64_t hash) /* FNV-1a */
{
    for (size_t i = 0; i < count; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}
#define HASH_START UINT64_C(0xcbf29ce484222325)

/* ---- publishing ---- */

/* Appends an entry to the session's metadata. C2 (release): whole before it counts; pairs with R5. */
static int meta_append(const void *entry, size_t bytes)
{
    uint64_t end = registry.meta_bytes + bytes;
    if (end > EVTRAIL_META_LIMIT)
        return -ENOSPC;
    if (end > registry.meta_allocated) {
        uint64_t want = (registry.meta_allocated + EVTRAIL_META_OFFSET) * 2;
        while (want < end + EVTRAIL_META_OFFSET)
            want *= 2;
        want -= EVTRAIL_META_OFFSET;
        if (want > EVTRAIL_META_LIMIT)
            want = EVTRAIL_META_LIMIT;
        if (evtrail_data_allocate(evtrail_process.data + EVTRAIL_META_OFFSET, EVTRAIL_META_OFFSET, want) < 0)
            return -ENOMEM;
        registry.meta_allocated = want;
    }
    memcpy(evtrail_process.data + EVTRAIL_META_OFFSET + registry.meta_bytes, entry, bytes);
    registry.meta_bytes = end;
    atomic_store_explicit(&evtrail_process.header->meta_bytes, end, memory_order_release);
    return 0;
}

/* Leaves the wake bit of readers that sleep. Relaxed: when a trace point sees it does not matter. */
static void set_enable(uint32_t id, unsigned state)
{
    _Atomic uint8_t *byte = &evtrail_process.control->enable[id];
    uint8_t old = atomic_load_explicit(byte, memory_order_relaxed), wanted;
    do
        wanted = state ? (uint8_t)(state | (old & EVTRAIL_ENABLE_WAKE)) : 0;
    while (old != wanted &&
           !atomic_compare_exchange_weak_explicit(byte, &old, wanted, memory_order_relaxed, memory_order_relaxed));
}

static void apply_rules(uint32_t id, size_t bytes)
{
    set_enable(id, evtrail_rules_state(rule_lines, bytes, registry.types[id].name, registry.types[id].level));
}

static size_t copy_rules(void)
{
    struct evtrail_control *control = evtrail_process.control;
    uint32_t bytes = atomic_load_explicit(&control->rules_bytes, memory_order_acquire);
    if (bytes > EVTRAIL_RULES_BYTES)
        bytes = EVTRAIL_RULES_BYTES;
    if (bytes == 0 || evtrail_control_allocate(control->rules, bytes) < 0)
        return 0;
    return evtrail_rules_copy_most(control, bytes, rule_lines);
}

/* A whole page at a time; the first came with the session, as did those of a parent's types. */
static bool enable_byte_has_memory(uint32_t id)
{
    const struct evtrail_control *control = evtrail_process.control;
    if (id < registry.enables_allocated)
        return true;
    if (evtrail_control_allocate(&control->enable[id], 1) < 0)
        return false;
    registry.enables_allocated = (id | (PAGE_BYTES_MIN - 1)) + 1;
    return true;
}

/* Publishes a type in the session and switches it on if a rule says so. */
static int publish_type(uint32_t id)
{
    struct evtrail_process *process = &evtrail_process;
    if (!enable_byte_has_memory(id))
        return -ENOMEM;
    int result = meta_append(registry.types[id].entry, registry.types[id].entry->bytes);
    if (result < 0)
        return result;
    atomic_store_explicit(&process->header->types_count, id + 1, memory_order_relaxed);
    /* C9 (seq_cst fence): the type is published, then the rules are read; a tool appends its rule, then (C10) reads the
     * types. One of the two sees the other's. Without the fences a type can miss a rule for good. */
    atomic_thread_fence(memory_order_seq_cst);
    return 0;
}

/* What the session has memory for already: the header's page, and a page of enable bytes. */
static void start_session(void)
{
    registry.meta_bytes = 0;
    registry.meta_allocated = PAGE_BYTES_MIN - EVTRAIL_META_OFFSET;
    registry.enables_allocated = PAGE_BYTES_MIN;
    atomic_store_explicit(&registry.modules_hash, 0, memory_order_relaxed);
}

/* All types again, for a new session (the first, or a forked child's). The registry's lock is held or not needed: nobody
 * else has seen the session. */
void evtrail_registry_publish(void)
{
    start_session();
    registry_start();
    for (uint32_t id = EVTRAIL_EVENT_FIRST; id < registry.count; id++)
        if (publish_type(id) < 0)
            break;
    size_t bytes = copy_rules();
    for (uint32_t id = EVTRAIL_EVENT_FIRST; id < registry.count; id++)
        apply_rules(id, bytes);
}

int evtrail_registry_apply_rules_count(void)
{
    int changed = 0;
    evtrail_registry_lock();
    size_t bytes = copy_rules();
    for (uint32_t id = EVTRAIL_EVENT_FIRST; id < registry.count; id++) {
        uint8_t before = atomic_load_explicit(&evtrail_process.control->enable[id], memory_order_relaxed);
        apply_rules(id, bytes);
        uint8_t after = atomic_load_explicit(&evtrail_process.control->enable[id], memory_order_relaxed);
        changed += ((before ^ after) & ~EVTRAIL_ENABLE_WAKE) != 0;
    }
    evtrail_registry_unlock();
    if (changed)
        evtrail_readers_wake(); /* C13 */
    return changed;
}

/* ---- types ---- */

static bool same_key(const uint8_t *a, const struct key *x, const uint8_t *b, const struct key *y)
{
    return x->hash == y->hash && x->head_end == y->head_end && x->end - x->tail_start == y->end - y->tail_start &&
           memcmp(a + KEY_START, b + KEY_START, x->head_end - KEY_START) == 0 &&
           memcmp(a + x->tail_start, b + y->tail_start, x->end - x->tail_start) == 0;
}

static uint32_t find_type(const uint8_t *entry, const struct key *key)
{
    const uint32_t mask = registry.slots - 1;
    uint32_t slot = (uint32_t)key->hash & mask;
    for (; registry.index[slot]; slot = (slot + 1) & mask) {
        const struct type *type = &registry.types[registry.index[slot]];
        if (same_key(entry, key, (const uint8_t *)type->entry, &type->key))
            return registry.index[slot];
    }
    return 0;
}

/* Of a type that is not in the index. */
static void index_add(uint32_t id)
{
    const uint32_t mask = registry.slots - 1;
    uint32_t slot = (uint32_t)registry.types[id].key.hash & mask;
    while (registry.index[slot])
        slot = (slot + 1) & mask;
    registry.index[slot] = (uint16_t)id;
}

/* Types are at most half of the slots. */
static void index_grow(void)
{
    if (registry.count * 2 <= registry.slots || registry.slots == INDEX_SLOTS_MAX)
        return;
    memset(registry.index, 0, registry.slots * sizeof(*registry.index));
    registry.slots *= 2;
    for (uint32_t id = EVTRAIL_EVENT_FIRST; id < registry.count; id++)
        index_add(id);
}

static bool build_entry(struct builder *b, const struct evtrail_point *point, uint32_t id, struct key *ret_key)
{
    struct evtrail_field_text fields[EVTRAIL_FIELDS_MAX];
    int count = evtrail_fields_of(point, fields);
    if (count < 0 || !point->name || !*point->name || point->level < 1 || point->level > EVTRAIL_LEVELS ||
        point->kind >= EVTRAIL_KINDS)
        return false;
    b->used = sizeof(struct evtrail_meta_header);
    put_u32(b, id);
    put_u32(b, point->line);
    put_u8(b, point->level);
    put_u8(b, point->kind);
    put_u16(b, (uint16_t)count);
    put_string(b, point->name, 127);
    put_string(b, point->doc, 511);
    ret_key->head_end = (uint32_t)b->used;
    put_string(b, point->file, 255);
    put_string(b, point->function, 127);
    ret_key->tail_start = (uint32_t)b->used;
    put_fields(b, fields, count);
    ret_key->end = (uint32_t)b->used;
    if (b->used > b->size)
        return false;
    ret_key->hash = hash_bytes(b->start + KEY_START, ret_key->head_end - KEY_START, HASH_START);
    ret_key->hash = hash_bytes(b->start + ret_key->tail_start, ret_key->end - ret_key->tail_start, ret_key->hash);
    return true;
}

/* The id of a point's type; a new one if it is not known. 0: there is no room, or the point is not valid. */
static uint32_t type_of(const struct evtrail_point *point)
{
    struct builder b = {arena_room(ENTRY_BYTES_MAX), 0, ENTRY_BYTES_MAX};
    struct key key;
    uint32_t id = registry.count;
    registry.error = b.start ? -EINVAL : -ENOMEM;
    if (!b.start || !build_entry(&b, point, id, &key))
        return 0;
    uint32_t known = find_type(b.start, &key);
    if (known)
        return known;
    if (!finish(&b, EVTRAIL_META_EVENT_TYPE))
        return 0;
    size_t name_bytes = strnlen(point->name, 127);
    if (b.used + name_bytes + 1 > ENTRY_BYTES_MAX)
        return 0;
    registry.error = id == EVTRAIL_EVENT_TYPES_MAX ? -ENOSPC : 0;
    if (registry.error)
        return 0;
    char *name = (char *)b.start + b.used;
    memcpy(name, point->name, name_bytes);
    name[name_bytes] = '\0';
    registry.types[id] = (struct type){(void *)b.start, NULL, name, key, point->level};
    registry.error = publish_type(id);
    if (registry.error < 0)
        return 0;
    registry.arena_used += (b.used + name_bytes + 8) & ~(size_t)7;
    index_add(id);
    registry.count++;
    index_grow();
    evtrail_forward_ask(id);
    return id;
}

const struct evtrail_meta_header *evtrail_registry_entry(uint32_t id, const char **ret_name,
                                                         struct evtrail_point **ret_point)
{
    if (id < EVTRAIL_EVENT_FIRST || id >= registry.count)
        return NULL;
    *ret_name = registry.types[id].name;
    *ret_point = registry.types[id].point;
    return registry.types[id].entry;
}

static void register_point(struct evtrail_point *point, size_t bytes)
{
    if (!point || point->abi != EVTRAIL_ABI)
        return;
    uint32_t before = registry.count, id = point->head >> 6; /* not 0: it was here and has left */
    const bool known = id != 0;
    if (id >= before)
        return;
    if (id == 0 && (id = type_of(point)) == 0) {
        const bool wanted = point->name && evtrail_rules_state(rule_lines, bytes, point->name, point->level);
        if (wanted && (registry.error == -ENOMEM || registry.error == -ENOSPC))
            __atomic_store_n(&point->enabled, &missing_byte, __ATOMIC_RELEASE); /* T2; there is no id yet */
        return;
    }
    if (id >= before)
        apply_rules(id, bytes);
    __atomic_store_n(&point->head, id << 6, __ATOMIC_RELAXED);
    /* T2 (release): the id before the byte's address; pairs with T1 in trace.h. */
    __atomic_store_n(&point->enabled, evtrail_forward_enabled(id), __ATOMIC_RELEASE);
    if (!known)
        evtrail_forward_remember(point);
}

/* C13: readers that sleep have set the wake bit of the types that they know. The type is published and its byte set, then `wake` changes
 * (release); a reader reads `wake` (C4), then the types and their bytes. Without it a new type's events wait for the end of its
 * sleep. */
static void wake_for_new(uint32_t first)
{
    bool on = false;
    for (uint32_t id = first; id < registry.count && !on; id++)
        on = atomic_load_explicit(&evtrail_process.control->enable[id], memory_order_relaxed) != 0;
    if (on)
        evtrail_readers_wake();
}

/* Rules may have come while the points were added: read them again until none has (bounded: a hostile writer). */
static void register_points(struct evtrail_point *const *first, struct evtrail_point *const *end)
{
    struct evtrail_control *control = evtrail_process.control;
    uint32_t before = registry.count;
    uint32_t generation = atomic_load_explicit(&control->rules_generation, memory_order_acquire);
    size_t bytes = copy_rules();
    for (; first < end; first++)
        register_point(*first, bytes);
    for (int tries = 0; tries < 4; tries++) {
        atomic_thread_fence(memory_order_seq_cst); /* C9 */
        uint32_t now = atomic_load_explicit(&control->rules_generation, memory_order_acquire);
        if (now == generation)
            break;
        generation = now;
        bytes = copy_rules();
        for (uint32_t id = before; id < registry.count; id++)
            apply_rules(id, bytes);
    }
    wake_for_new(before);
}

API void evtrail_points_add(struct evtrail_point *const *first, struct evtrail_point *const *end)
{
    int saved = errno;
    if (evtrail_session_start_wait() && !lock_is_mine()) {
        evtrail_registry_lock();
        register_points(first, end);
        evtrail_registry_unlock();
        if (atomic_load_explicit(&registry.modules_hash, memory_order_relaxed))
            evtrail_modules_refresh();
    }
    errno = saved;
}

/* The points' memory goes (dlclose, exit); their types stay, for what was recorded and for when they come back. The id stays
 * too: at exit() other threads may be inside emissions that are about to read it. */
API void evtrail_points_remove(struct evtrail_point *const *first, struct evtrail_point *const *end)
{
    struct evtrail_point *const *const all = first;
    for (; first < end; first++)
        if (*first)
            __atomic_store_n(&(*first)->enabled, &off_byte, __ATOMIC_RELEASE);
    /* Not at any price: in a child made by clone() the lock may be held by a thread that is not there. */
    for (int tries = 0; tries < 100 && !lock_is_mine(); tries++) {
        if (try_lock()) {
            evtrail_forward_forget(all, end);
            evtrail_registry_unlock();
            break;
        }
        sched_yield();
    }
}

void evtrail_registry_missing(const struct evtrail_point *point)
{
    static _Atomic uint32_t missed;
    struct evtrail_point *const one = (struct evtrail_point *)(uintptr_t)point;
    uint32_t count = atomic_fetch_add_explicit(&missed, 1, memory_order_relaxed) + 1;
    evtrail_count_no_ring();
    if ((count & (count - 1)) == 0) /* again at the 1st, 2nd, 4th, ... event */
        evtrail_points_add(&one, &one + 1);
}

/* The one point of a run-time type; made of `given`, whose strings are the caller's, if it is new. NULL: no room. */
static struct evtrail_point *point_of(const struct evtrail_point *given, uint32_t id)
{
    struct type *type = &registry.types[id];
    if (!type->point) {
        struct evtrail_point *point = (void *)arena_room(sizeof(*point));
        if (!point)
            return NULL;
        registry.arena_used += (sizeof(*point) + 7) & ~(size_t)7;
        *point = (struct evtrail_point){.enabled = evtrail_forward_enabled(id),
                                        .head = id << 6,
                                        .level = given->level,
                                        .kind = given->kind,
                                        .fields_count = given->fields_count,
                                        .abi = EVTRAIL_ABI,
                                        .name = type->name};
        type->point = point;
    }
    return type->point;
}

static int register_desc(const struct evtrail_event_desc *desc, struct evtrail_point **ret_point)
{
    struct evtrail_point given = {.enabled = &off_byte,
                                  .level = desc->level,
                                  .kind = desc->kind,
                                  .fields_count = (uint8_t)desc->fields_count,
                                  .abi = EVTRAIL_ABI,
                                  .name = desc->name,
                                  .doc = desc->doc,
                                  .fields = desc->fields};
    struct evtrail_point *const one = &given;
    register_points(&one, &one + 1);
    if (!given.head)
        return registry.error;
    *ret_point = point_of(&given, given.head >> 6);
    return *ret_point ? 0 : -ENOMEM;
}

API int evtrail_register(const struct evtrail_event_desc *desc, const struct evtrail_point **ret_point)
{
    struct evtrail_point *point = NULL;
    if (!desc || desc->bytes < sizeof(*desc) || !ret_point || desc->fields_count > EVTRAIL_FIELDS_MAX)
        return -EINVAL;
    int saved = errno, result = -ENODEV;
    if (evtrail_session_start_wait()) {
        evtrail_registry_lock();
        result = register_desc(desc, &point);
        evtrail_registry_unlock();
    }
    if (result == 0)
        *ret_point = point;
    errno = saved;
    return result;
}

/* ---- modules: for code addresses ---- */

static void hex(char *to, const uint8_t *bytes, size_t count)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        to[2 * i] = digits[bytes[i] >> 4];
        to[2 * i + 1] = digits[bytes[i] & 15];
    }
    to[2 * count] = '\0';
}

#define BUILD_ID_BYTES_MAX 32

static bool visit_build_id(void *text, uint32_t type, const uint8_t *desc, size_t bytes)
{
    if (type != NT_GNU_BUILD_ID || bytes > BUILD_ID_BYTES_MAX)
        return false;
    hex(text, desc, bytes);
    return true;
}

struct module_walk {
    uint64_t hash;
    bool write;
};

static int visit_module(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    struct module_walk *walk = context;
    uint8_t room[2048];
    char build_id[2 * BUILD_ID_BYTES_MAX + 1];
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *phdr = &info->dlpi_phdr[i];
        if (phdr->p_type != PT_LOAD || !(phdr->p_flags & PF_X))
            continue;
        uint64_t start = info->dlpi_addr + phdr->p_vaddr, end = start + phdr->p_memsz;
        walk->hash = hash_bytes((const uint8_t *)&start, sizeof(start), walk->hash);
        if (!walk->write)
            continue;
        build_id[0] = '\0';
        evtrail_notes_walk(info, "GNU", visit_build_id, build_id);
        struct builder b = {room, sizeof(struct evtrail_meta_header), sizeof(room)};
        put_u64(&b, start);
        put_u64(&b, end);
        put_u64(&b, phdr->p_offset);
        put_string(&b, build_id, 64);
        put_string(&b, info->dlpi_name && *info->dlpi_name ? info->dlpi_name : evtrail_process.header->program, 1023);
        if (finish(&b, EVTRAIL_META_MODULE))
            meta_append(room, b.used);
    }
    return 0;
}

/* Writes the list of loaded objects if it has changed. Called when an address is first recorded and when trace points
 * come later; takes the loader's lock, so not from signal handlers' second rings. */
void evtrail_modules_refresh(void)
{
    struct module_walk walk = {HASH_START, false};
    if (!evtrail_session_ready())
        return;
    dl_iterate_phdr(visit_module, &walk);
    if (walk.hash == atomic_load_explicit(&registry.modules_hash, memory_order_relaxed) || !try_lock())
        return;
    atomic_store_explicit(&registry.modules_hash, walk.hash, memory_order_relaxed);
    walk.write = true;
    dl_iterate_phdr(visit_module, &walk);
    evtrail_registry_unlock();
}

void evtrail_modules_first(void)
{
    if (!atomic_load_explicit(&registry.modules_hash, memory_order_relaxed))
        evtrail_modules_refresh();
}
