/* SPDX-License-Identifier: ISC
 *
 * Writes into an OCaml ring what Runtime_events.User.write would: docs/ocaml-binding.md has the layout and why not that function.
 *
 * The file is mapped by ourselves, so that nothing that OCaml unmaps (at exit, after fork) is touched; a forked child has no
 * such mapping and, its page of knowledge wiped by the kernel, looks for its own file.
 */
#include "ocaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define DOMAINS_MAX 4096

struct ring_header {
    _Atomic uint64_t head, tail; /* words ever, not wrapped */
};

struct metadata {
    uint64_t version, max_domains, ring_header_bytes, ring_bytes, ring_words, headers_offset, data_offset, names_offset;
};

/* In a page of its own that the kernel wipes in a forked child. */
struct file {
    uint8_t *_Atomic base; /* NULL: not mapped (yet) */
    uint64_t headers_offset, header_bytes, data_offset, ring_bytes, ring_words, max_domains;
    _Atomic uint32_t misses; /* looked for and not found: again at the 1st, 2nd, 4th, ... event */
    _Atomic uint32_t looking;
    _Atomic uint32_t process; /* its id: known again in each process */
};
static struct file *file;

__attribute__((constructor(103))) static void make_page(void)
{
    void *map = mmap(NULL, sizeof(struct file), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return;
    if (madvise(map, sizeof(struct file), MADV_WIPEONFORK) == 0)
        file = map;
    else
        munmap(map, sizeof(struct file));
}

uint64_t ocaml_monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now); /* as caml_time_counter() */
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint32_t process_id(void)
{
    uint32_t id = file ? atomic_load_explicit(&file->process, memory_order_relaxed) : 0;
    if (!id) {
        id = (uint32_t)getpid();
        if (file)
            atomic_store_explicit(&file->process, id, memory_order_relaxed);
    }
    return id;
}

uint32_t ocaml_thread_id(void)
{
    static __thread uint32_t thread, process;
    if (process != process_id()) {
        thread = (uint32_t)syscall(SYS_gettid);
        process = process_id();
    }
    return thread;
}

/* ---- finding and mapping it ---- */

/* Whether a line of /proc/self/maps is OCaml's mapping of this process's ring file: "start-end rw-s offset dev inode path". */
static bool is_ring_file(char *line, char **ret_path, unsigned long *ret_inode)
{
    char name[32], *path = strchr(line, '/'), *end = strchr(line, '\n');
    unsigned long inode;
    if (!path || !end || sscanf(line, "%*x-%*x rw-s %*x %*s %lu", &inode) != 1)
        return false;
    *end = '\0';
    snprintf(name, sizeof(name), "/%u.events", process_id());
    const size_t bytes = strlen(path), wanted = strlen(name);
    if (bytes < wanted || strcmp(path + bytes - wanted, name) != 0)
        return false;
    *ret_path = path;
    *ret_inode = inode;
    return true;
}

static bool layout_known(const struct metadata *m, uint64_t file_bytes)
{
    const uint64_t headers = m->max_domains * m->ring_header_bytes, data = m->max_domains * m->ring_bytes;
    return m->version == 1 && m->max_domains >= 1 && m->max_domains <= DOMAINS_MAX &&
           m->ring_header_bytes >= sizeof(struct ring_header) && m->ring_header_bytes <= 4096 &&
           m->ring_header_bytes % 8 == 0 && m->ring_words >= 16 && m->ring_words <= UINT64_C(1) << 30 &&
           (m->ring_words & (m->ring_words - 1)) == 0 && m->ring_bytes == m->ring_words * 8 &&
           m->headers_offset == sizeof(*m) && m->data_offset == m->headers_offset + headers &&
           m->names_offset == m->data_offset + data && m->names_offset <= file_bytes;
}

static bool map_file(const char *path, unsigned long inode)
{
    struct metadata metadata;
    struct stat status;
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    uint8_t *base = MAP_FAILED;
    if (fstat(fd, &status) == 0 && status.st_ino == inode &&
        pread(fd, &metadata, sizeof(metadata), 0) == sizeof(metadata) &&
        layout_known(&metadata, (uint64_t)status.st_size))
        base = mmap(NULL, metadata.names_offset, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (base == MAP_FAILED)
        return false;
    madvise(base, metadata.names_offset, MADV_DONTFORK);
    file->headers_offset = metadata.headers_offset;
    file->header_bytes = metadata.ring_header_bytes;
    file->data_offset = metadata.data_offset;
    file->ring_bytes = metadata.ring_bytes;
    file->ring_words = metadata.ring_words;
    file->max_domains = metadata.max_domains;
    /* O3 (release): the numbers before the base; pairs with O4. */
    atomic_store_explicit(&file->base, base, memory_order_release);
    return true;
}

/* No stdio: this may be in a thread with little stack or memory, and after fork. Lines longer than the buffer are no ring's. */
static bool look_in_maps(void)
{
    static char text[8192]; /* whoever is `looking` has it */
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    size_t used = 0;
    bool found = false;
    if (fd < 0)
        return false;
    while (!found) {
        ssize_t got = read(fd, text + used, sizeof(text) - 1 - used);
        if (got <= 0)
            break;
        used += (size_t)got;
        text[used] = '\0';
        char *line = text, *end, *path;
        unsigned long inode;
        for (; !found && (end = strchr(line, '\n')); line = end + 1)
            found = is_ring_file(line, &path, &inode) && map_file(path, inode);
        used -= (size_t)(line - text);
        memmove(text, line, used);
        if (used == sizeof(text) - 1)
            used = 0;
    }
    close(fd);
    return found;
}

static bool find_file(void)
{
    /* O7: one thread at a time looks, the exchange pairs with its release below. */
    uint32_t misses = atomic_fetch_add_explicit(&file->misses, 1, memory_order_relaxed);
    if ((misses & (misses + 1)) != 0 || atomic_exchange_explicit(&file->looking, 1, memory_order_acquire))
        return false;
    int saved = errno;
    bool found = atomic_load_explicit(&file->base, memory_order_acquire) || look_in_maps(); /* O4 */
    errno = saved;
    atomic_store_explicit(&file->looking, 0, memory_order_release); /* O7 */
    return found;
}

/* ---- writing ---- */

static _Atomic uint64_t written[DOMAINS_MAX]; /* of each domain, by whoever holds its lock */

uint64_t ocaml_ring_written(void)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < DOMAINS_MAX; i++)
        sum += atomic_load_explicit(&written[i], memory_order_relaxed);
    return sum;
}

