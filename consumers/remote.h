/* SPDX-License-Identifier: ISC
 *
 * Live traces from a collector as a source: collector://HOST[:PORT]. What connects is registered by the command, where it was built.
 */
#ifndef EVTRAIL_CONSUMERS_REMOTE_H
#define EVTRAIL_CONSUMERS_REMOTE_H

#include <stdbool.h>
#include <stddef.h>

/* Whether it is such a name: "collector://...", "collector+tls://...", "collector+tcp://...". */
bool remote_is(const char *name);
/* Connects; *ret_fd is a pipe that gives a trace file as it arrives, until remote_close_all(). `say` is called with a line when the connection
 * is lost and made again, from another thread. Returns 0 or a negative errno, *ret_error (owned) says what to do. */
typedef int remote_opener(const char *name, void (*say)(const char *name, const char *line), int *ret_fd, char **ret_error);
void remote_register(remote_opener *open, void (*close_all)(void));
/* The same, as a path that evtrail_reader_add_path() takes with the option `follow`. */
int remote_open(const char *name, char *ret_path, size_t bytes, char **ret_error);
/* After the reader was freed. */
void remote_close_all(void);

#endif /* EVTRAIL_CONSUMERS_REMOTE_H */
