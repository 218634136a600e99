/* SPDX-License-Identifier: ISC
 *
 * Defines the events of libc.def, once.
 */
#define EVTRAIL_CATALOGUE_DEFINE
#include "preload.h"
