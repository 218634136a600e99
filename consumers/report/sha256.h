/* SPDX-License-Identifier: ISC
 *
 * SHA-256 (FIPS 180-4), for the hashes of a content security policy.
 */
#ifndef EVTRAIL_CONSUMERS_SHA256_H
#define EVTRAIL_CONSUMERS_SHA256_H

#include <stddef.h>

void sha256(const void *bytes, size_t count, unsigned char ret_digest[32]);

#endif /* EVTRAIL_CONSUMERS_SHA256_H */
