/* SPDX-License-Identifier: ISC
 *
 * A connection to a collector as a pipe that a trace file comes out of: what `evtrail cat|top|stat|record collector://HOST[:PORT]` read.
 *
 * It has a thread and a loop of its own, and connects again when the connection is lost. What the reader of the pipe is too slow for is left
 * out by the collector, and counted in the trace.
 */
#ifndef EVTRAIL_CONSUMERS_SHIP_VIEWER_H
#define EVTRAIL_CONSUMERS_SHIP_VIEWER_H

/* "collector://HOST[:PORT][?KEY=VALUE&...]", "collector+tls://", "collector+tcp://", "collector://unix:/PATH". Keys: ca, cert, key, psk (files), psk-id, name (the
 * collector's certificate must be for it), host, program (patterns: whose traces), insecure (plain text off loopback). Waits until the collector has
 * agreed. *ret_fd is the pipe's end to read, the caller's to close. As remote_opener. */
int viewer_open(const char *name, void (*say)(const char *name, const char *line), int *ret_fd, char **ret_error);
/* Ends all of them. */
void viewer_close_all(void);

#endif /* EVTRAIL_CONSUMERS_SHIP_VIEWER_H */
