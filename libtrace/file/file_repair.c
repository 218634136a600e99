/* SPDX-License-Identifier: ISC
 *
 * A damaged or unclosed file becomes a clean one: its intact batches, its sources and clocks, and a new index.
 */
#include <evtrail/file.h>

int evtrail_file_repair(const char *path, const char *output, const struct evtrail_file_copy_options *options,
                        struct evtrail_file_stats *ret_stats, char **ret_error)
{
    return evtrail_file_copy(&path, 1, output, options, ret_stats, ret_error);
}
