/* SPDX-License-Identifier: ISC
 *
 * The sender's side of the protocol.
 */
#include "ship/sender.h"

#include <errno.h>

int ship_sender_new(struct ship_sender **ret_sender, const struct ship_sender_options *options,
                    const struct ship_sender_calls *calls, void *context)
{
    return -ENOSYS; /* to come */
}
