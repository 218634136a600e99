/* SPDX-License-Identifier: ISC
 *
 * Batch contents: 2 bytes of words count, then the content. What decodes must encode to something that decodes to
 * the same.
 */
#include "file/codec.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void again(struct evtrail_encoder *encoder, struct evtrail_decoder *decoder, const uint64_t *words, size_t count)
{
    struct evtrail_encoded encoded;
    const struct evtrail_batch_view *view;
    const char *what;
    uint64_t *copy = malloc(count * 8 + 1);
    memcpy(copy, words, count * 8);
    if (evtrail_encode(encoder, copy, count, 7, &encoded) < 0 ||
        evtrail_decode_view(decoder, encoded.content, encoded.content_bytes, count, 7, &view, &what) < 0 ||
        memcmp(evtrail_decode_words(decoder), copy, count * 8) != 0)
        abort();
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct evtrail_encoder *encoder;
    static struct evtrail_decoder *decoder;
    const struct evtrail_batch_view *view;
    const char *what;
    uint16_t words;
    if ((!encoder && evtrail_encoder_new(&encoder) < 0) || (!decoder && evtrail_decoder_new(&decoder) < 0) || size < 2)
        return 0;
    memcpy(&words, data, 2);
    uint8_t *content = malloc(size - 2 + 1); /* of its own: reads behind it are found */
    memcpy(content, data + 2, size - 2);
    if (evtrail_decode_view(decoder, content, size - 2, words, 7, &view, &what) == 0) {
        uint64_t *column = malloc(8 * (size_t)(words + 1));
        const uint64_t *ticks;
        for (uint32_t s = 0; s < view->shapes_count; s++)
            for (uint32_t w = 0; w < view->shapes[s].words; w++)
                evtrail_batch_column(view, s, w, column);
        evtrail_batch_ticks(view, 255, &ticks);
        free(column);
        again(encoder, decoder, evtrail_decode_words(decoder), words);
    }
    free(content);
    return 0;
}
