/* SPDX-License-Identifier: ISC
 *
 * Events of a CTF stream as records of a ring, in chunks for a trace file. Ticks are ns since 1970.
 */
#include "import.h"

#include <evtrail/trace.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_WORDS 32768u
#define EVENT_WORDS_MAX 65536u   /* longer ones are left out, and counted */
#define HALF (UINT64_C(1) << 42) /* of how far 44 bits reach from their reference */
enum { RECORD_time = 1, RECORD_meta = 2, RECORD_thread = 4, META_cpu_flag = 2 };

struct import_ring {
    struct import_ring *next;
    struct import_process *process;
    uint32_t stream;
    uint32_t tid; /* of the last event */
    char thread[17];
    uint64_t reference; /* of the records that come */
    struct evtrail_chunk chunk;
    uint64_t *words; /* CHUNK_WORDS + EVENT_WORDS_MAX + 16 */
};

/* ---- processes and rings ------------------------------------------------------------------------------------------------------- */

static const char *env_text(const struct import_trace *trace, const char *name)
{
    const struct tsdl_env *const env = tsdl_env(&trace->tsdl, name);
    return env && env->text ? env->text : "";
}

static struct import_process *process_new(struct import *import, struct import_trace *trace, uint32_t pid,
                                          const char *command, int64_t time)
{
    struct import_process *const process = calloc(1, sizeof *process);
    if (!process)
        return NULL;
    const char *const base = strrchr(trace->path, '/');
    const char *const own = *command ? command : env_text(trace, "procname");
    const char *const known = *own ? own : env_text(trace, "trace_name");
    const char *const name = *known ? known : base && base[1] ? base + 1 : trace->path;
    memcpy(process->command, name, strnlen(name, sizeof process->command - 1));
    process->source = (struct evtrail_source){.session_id = (uint64_t)time ^ (uint64_t)++import->sources << 40,
                                              .pid = pid,
                                              .start_realtime_ns = (uint64_t)time,
                                              .command = process->command,
                                              .program = env_text(trace, "program"),
                                              .host = env_text(trace, "hostname"),
                                              .boot_id = "",
                                              .types = trace->types,
                                              .types_count = trace->types_count};
    const uint64_t ns = (uint64_t)time;
    process->source.clock = (struct evtrail_clock){.kind = 1, .first = {ns, ns, ns}};
    process->source.clock.last.ticks = process->source.clock.last.monotonic_ns = ns + 1000000000;
    process->source.clock.last.realtime_ns = ns + 1000000000;
    process->next = trace->processes;
    trace->processes = process;
    return process;
}

static struct import_process *process_of(struct import *import, struct import_trace *trace,
                                         const struct ctf_known *known, int64_t time)
{
    const struct tsdl_env *const env = tsdl_env(&trace->tsdl, "vpid");
    const uint32_t pid = known->has_pid ? (uint32_t)known->pid : env ? (uint32_t)env->number : 0;
    for (struct import_process *process = trace->processes; process; process = process->next)
        if (process->source.pid == pid)
            return process;
    return process_new(import, trace, pid, known->has_pid ? known->process : "", time);
}

static struct import_ring *ring_of(struct import *import, struct import_trace *trace, uint32_t stream,
                                   const struct ctf_known *known, int64_t time)
{
    struct import_process *const process = process_of(import, trace, known, time);
    for (struct import_ring *ring = trace->rings; ring; ring = ring->next)
        if (ring->stream == stream && ring->process == process)
            return ring;
    struct import_ring *const ring = process ? calloc(1, sizeof *ring) : NULL;
    if (!ring)
        return NULL;
    ring->stream = stream;
    ring->process = process;
    ring->tid = UINT32_MAX;
    ring->chunk.source = &process->source;
    ring->chunk.ring = import->rings++;
    ring->next = trace->rings;
    trace->rings = ring;
    return ring;
}

/* ---- chunks -------------------------------------------------------------------------------------------------------------------- */

static int chunk_write(struct import *import, struct import_ring *ring)
{
    struct evtrail_chunk *const chunk = &ring->chunk;
    chunk->words = ring->words;
    const int r = evtrail_file_write_chunk(import->file, chunk);
    chunk->first_block = ++chunk->last_block;
    chunk->events_before += chunk->events;
    chunk->events = 0;
    chunk->words_count = 0;
    free(ring->words); /* there may be many rings */
    ring->words = NULL;
    return r;
}

static uint64_t *record(struct import_ring *ring, uint64_t ticks, uint32_t id, size_t size)
{
    uint64_t *at = ring->words + ring->chunk.words_count;
    *at++ = ticks << 20 | (uint64_t)id << 6 | (size > 62 ? 63 : size);
    if (size > 62)
        *at++ = size;
    ring->chunk.words_count = (size_t)(at - ring->words) + size;
    if (ticks > ring->chunk.last_ticks)
        ring->chunk.last_ticks = ticks;
    if (ticks < ring->chunk.first_ticks)
        ring->chunk.first_ticks = ticks;
    return at;
}

