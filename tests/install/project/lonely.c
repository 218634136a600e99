/* SPDX-License-Identifier: ISC
 * A program that has never heard of evtrail; the library it uses has trace points. */
#include <stdio.h>

int parts_make(int count);

int main(void)
{
    printf("%d\n", parts_make(4));
    return 0;
}
