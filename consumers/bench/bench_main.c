/* SPDX-License-Identifier: ISC
 *
 * evtrail-bench: what `evtrail bench` runs; its own name (argv[0]) is the path of the evtrail command that it measures.
 */
#include "../cli.h"
#include "bench.h"

const char *bench_command;

int main(int argc, char **argv)
{
    bench_command = argv[0];
    program_part = "bench";
    const struct args args = {.operands = argv + 1, .operands_count = argc - 1};
    return run_bench(&args);
}
