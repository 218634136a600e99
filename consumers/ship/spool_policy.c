/* SPDX-License-Identifier: ISC
 *
 * What is dropped when the spool is full, per level: "error=block,debug=drop-newest".
 */
#include "ship/spool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const levels[SPOOL_LEVELS] = {NULL, "critical", "error", "warning", "info", "debug", "trace"};

static int policy_of(const char *word, size_t bytes)
{
    static const char *const names[] = {"block", "drop-oldest", "drop-newest"};
    for (int i = 0; i < 3; i++)
        if (strlen(names[i]) == bytes && memcmp(names[i], word, bytes) == 0)
            return i;
    return -EINVAL;
}

static int level_of(const char *word, size_t bytes)
{
    for (int i = 1; i < SPOOL_LEVELS; i++)
        if (strlen(levels[i]) == bytes && memcmp(levels[i], word, bytes) == 0)
            return i;
    return bytes == 5 && memcmp(word, "fatal", 5) == 0 ? 1 : -EINVAL; /* as it was called here */
}

static int complain(char **ret_error, const char *word, size_t bytes, const char *what)
{
    if (ret_error && asprintf(ret_error, "'%.*s': %s", (int)bytes, word, what) < 0)
        *ret_error = NULL;
    return -EINVAL;
}

static int word_take(const char *word, size_t bytes, int named[SPOOL_LEVELS], int *rest, char **ret_error)
{
    const char *const equals = memchr(word, '=', bytes);
    const size_t left = equals ? (size_t)(equals - word) : 0;
    const char *const right = equals ? equals + 1 : word;
    const int policy = policy_of(right, bytes - (size_t)(right - word));
    const int level = equals ? level_of(word, left) : 0;
    if (policy < 0)
        return complain(ret_error, word, bytes, "want block, drop-oldest or drop-newest, or LEVEL=one of them");
    if (level < 0)
        return complain(ret_error, word, bytes, "no such level; critical, error, warning, info, debug, trace are");
    if (!equals && *rest >= 0)
        return complain(ret_error, word, bytes, "a second policy for all other levels");
    if (equals && named[level] >= 0)
        return complain(ret_error, word, bytes, "this level is named twice");
    if (equals)
        named[level] = policy;
    else
        *rest = policy;
    return 0;
}

int spool_policies_parse(const char *text, uint8_t ret_policies[SPOOL_LEVELS], char **ret_error)
{
    int named[SPOOL_LEVELS] = {-1, -1, -1, -1, -1, -1, -1}, rest = -1;
    for (const char *at = text; *at;) {
        const size_t bytes = strcspn(at, ", ");
        const int r = bytes ? word_take(at, bytes, named, &rest, ret_error) : 0;
        if (r < 0)
            return r;
        at += bytes + (at[bytes] != '\0');
    }
    int policy = rest >= 0 ? rest : SPOOL_block;
    for (int level = 1; level < SPOOL_LEVELS; level++) { /* from the most severe on */
        if (named[level] >= 0)
            policy = named[level];
        ret_policies[level] = (uint8_t)(named[level] < 0 && rest >= 0 ? rest : policy);
    }
    ret_policies[0] = (uint8_t)(rest >= 0 ? rest : SPOOL_block);
    return 0;
}
