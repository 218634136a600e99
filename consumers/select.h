/* SPDX-License-Identifier: ISC
 *
 * The sessions that -p and --all name, for the subcommands that change or list sessions.
 */
#ifndef EVTRAIL_CONSUMERS_SELECT_H
#define EVTRAIL_CONSUMERS_SELECT_H

#include "cli.h"

#include <evtrail/reader.h>

/* Called for each; a nonzero return ends the walk and is the result. */
typedef int selected_fn(struct evtrail_session *session, const struct evtrail_session_info *info, void *context);

/* Sessions of living processes that -p names, or all with --all; with neither, an error. An exit code: 0, the first nonzero one of
 * `visit`, or CODE_missing, CODE_permission when a -p fits no session. */
int select_named(const struct args *args, selected_fn *visit, void *context);
/* All sessions, dead ones too. Those that cannot be read are skipped, with a warning if `args` is not NULL. */
int select_all(const struct args *args, const char *directory, selected_fn *visit, void *context);
/* Whether `name` is the session's pid, command or program (its last part). */
bool select_fits(const struct evtrail_session_info *info, const char *name);
/* Whether `path` is a file that `args` name to be read: an operand, -r, --against, or one of such a set. */
bool is_input(const struct args *args, const char *path);
const char *policy_name(unsigned policy);

#endif /* EVTRAIL_CONSUMERS_SELECT_H */
