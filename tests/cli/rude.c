/* SPDX-License-Identifier: ISC
 *
 * A traced program whose names are written for the terminal and the shell of whoever looks at it. Waits until stdin ends.
 */
#include <sys/prctl.h>
#include <unistd.h>

#include <evtrail/evtrail.h>

int main(void)
{
    char byte;
    prctl(PR_SET_NAME, "ru\033[31m\n1 x");
    EVTRAIL(info, "rude.\033]0;title\007", EVTRAIL_AS(a, 1));
    EVTRAIL(info, "rude.c1\302\233m", EVTRAIL_AS(b, 1));
    EVTRAIL(info, "rude.turned\342\200\256round", EVTRAIL_AS(c, "\342\200\256\302\233"));
    EVTRAIL(info, "rude.shell$(touch${IFS}here)", EVTRAIL_AS(d, 1));
    EVTRAIL(info, "rude.line\n:command", EVTRAIL_AS(e, 1));
    while (read(0, &byte, 1) > 0)
        ;
    return 0;
}
