/* SPDX-License-Identifier: ISC
 *
 * Configuration files: sections of `key = value` lines. That of evtrail top, for example:
 *
 *     [general]            # interval, memory, mouse, ascii, colors, view
 *     interval = 250ms
 *     [keys]
 *     quit = q Q
 *     [columns]
 *     types = name count rate
 *     [warnings]
 *     open-span.threshold = 10s
 *     [filters]
 *     slow = dur > 10ms
 *     [view pool]          # a view of one's own: entities by class
 *     entities = pool.name pool.address pool.conn
 *
 * which is found at --config, else $XDG_CONFIG_HOME/evtrail/top.conf, else ~/.config/evtrail/top.conf.
 */
#ifndef EVTRAIL_CONSUMERS_CONFIG_H
#define EVTRAIL_CONSUMERS_CONFIG_H

#include <stddef.h>

struct config;
/* path NULL: the default place, where it may be absent. Faults are told with path and line in *ret_error (owned). -ENOENT, -EINVAL, -ENOMEM,
 * -E2BIG (more than 256 KiB). */
int config_load(struct config **ret_config, const char *path, char **ret_error);
void config_free(struct config *config);
/* NULL: not set. config may be NULL. */
const char *config_get(const struct config *config, const char *section, const char *key);
/* The i-th key of a section, or NULL behind the last; and the i-th section. */
const char *config_key(const struct config *config, const char *section, size_t index, const char **ret_value);
const char *config_section(const struct config *config, size_t index);
/* "PATH:LINE" of a key, for messages about its value. */
const char *config_place(const struct config *config, const char *section, const char *key);

#endif /* EVTRAIL_CONSUMERS_CONFIG_H */
