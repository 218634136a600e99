/* SPDX-License-Identifier: ISC
 *
 * Prints the numbers of OCaml's runtime events as the reader has them for the version of an OCaml program: tables PROGRAM.
 */
#include "reader/ocaml_names.h"

#include <stdio.h>

enum { NUMBERS = 128 };

int main(int argc, char **argv)
{
    char version[64];
    const char *name, *unit;
    if (argc != 2)
        return 2;
    evtrail_ocaml_version_find(argv[1], version, sizeof(version));
    const enum evtrail_ocaml_release release = evtrail_ocaml_release_of(version);
    printf("version %s\n", version);
    for (unsigned id = 0; id < NUMBERS; id++)
        if ((name = evtrail_ocaml_lifecycle_name(id)))
            printf("lifecycle %u %s\n", id, name);
    for (unsigned id = 0; id < NUMBERS; id++)
        if ((name = evtrail_ocaml_phase_name(release, id)))
            printf("phase %u %s\n", id, name);
    for (unsigned id = 0; id < NUMBERS; id++)
        if ((name = evtrail_ocaml_counter_name(release, id, &unit)))
            printf("counter %u %s\n", id, name);
    return 0;
}
