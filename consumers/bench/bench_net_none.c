/* SPDX-License-Identifier: ISC
 *
 * evtrail bench without connections, which a build without the pool does not have.
 */
#include "bench.h"

void bench_net(struct bench *bench)
{
    if (bench_wants(bench, "net/plain"))
        bench_skip(bench, "net/plain", "left out of this build (EVTRAIL_POOL=OFF)");
    if (bench_wants(bench, "net/tls"))
        bench_skip(bench, "net/tls", "left out of this build (EVTRAIL_POOL=OFF)");
}
