/* SPDX-License-Identifier: ISC
 *
 * The collector's side of the protocol.
 */
#include "ship/receiver.h"

#include <errno.h>

int ship_receiver_new(struct ship_receiver **ret_receiver, const struct ship_receiver_options *options,
                      const struct ship_receiver_calls *calls, void *context)
{
    return -ENOSYS; /* to come */
}
