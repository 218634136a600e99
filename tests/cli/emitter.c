/* SPDX-License-Identifier: ISC
 *
 * A traced program whose events have known answers, for the tests of the command line.
 *
 *     emitter [-n ROUNDS] [-x EXIT_CODE] [-k SIGNAL] [-l] [-s] [-c CHILDREN] [-u PAUSE_US]
 *
 * Each round makes five events: t.number (value, text), a span t.span, a counter t.level, an entity's state t.thing; every
 * hundredth also t.fault. -l goes on until SIGTERM; -s copies standard input to output; -c does the rounds in children too.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <evtrail/evtrail.h>

static volatile sig_atomic_t stopped;

static void on_stop(int number)
{
    (void)number;
    stopped = 1;
}

static void make_round(uint64_t i)
{
    char text[32];
    const uint64_t span = evtrail_span_id();
    snprintf(text, sizeof text, "n%llu", (unsigned long long)i);
    EVTRAIL(info, "t.number", EVTRAIL_AS(value, i), text);
    EVTRAIL_BEGIN(debug, "t.span", span, 0, i);
    EVTRAIL_COUNTER(debug, "t.level", EVTRAIL_UNIT(i, "widgets"));
    EVTRAIL_STATE(info, "t.thing", i % 10 + 1, 0, i % 2 ? "odd" : "even");
    EVTRAIL_END(debug, "t.span", span);
    if (i % 100 == 99)
        EVTRAIL(error, "t.fault", EVTRAIL_AS(code, i), EVTRAIL_AS(why, "it is the \"hundredth\"\n"));
}

static void make_rounds(uint64_t rounds, int forever, unsigned pause_us)
{
    for (uint64_t i = 0; (forever || i < rounds) && !stopped; i++) {
        make_round(i);
        if (pause_us)
            usleep(pause_us);
    }
}

static void copy_input(void)
{
    char buffer[4096];
    for (ssize_t n; (n = read(0, buffer, sizeof buffer)) > 0;)
        if (write(1, buffer, (size_t)n) != n)
            exit(99);
}

int main(int argc, char **argv)
{
    uint64_t rounds = 1000;
    int code = 0, number = 0, forever = 0, children = 0;
    unsigned pause_us = 0;
    signal(SIGTERM, on_stop);
    signal(SIGINT, on_stop);
    for (int option; (option = getopt(argc, argv, "n:x:k:lsc:u:")) != -1;) {
        switch (option) {
        case 'n':
            rounds = strtoull(optarg, NULL, 10);
            break;
        case 'x':
            code = atoi(optarg);
            break;
        case 'k':
            number = atoi(optarg);
            break;
        case 'l':
            forever = 1;
            break;
        case 's':
            copy_input();
            break;
        case 'c':
            children = atoi(optarg);
            break;
        case 'u':
            pause_us = (unsigned)atoi(optarg);
            break;
        default:
            return 2;
        }
    }
    for (int i = 0; i < children; i++)
        if (fork() == 0) {
            make_rounds(rounds, 0, pause_us);
            _exit(0);
        }
    make_rounds(rounds, forever, pause_us);
    while (children > 0 && wait(NULL) > 0)
        ;
    if (number) {
        signal(number, SIG_DFL);
        raise(number);
    }
    return code;
}