static uint64_t item_header(enum ocaml_as as, unsigned event, uint64_t words)
{
    static const uint8_t types[] = {[AS_UNIT] = 0, [AS_INT] = 1, [AS_BEGIN] = 2, [AS_END] = 3, [AS_BYTES] = 4};
    return words << 54 | UINT64_C(1) << 53 | (uint64_t)types[as] << 49 | (uint64_t)event << 36;
}

static uint64_t load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static void store(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELAXED); /* a reader may copy it meanwhile, and looks at the head again */
}

/* The oldest items go until `words` more fit. As OCaml's write_to_ring(), which the stock reader's protocol is made for: the head is
 * stored before the words that it gives up change. Only this thread writes here: it holds the domain's lock. */
static bool make_room(struct ring_header *ring, const uint64_t *data, uint64_t ring_words, uint64_t tail,
                      uint64_t words)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    if (tail + words - head < ring_words)
        return true;
    while (tail + words - head >= ring_words) {
        const uint64_t length = load(&data[head & (ring_words - 1)]) >> 54;
        if (length == 0 || length > tail - head)
            return false; /* not as OCaml leaves it */
        head += length;
        atomic_store_explicit(&ring->head, head,
                              memory_order_release); /* as OCaml's; O5 is what holds the words back */
    }
    /* O5 (release fence): the head before the words; pairs with the reader's fence between its copy and its second look at the
     * head. Without it a reader on ARM takes our words for the old item's. */
    atomic_thread_fence(memory_order_release);
    return true;
}

/* A domain's ring, as a thread has found it: good while the thread has the same domain's lock and the file is the same. */
struct known {
    const void *domain;
    const uint8_t *base;
    struct ring_header *ring;
    uint64_t *data;
    uint64_t words;
    _Atomic uint64_t *written;
};

/* Out of line, as are others of these: what is seldom needed is not to have its registers saved at each event. */
COLD static enum ocaml_written find_ring(const void *domain, struct known *known)
{
    /* O4 (acquire) pairs with O3. */
    uint8_t *base = file ? atomic_load_explicit(&file->base, memory_order_acquire) : NULL;
    if (!base) {
        if (!file || !find_file())
            return UNMAPPED;
        base = atomic_load_explicit(&file->base, memory_order_acquire); /* O4 */
    }
    const unsigned index = ocaml_domain_index();
    if (index >= file->max_domains)
        return REFUSED;
    *known = (struct known){domain,
                            base,
                            (void *)(base + file->headers_offset + index * file->header_bytes),
                            (void *)(base + file->data_offset + index * file->ring_bytes),
                            file->ring_words,
                            &written[index]};
    return WRITTEN;
}

enum ocaml_written ocaml_ring_write(const void *domain, enum ocaml_as as, unsigned event, uint64_t now,
                                    const uint64_t *payload, uint32_t words)
{
    static __thread struct known known;
    /* Relaxed: this thread has seen O3's store before. */
    if (domain != known.domain || known.base != atomic_load_explicit(&file->base, memory_order_relaxed)) {
        enum ocaml_written found = find_ring(domain, &known);
        if (found != WRITTEN)
            return found;
    }
    const uint64_t length = words + 2, mask = known.words - 1;
    /* Half a ring and no more: OCaml's own writer never ends where an item and what is left before the end exceed the ring. */
    if (length > known.words / 2)
        return REFUSED;
    uint64_t tail = atomic_load_explicit(&known.ring->tail, memory_order_relaxed);
    const uint64_t to_end = known.words - (tail & mask), padding = to_end < length ? to_end : 0;
    if (padding + length >= known.words || !make_room(known.ring, known.data, known.words, tail, padding + length))
        return REFUSED;
    if (padding) {
        store(&known.data[tail & mask], padding << 54);
        tail += padding;
        atomic_store_explicit(&known.ring->tail, tail, memory_order_release); /* O6 */
    }
    uint64_t *to = &known.data[tail & mask];
    store(to++, item_header(as, event, length));
    store(to++, now);
    for (uint32_t i = 0; i < words; i++)
        store(to++, payload[i]);
    /* O6 (release): the item is whole before it counts; pairs with the reader's load of the tail. */
    atomic_store_explicit(&known.ring->tail, tail + length, memory_order_release);
    atomic_store_explicit(known.written, atomic_load_explicit(known.written, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    return WRITTEN;
}
