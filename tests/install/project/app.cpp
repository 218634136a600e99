/* SPDX-License-Identifier: ISC
 * The same events as app.c, out of C++: in a template, too. */
#include <cstdio>

#include <evtrail/evtrail.h>

#include "shelf.h"

extern "C" int parts_make(int count);

template <typename T> static void start(const char *standard, int argc, T half)
{
    const unsigned char raw[] = {1, 2, 3};
    EVTRAIL(info, "app.start", standard, argc, half, EVTRAIL_AS(raw, evtrail_bytes(raw, sizeof(raw))));
}

int main(int argc, char **argv)
{
    start(argc > 1 ? argv[1] : nullptr, argc, 0.5);
    for (int i = 0; i < 3; i++)
        shelf_trace_put("box", 100u + static_cast<unsigned>(i), i % 2);
    shelf_trace_level(0.75);
    EVTRAIL(error, "app.nothing");
    std::printf("%s %d\n", EVTRAIL_VERSION, parts_make(4));
    return 0;
}