static int chunk_begin(struct import_ring *ring, uint64_t ticks)
{
    if (ring->words)
        return 0;
    ring->words = malloc((CHUNK_WORDS + EVENT_WORDS_MAX + 64) * sizeof *ring->words);
    if (!ring->words)
        return -ENOMEM;
    ring->reference = ring->chunk.state.reference_ticks = ring->chunk.first_ticks = ring->chunk.last_ticks = ticks;
    ring->chunk.state.tid = ring->tid == UINT32_MAX ? 0 : ring->tid;
    memcpy(ring->chunk.state.thread_name, ring->thread, sizeof ring->thread);
    return 0;
}

static void thread_put(struct import_ring *ring, const struct ctf_known *known, uint64_t ticks)
{
    const uint32_t tid = known->has_tid ? (uint32_t)known->tid : 0;
    const char *name = *known->thread ? known->thread : known->process;
    char cpu[17] = "";
    if (!*name && known->has_cpu && !known->has_tid) { /* a stream of a CPU's, of threads that nobody names */
        memcpy(cpu, "cpu", 3);
        cpu[3] = (char)('0' + known->cpu / 100 % 10);
        cpu[4] = (char)('0' + known->cpu / 10 % 10);
        cpu[5] = (char)('0' + known->cpu % 10);
        name = cpu;
    }
    if (ring->tid == tid && strncmp(ring->thread, name, 16) == 0)
        return;
    ring->tid = tid;
    memset(ring->thread, 0, sizeof ring->thread);
    memcpy(ring->thread, name, strnlen(name, 16));
    if (ring->chunk.words_count == 0) {
        ring->chunk.state.tid = tid;
        memcpy(ring->chunk.state.thread_name, ring->thread, sizeof ring->thread);
        return;
    }
    uint64_t *const at = record(ring, ticks, RECORD_thread, 3);
    at[0] = tid;
    memcpy(at + 1, ring->thread, 16);
}

int import_event(struct import *import, struct import_trace *trace, uint32_t stream, const struct ctf_known *known,
                 uint32_t type, int64_t time)
{
    const uint64_t ticks = time > 0 ? (uint64_t)time : 0;
    const size_t words = import->words.used / 8;
    struct import_ring *const ring = ring_of(import, trace, stream, known, time);
    if (words > EVENT_WORDS_MAX) {
        import->events_left++;
        return 0;
    }
    if (!ring || chunk_begin(ring, ticks) < 0)
        return -ENOMEM;
    if (ticks - ring->reference + HALF >= 2 * HALF) {
        *record(ring, ticks, RECORD_time, 1) = ticks;
        ring->reference = ticks;
    }
    thread_put(ring, known, ticks);
    if (known->has_cpu) {
        uint64_t *const meta = record(ring, ticks, RECORD_meta, 2);
        meta[0] = META_cpu_flag;
        meta[1] = known->cpu;
    }
    uint64_t *const at = record(ring, ticks, type, words);
    if (words)
        memcpy(at, import->words.bytes, words * 8);
    ring->chunk.events++;
    import->events++;
    return ring->chunk.words_count >= CHUNK_WORDS ? chunk_write(import, ring) : 0;
}

/* A chunk says what was lost before it: one without records, that it is lost now. */
int import_lost(struct import *import, struct import_trace *trace, uint32_t stream, const struct ctf_known *known,
                uint64_t lost, int64_t time)
{
    struct import_ring *const ring = ring_of(import, trace, stream, known, time);
    int r = ring ? 0 : -ENOMEM;
    if (r == 0 && ring->words)
        r = chunk_write(import, ring);
    if (r < 0)
        return r;
    const uint64_t ticks = time > 0 ? (uint64_t)time : 0;
    import->lost += lost;
    ring->chunk.lost_before[0] += lost; /* why it does not say: the buffer was full */
    ring->chunk.first_ticks = ring->chunk.last_ticks = ring->chunk.state.reference_ticks = ticks;
    return chunk_write(import, ring);
}

int import_flush(struct import *import, struct import_trace *trace)
{
    int r = 0;
    for (struct import_ring *ring = trace->rings; ring && r == 0; ring = ring->next)
        if (ring->words)
            r = chunk_write(import, ring);
    for (struct import_process *process = trace->processes; process && r == 0; process = process->next)
        r = evtrail_file_source_gone(import->file, &process->source);
    return r;
}

void import_trace_free(struct import_trace *trace)
{
    for (struct import_ring *ring = trace->rings, *next; ring; ring = next) {
        next = ring->next;
        free(ring->words);
        free(ring);
    }
    for (struct import_process *process = trace->processes, *next; process; process = next) {
        next = process->next;
        free(process);
    }
    for (uint32_t i = 0; i < trace->types_made; i++) {
        const struct evtrail_event_type *const type = trace->types[i];
        for (unsigned f = 0; type && f < type->fields_count; f++) {
            free((void *)type->fields[f].name);
            free((void *)type->fields[f].enums);
        }
        if (type) {
            free((void *)type->fields);
            free((void *)type->name);
        }
        free((void *)type);
    }
    free(trace->types);
    for (struct tsdl_stream *stream = trace->tsdl.streams; stream; stream = stream->next)
        for (struct tsdl_event *event = stream->events; event; event = event->next)
            free(event->owner);
    tsdl_free(&trace->tsdl);
    free(trace->owned);
    free(trace);
}
