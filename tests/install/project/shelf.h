/* SPDX-License-Identifier: ISC
 * A library's events, declared as a catalogue. */
#ifndef SHELF_H
#define SHELF_H

#define EVTRAIL_CATALOGUE "shelf.def"
#define EVTRAIL_PREFIX shelf_trace_
#include <evtrail/catalogue.h>

#endif
