/* SPDX-License-Identifier: ISC
 *
 * evtrail bench: becomes the program evtrail-bench (consumers/bench/), for this command itself is not traced.
 */
#include "cli.h"
#include "program.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int run_bench(const struct args *args)
{
    char path[512], self[512];
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    char **const argv = calloc((size_t)args->operands_count + 2, sizeof *argv);
    if (!argv)
        return fail(CODE_system, NULL, "out of memory");
    argv[0] = self;
    for (int i = 0; i < args->operands_count; i++)
        argv[i + 1] = args->operands[i];
    if (program_file("evtrail-bench", path, sizeof path))
        execv(path, argv);
    else
        errno = ENOENT;
    free(argv);
    return fail(CODE_missing, "evtrail-bench", "%s; it is installed in libdir/evtrail", strerror(errno));
}
