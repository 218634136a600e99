/* SPDX-License-Identifier: ISC
 *
 * Sources that are collectors.
 */
#include "remote.h"

#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { REMOTES_MAX = 16 };

static remote_opener *opener;
static void (*closer)(void);
static int fds[REMOTES_MAX];
static unsigned fds_count;

bool remote_is(const char *name)
{
    return strncmp(name, "collector", 9) == 0 &&
           (strncmp(name + 9, "://", 3) == 0 || (name[9] == '+' && strstr(name, "://")));
}

void remote_register(remote_opener *open_call, void (*close_all)(void))
{
    opener = open_call;
    closer = close_all;
}

static void say(const char *name, const char *line)
{
    warn(name, "%s", line);
}

int remote_open(const char *name, char *ret_path, size_t bytes, char **ret_error)
{
    *ret_error = NULL;
    if (!opener || fds_count == REMOTES_MAX) {
        const char *const why =
            opener ? "too many collectors at once" : "this evtrail was built without what connects to collectors";
        if (asprintf(ret_error, "%s: %s", name, why) < 0)
            *ret_error = NULL;
        return opener ? -EMFILE : -EOPNOTSUPP;
    }
    const int r = opener(name, say, &fds[fds_count], ret_error);
    if (r < 0)
        return r;
    snprintf(ret_path, bytes, "/proc/self/fd/%d", fds[fds_count++]);
    return 0;
}

void remote_close_all(void)
{
    while (fds_count)
        close(fds[--fds_count]);
    if (closer)
        closer();
}
