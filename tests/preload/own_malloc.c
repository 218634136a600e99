/* SPDX-License-Identifier: ISC
 *
 * A program that brings an allocator of its own, as one linked with jemalloc does: its malloc() comes before any
 * preloaded one, and what the C library allocates comes from it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC visibility push(default)

static _Alignas(64) char memory[32 << 20];
static size_t taken;

void *malloc(size_t size)
{
    size_t bytes = (size + 31) & ~(size_t)15, start = __atomic_fetch_add(&taken, bytes, __ATOMIC_RELAXED);
    if (size > sizeof(memory) || start + bytes > sizeof(memory))
        return NULL;
    memcpy(memory + start, &size, sizeof(size));
    return memory + start + 16;
}

void free(void *address)
{
    if (address && ((char *)address < memory || (char *)address >= memory + sizeof(memory)))
        abort(); /* not ours */
}

void *calloc(size_t count, size_t size)
{
    return malloc(count * size);
}

void *realloc(void *old, size_t size)
{
    void *new = malloc(size);
    size_t before = 0;
    if (old)
        memcpy(&before, (char *)old - 16, sizeof(before));
    if (new &&old)
        memcpy(new, old, before < size ? before : size);
    free(old);
    return new;
}

int main(void)
{
    char *line = NULL, *copy = strdup("copied");
    int *numbers = reallocarray(NULL, 100, sizeof(int)); /* the C library's, on our malloc */
    numbers = reallocarray(numbers, 200, sizeof(int));
    if (asprintf(&line, "%s %d", copy, 42) < 0 || !numbers)
        return 1;
    puts(line);
    free(numbers);
    free(line);
    free(copy);
    return 5;
}
