/* SPDX-License-Identifier: ISC
 *
 * Requests as `evtrail web` reads them: whatever comes, looking at it stays in bounds, and what is passed on is text that it may believe.
 */
#include "../../consumers/web/access.c"
#include "../../consumers/web/request.c"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char token[TOKEN_DIGITS + 1] = "0123456789abcdef0123456789abcdef";
    struct request request;
    char *const bytes = malloc(size + 1); /* no more than that, for the sanitizer */
    if (!bytes || size > REQUEST_BYTES) {
        free(bytes);
        return 0;
    }
    memcpy(bytes, data, size);
    const size_t end = request_end(bytes, size);
    if (end > size)
        abort();
    if (end > 0 && request_parse(&request, bytes, end) == 0) {
        if (!request.host || request.path[0] != '/' || !is_token(request.method) || !is_printable(request.host))
            abort();
        if (token_given(token, &request) && !strstr(request.authorization, token))
            abort();
        (void)host_allowed(request.host, true);
        (void)host_allowed(request.host, false);
        (void)origin_allowed(&request);
        (void)request_number(&request, "after");
    }
    free(bytes);
    return 0;
}
