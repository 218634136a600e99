/* SPDX-License-Identifier: ISC
 *
 * request_deliver() of the pool, and what a test wants after it.
 */
#include "after_deliver.h"

#include <stdatomic.h>
#include <stddef.h>

struct evpool_request;
void __real_request_deliver(struct evpool_request *request);
void __wrap_request_deliver(struct evpool_request *request);

void (*_Atomic after_deliver)(void);

void __wrap_request_deliver(struct evpool_request *request)
{
    void (*const then)(void) = atomic_load(&after_deliver);
    __real_request_deliver(request);
    if (then)
        then();
}
