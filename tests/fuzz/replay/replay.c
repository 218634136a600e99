/* SPDX-License-Identifier: ISC
 *
 * Stands in for libFuzzer where it is not: gives a fuzz target each file of the folders named, and every truncation of the
 * small ones.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TRUNCATED_MAX = 4096 };

/* The exact allocation lets a sanitizer see a read past the end. */
static void give(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static int replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return -errno;
    fseek(file, 0, SEEK_END);
    const long size = ftell(file);
    rewind(file);
    uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
    const int r = data && size >= 0 && fread(data, 1, (size_t)size, file) == (size_t)size ? 0 : -EIO;
    fclose(file);
    if (r == 0) {
        give(data, (size_t)size);
        for (long n = 0; size <= TRUNCATED_MAX && n < size; n++)
            give(data, (size_t)n);
    }
    free(data);
    return r;
}

static int replay_folder(const char *folder)
{
    DIR *entries = opendir(folder);
    if (!entries) {
        fprintf(stderr, "%s: no corpus\n", folder);
        return 1;
    }
    int faults = 0, count = 0;
    for (struct dirent *entry; (entry = readdir(entries));) {
        char path[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        faults += replay(path) < 0;
        count++;
    }
    closedir(entries);
    printf("%s: %d inputs, %d unreadable\n", folder, count, faults);
    return faults != 0 || count == 0;
}

int main(int argc, char **argv)
{
    int r = 0;
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-')
            r |= replay_folder(argv[i]);
    }
    return r;
}
