/* SPDX-License-Identifier: ISC
 *
 * evtrail send: flags, and what a configuration file adds to them. The work is in ship/send_*.c.
 */
#include "cli.h"
#include "config.h"
#include "ship/send.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *option_name(size_t index, const void *context)
{
    const struct args *const args = context;
    return args->command->options[index] == OPTIONS ? NULL : option_specs[args->command->options[index]].name;
}

static int unknown_key(const struct args *args, const char *place, const char *key)
{
    size_t count = 0;
    while (args->command->options[count] != OPTIONS)
        count++;
    const char *const near = args_suggest(key, option_name, count, args);
    if (near)
        return fail(CODE_usage, place, "no setting %s; did you mean %s?", key, near);
    return fail(CODE_usage, place, "no setting %s; evtrail help send lists them: flags without their dashes", key);
}

/* What the file says and the command line does not. Texts stay in *ret_config. */
static int config_take(struct args *args, const char *path, struct config **ret_config)
{
    char *error = NULL;
    const int r = config_load(ret_config, path, &error);
    if (r < 0) {
        const int code =
            fail(r == -EINVAL || r == -E2BIG ? CODE_usage : code_of(r), NULL, "%s", error ? error : strerror(-r));
        free(error);
        return code;
    }
    const char *section, *key, *value;
    for (size_t i = 0; (section = config_section(*ret_config, i)); i++)
        if (strcmp(section, "send") != 0 && strcmp(section, "collect") != 0)
            return fail(CODE_usage, path, "no section [%s]; settings of evtrail send stand behind [send]", section);
    for (size_t i = 0; (key = config_key(*ret_config, "send", i, &value)); i++) {
        const char *const place = config_place(*ret_config, "send", key);
        const bool here = strcmp(key, "config") == 0 || strcmp(key, "check") == 0 || strcmp(key, "status") == 0;
        const int code = here ? -ENOENT : args_take(args, key, value);
        if (code == -ENOENT)
            return unknown_key(args, place, key);
        if (code != 0) {
            fail(CODE_usage, place, "%s = %s: not a value of this setting; evtrail help send says what it takes", key,
                 value);
            return code;
        }
    }
    return 0;
}

static int setup_read(const struct args *line, struct send_setup *ret_setup)
{
    *ret_setup = (struct send_setup){.line = line};
    if (args_copy(&ret_setup->args, line) < 0)
        return fail(CODE_system, NULL, "out of memory");
    int code = 0;
    if (line->set[OPT_send_config])
        code = config_take(&ret_setup->args, line->text[OPT_send_config], &ret_setup->config);
    if (code == 0)
        code = send_options_read(ret_setup);
    if (code != 0)
        send_setup_free(ret_setup);
    return code;
}

void send_setup_free(struct send_setup *setup)
{
    send_options_free(&setup->options);
    args_free(&setup->args);
    config_free(setup->config);
    *setup = (struct send_setup){0};
}

int run_send(const struct args *args)
{
    struct send_setup setup;
    if (args->operands_count > 0)
        return fail(CODE_usage, NULL, "'%s': to send what a program does write -- before it; -c names the collector",
                    args->operands[0]);
    int code = setup_read(args, &setup);
    if (code != 0)
        return code;
    if (args->set[OPT_send_check])
        code = send_check(&setup);
    else if (args->set[OPT_send_status])
        code = send_status_show(&setup.options, args->set[OPT_json]);
    else
        code = send_run(args, &setup, setup_read);
    send_setup_free(&setup);
    return code;
}
