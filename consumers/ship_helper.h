/* SPDX-License-Identifier: ISC
 *
 * The program evtrail-ship (consumers/ship_program/), which has all that needs the network and OpenSSL: `evtrail send` and `collect` become it, and it is started for
 * each collector:// that is read. So no other subcommand loads them.
 */
#ifndef EVTRAIL_CONSUMERS_SHIP_HELPER_H
#define EVTRAIL_CONSUMERS_SHIP_HELPER_H

#include <stdint.h>

/* The command's own arguments, for who becomes it. */
void ship_helper_line(char **argv);
/* As remote_opener, and what ends all of them. */
int ship_helper_open(const char *name, void (*say)(const char *name, const char *line), int *ret_fd, char **ret_error);
void ship_helper_close_all(void);

/* `evtrail-ship view SUBCOMMAND NAME`, with a socket as this descriptor: it answers once, beside it the descriptor of the pipe if `result` is 0, and ends
 * when the socket's other end is closed. */
enum { SHIP_HELPER_SOCKET = 3 };
struct ship_helper_answer {
    int32_t result; /* 0 or a negative errno */
    char text[1000];
};

#endif /* EVTRAIL_CONSUMERS_SHIP_HELPER_H */
