/* SPDX-License-Identifier: ISC
 * Every way to make an event, in C. Takes the standard it was built for as its argument. */
#include <stdio.h>

#include <evtrail/evtrail.h>

#include "shelf.h"

int parts_make(int count);

int main(int argc, char **argv)
{
    const char *standard = argc > 1 ? argv[1] : NULL;
    const unsigned char raw[] = {1, 2, 3};
    const double half = 0.5;
    EVTRAIL(info, "app.start", standard, argc, half, EVTRAIL_AS(raw, evtrail_bytes(raw, sizeof(raw))));
    for (int i = 0; i < 3; i++)
        shelf_trace_put("box", 100u + (unsigned)i, i % 2);
    shelf_trace_level(0.75);
    EVTRAIL(error, "app.nothing");
    printf("%s %d\n", EVTRAIL_VERSION, parts_make(4));
    return 0;
}
