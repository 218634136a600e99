/* SPDX-License-Identifier: ISC
 *
 * The proxy that fails, as a program for scripts. Usage: ship_fault_proxy HOST PORT. It prints its own port, then takes lines on standard input:
 *
 *     none                          all passes
 *     delay MS                      each byte comes so much later
 *     hold                          nothing passes, nothing is lost, until another line
 *     refuse                        new connections are closed
 *     cut close|reset|hang [up=BYTES] [down=BYTES]   connections are cut when so many bytes have passed; without numbers at once
 *     target PORT                   where new connections go
 *     figures                       prints "connections N up N down N cuts N open N"
 *
 * and answers each with "ok". It ends with its input.
 */
#include "proxy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t number_after(const char *line, const char *name)
{
    const char *found = strstr(line, name);
    return found ? strtoull(found + strlen(name), NULL, 10) : 0;
}

static bool cut(struct proxy *proxy, const char *line)
{
    struct proxy_fault fault = {.cut_up_bytes = number_after(line, "up="),
                                .cut_down_bytes = number_after(line, "down=")};
    fault.cut = strncmp(line, "close", 5) == 0   ? PROXY_CUT_close
                : strncmp(line, "reset", 5) == 0 ? PROXY_CUT_reset
                : strncmp(line, "hang", 4) == 0  ? PROXY_CUT_hang
                                                 : PROXY_CUT_none;
    proxy_set(proxy, fault);
    return fault.cut != PROXY_CUT_none;
}

static bool obey(struct proxy *proxy, const char *line)
{
    struct proxy_figures figures;
    if (strcmp(line, "none") == 0)
        proxy_set(proxy, (struct proxy_fault){0});
    else if (strncmp(line, "delay ", 6) == 0)
        proxy_set(proxy, (struct proxy_fault){.delay_ms = (unsigned)atoi(line + 6)});
    else if (strcmp(line, "hold") == 0)
        proxy_set(proxy, (struct proxy_fault){.hold = true});
    else if (strcmp(line, "refuse") == 0)
        proxy_set(proxy, (struct proxy_fault){.refuse = true});
    else if (strncmp(line, "cut ", 4) == 0)
        return cut(proxy, line + 4);
    else if (strncmp(line, "target ", 7) == 0)
        proxy_retarget(proxy, (uint16_t)atoi(line + 7));
    else if (strcmp(line, "figures") == 0) {
        proxy_figures(proxy, &figures);
        printf("connections %llu up %llu down %llu cuts %u open %u\n", (unsigned long long)figures.connections,
               (unsigned long long)figures.up_bytes, (unsigned long long)figures.down_bytes, figures.cuts,
               figures.open);
    } else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    struct proxy *proxy = calloc(1, sizeof(*proxy));
    char line[200];
    if (argc != 3 || !proxy)
        return 2;
    proxy_start(proxy, argv[1], (uint16_t)atoi(argv[2]));
    printf("%u\n", proxy->port);
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = '\0';
        puts(obey(proxy, line) ? "ok" : "what?");
        fflush(stdout);
    }
    proxy_stop(proxy);
    free(proxy);
    return 0;
}
