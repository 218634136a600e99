/* SPDX-License-Identifier: ISC
 *
 * What a message holds: its length, who sent it, its number, and then words that follow from these and the seed, so that an answer of
 * another message, cut or shifted, is seen.
 */
#include "load.h"

#include <string.h>

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t mix(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

void message_fill(void *message, uint32_t bytes, uint64_t seed, unsigned client, uint64_t sequence)
{
    const uint64_t head[3] = {bytes, client, sequence};
    uint64_t state = seed ^ (uint64_t)client << 40 ^ sequence;
    unsigned char *const to = message;
    uint32_t at = sizeof head;
    memcpy(to, head, sizeof head);
    for (; at + 8 <= bytes; at += 8) {
        const uint64_t word = mix(&state);
        memcpy(to + at, &word, 8);
    }
    const uint64_t word = mix(&state);
    memcpy(to + at, &word, bytes - at);
}
