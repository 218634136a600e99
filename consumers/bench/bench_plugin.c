/* SPDX-License-Identifier: ISC
 *
 * evtrail bench: a plugin that is loaded with dlopen() and emits through the shared library.
 */
#include <evtrail/trace.h>

__attribute__((visibility("default"))) void evtrail_bench_plugin(uint64_t count);

void evtrail_bench_plugin(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        EVTRAIL(info, "bench.plugin", i);
        __asm__ volatile("" ::: "memory");
    }
}
