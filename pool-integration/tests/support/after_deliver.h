/* SPDX-License-Identifier: ISC
 *
 * What a test wants to happen right after the pool has answered a request, before whoever answered it goes on: it stands where another
 * thread may have been served, and have given the connection back. By the linker's --wrap.
 */
#ifndef EVPOOL_TESTS_AFTER_DELIVER_H
#define EVPOOL_TESTS_AFTER_DELIVER_H

extern void (*_Atomic after_deliver)(void); /* in the thread that answers; NULL: nothing */

#endif /* EVPOOL_TESTS_AFTER_DELIVER_H */
