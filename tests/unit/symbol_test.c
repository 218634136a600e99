/* SPDX-License-Identifier: ISC
 *
 * Code addresses to functions, by ELF files that may be anything.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <evtrail/format.h>

#include "reader/elf_symbols.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

int the_function_that_is_looked_up(int x);
__attribute__((noinline, noclone)) int the_function_that_is_looked_up(int x)
{
    __asm__ volatile("");
    return x + 1;
}

struct place {
    uintptr_t address;
    struct evtrail_module module;
    char build_id[128];
};

static void take_build_id(struct place *place, const struct dl_phdr_info *info, const ElfW(Phdr) * segment)
{
    const char *at = (const char *)(info->dlpi_addr + segment->p_vaddr), *end = at + segment->p_memsz;
    while (at + sizeof(ElfW(Nhdr)) <= end) {
        const ElfW(Nhdr) *note = (const void *)at;
        const unsigned char *id = (const unsigned char *)at + sizeof(*note) + (note->n_namesz + 3) / 4 * 4;
        if (note->n_type == 3 && note->n_descsz < 60)
            for (unsigned i = 0; i < note->n_descsz; i++)
                sprintf(place->build_id + 2 * i, "%02x", id[i]);
        at = (const char *)id + (note->n_descsz + 3) / 4 * 4;
    }
}

/* The first object is the program itself. */
static int find_place(struct dl_phdr_info *info, size_t size, void *context)
{
    struct place *place = context;
    (void)size;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        const uintptr_t start = info->dlpi_addr + segment->p_vaddr;
        if (segment->p_type == PT_NOTE)
            take_build_id(place, info, segment);
        if (segment->p_type != PT_LOAD || place->address < start || place->address >= start + segment->p_memsz)
            continue;
        place->module =
            (struct evtrail_module){.start = start, .end = start + segment->p_memsz, .offset = segment->p_offset};
    }
    return 1;
}

static struct place place_of(void *function)
{
    static char path[512];
    struct place place = {.address = (uintptr_t)function};
    dl_iterate_phdr(find_place, &place);
    const ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    path[n > 0 ? n : 0] = '\0';
    place.module.path = path;
    return place;
}

static void name__own_function__found_by_build_id(void **state)
{
    (void)state;
    char text[256];
    struct place place = place_of((void *)(uintptr_t)the_function_that_is_looked_up);
    if (!place.build_id[0])
        skip(); /* linked without */
    place.module.build_id = place.build_id;
    const struct evtrail_source source = {.modules_count = 1, .modules = &place.module};
    const size_t bytes = evtrail_symbol_name(&source, place.address, false, text, sizeof(text) - 1);
    text[bytes] = '\0';
    assert_string_equal(text, "the_function_that_is_looked_up+0x0");
}

static void name__other_build_id__only_the_module(void **state)
{
    (void)state;
    char text[256];
    struct place place = place_of((void *)(uintptr_t)the_function_that_is_looked_up);
    place.module.build_id = "0123456789abcdef0123456789abcdef01234567";
    const struct evtrail_source source = {.modules_count = 1, .modules = &place.module};
    const size_t bytes = evtrail_symbol_name(&source, place.address, true, text, sizeof(text) - 1);
    text[bytes] = '\0';
    assert_non_null(strstr(text, "symbol_test+0x"));
}

static void name__no_module__the_address(void **state)
{
    (void)state;
    char text[64];
    const struct evtrail_source source = {0};
    const size_t bytes = evtrail_symbol_name(&source, 0x1234, false, text, sizeof(text) - 1);
    text[bytes] = '\0';
    assert_string_equal(text, "0x1234");
    assert_int_equal(evtrail_symbol_name(&source, 0x1234, false, NULL, 0), 6);
}

/* Our own program, cut short and with bytes changed: refused or read, never a crash. */
static void open__damaged_files__bounded(void **state)
{
    (void)state;
    enum { HEAD = 1 << 16 };
    char path[] = "/tmp/evtrail-elf-XXXXXX";
    static unsigned char bytes[HEAD], copy[HEAD];
    const int self = open("/proc/self/exe", O_RDONLY), file = mkstemp(path);
    const ssize_t n = read(self, bytes, HEAD);
    assert_true(n > 1000 && file >= 0);
    srand(3);
    for (unsigned i = 0; i < 3000; i++) {
        struct evtrail_elf *elf;
        uint64_t into;
        const size_t length = i % 3 ? (size_t)n : (size_t)rand() % (size_t)n;
        memcpy(copy, bytes, length);
        for (unsigned j = 0; j < 3 && length > 0; j++)
            copy[(size_t)rand() % (i % 2 ? 512 : length) % length] = (unsigned char)rand();
        assert_int_equal(ftruncate(file, 0), 0);
        assert_int_equal(pwrite(file, copy, length, 0), (ssize_t)length);
        if (evtrail_elf_open(&elf, path, "") < 0)
            continue;
        for (uint64_t offset = 0; offset < 100000; offset += 997) {
            const char *name = evtrail_elf_function(elf, offset, &into);
            assert_true(!name || strlen(name) > 0);
        }
        evtrail_elf_close(elf);
    }
    close(self);
    close(file);
    unlink(path);
}

static long resident_kib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

/* A trace may name any file. This one is a hole, or says that its symbols are one. */
static void open__three_gibibytes_of_nothing__costs_no_memory(void **state)
{
    (void)state;
    char path[] = "/tmp/evtrail-elf-XXXXXX";
    const uint64_t hole = UINT64_C(3) << 30;
    const int file = mkstemp(path);
    struct evtrail_elf *elf;
    Elf64_Ehdr header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB},
                         .e_phentsize = sizeof(Elf64_Phdr),
                         .e_shentsize = sizeof(Elf64_Shdr),
                         .e_shoff = sizeof(header),
                         .e_shnum = 1};
    const Elf64_Shdr symbols = {.sh_type = SHT_SYMTAB, .sh_offset = 4096, .sh_size = hole - 4096};
    const long before = resident_kib();
    assert_true(file >= 0);
    assert_int_equal(ftruncate(file, (off_t)hole), 0);
    assert_int_equal(evtrail_elf_open(&elf, path, ""), -EBADMSG);
    assert_int_equal(pwrite(file, &header, sizeof(header), 0), sizeof(header));
    assert_int_equal(pwrite(file, &symbols, sizeof(symbols), sizeof(header)), sizeof(symbols));
    assert_int_equal(evtrail_elf_open(&elf, path, ""), -EBADMSG);
    assert_true(resident_kib() - before < 64 << 10);
    close(file);
    unlink(path);
}

static void open__relative_path__refused(void **state)
{
    (void)state;
    struct evtrail_elf *elf;
    assert_int_equal(evtrail_elf_open(&elf, "@proc/self/exe", ""), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(name__own_function__found_by_build_id),
        cmocka_unit_test(name__other_build_id__only_the_module),
        cmocka_unit_test(name__no_module__the_address),
        cmocka_unit_test(open__damaged_files__bounded),
        cmocka_unit_test(open__three_gibibytes_of_nothing__costs_no_memory),
        cmocka_unit_test(open__relative_path__refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
