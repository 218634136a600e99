/* SPDX-License-Identifier: ISC
 * The one file that defines the catalogue's events. */
#define EVTRAIL_CATALOGUE_DEFINE
#include "shelf.h"
