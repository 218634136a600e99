/* SPDX-License-Identifier: ISC
 *
 * What a traced program may ask, and how headers that link nothing find the library.
 */
#include "internal.h"
#include "notes.h"

#include <errno.h>
#include <link.h>
#include <string.h>

API const char *evtrail_version(void)
{
    return EVTRAIL_VERSION;
}

API const char *evtrail_session_path(void)
{
    return evtrail_session_ready() ? evtrail_process.path : NULL;
}

API int evtrail_rule(const char *rule)
{
    int saved = errno, result = -ENODEV;
    if (!rule)
        return -EINVAL;
    if (evtrail_session_start_wait()) {
        struct evtrail_control *control = evtrail_process.control;
        result = evtrail_control_allocate(control->rules, EVTRAIL_RULES_BYTES);
        if (result == 0)
            result = evtrail_rules_append(control, "0", rule);
        if (result == 0)
            result = evtrail_registry_apply_rules_count();
    }
    errno = saved;
    return result;
}

API int evtrail_set(const char *setting)
{
    if (!setting)
        return -EINVAL;
    if (!evtrail_session_start_wait())
        return -ENODEV;
    return evtrail_settings_apply(&evtrail_process.control->settings, setting, strlen(setting));
}

/* ---- standalone headers ---- */

static char *thread_pointer(void)
{
#if defined(__x86_64__)
    char *p;
    __asm__("mov %%fs:0, %0" : "=r"(p));
    return p;
#else
    return __builtin_thread_pointer();
#endif
}

/* The offset is the same in every thread: initial-exec storage. */
API const struct evtrail_api *evtrail_api_get(uint32_t abi)
{
    static struct evtrail_api api = {
        .abi = EVTRAIL_ABI,
        .bytes = sizeof(api),
        .reserve = evtrail_reserve,
        .reclock = evtrail_reclock,
        .emit_args = evtrail_emit_args,
        .clock_slow = evtrail_clock_slow,
        .points_add = evtrail_points_add,
        .points_remove = evtrail_points_remove,
        .span_new = evtrail_span_new,
    };
    if (abi != EVTRAIL_ABI)
        return NULL;
    __atomic_store_n(&api.tls_offset, (char *)&evtrail_writer_tls - thread_pointer(), __ATOMIC_RELAXED);
    return &api;
}

static bool is_code_of(const struct dl_phdr_info *info, uintptr_t address)
{
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *phdr = &info->dlpi_phdr[i];
        if (phdr->p_type == PT_LOAD && (phdr->p_flags & PF_X) &&
            address - (info->dlpi_addr + phdr->p_vaddr) < phdr->p_memsz)
            return true;
    }
    return false;
}

static bool visit_note(void *context, uint32_t type, const uint8_t *desc, size_t bytes)
{
    int64_t distance;
    if (type != 1 || bytes != sizeof(distance))
        return false;
    memcpy(&distance, desc, sizeof(distance));
    uintptr_t address = (uintptr_t)desc + (uintptr_t)distance;
    if (is_code_of(context, address))
        ((void (*)(const struct evtrail_api *))address)(evtrail_api_get(EVTRAIL_ABI));
    return false;
}

/* Objects that came before us and carry the note of trace.h: they could not find us, so we find them. */
static int visit_object(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    (void)context;
    evtrail_notes_walk(info, "evtrail", visit_note, info);
    return 0;
}

__attribute__((constructor(102))) static void find_standalone(void)
{
    int saved = errno;
    if (evtrail_session_ready())
        dl_iterate_phdr(visit_object, NULL);
    errno = saved;
}
