/* SPDX-License-Identifier: ISC
 *
 * evtrail enable, disable and set: rules and settings of running processes, and lists of their event types.
 */
#include "outbuf.h"
#include "select.h"
#include "skeleton.h"

#include <evtrail/format.h>

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct change {
    const struct args *args;
    struct output out;
    const char *prefix; /* of each rule */
    bool to_settings;
};

/* ---- changing ---------------------------------------------------------------------------------------------------------- */

static int rejected(const struct change *change, const char *text, int error)
{
    if (error == -EINVAL && change->to_settings)
        return fail(CODE_usage, text, "not a setting; see evtrail help set");
    if (error == -EINVAL)
        return fail(CODE_usage, text, "not a rule; it is PATTERN[:LEVEL][+cpu][+caller][+stack][@POLICY]");
    if (error == -ERANGE)
        return fail(CODE_usage, text, "outside the bounds; see evtrail help set");
    if (error == -ENOSPC)
        return fail(CODE_system, text, "too many rules; disable '*' clears them");
    return fail(code_of(error), text, "%s", strerror(-error));
}

static int change_one(struct evtrail_session *session, const struct evtrail_session_info *info, void *context)
{
    struct change *const change = context;
    int changed = 0;
    for (int i = 0; i < change->args->operands_count; i++) {
        char rule[512];
        const char *const text = change->args->operands[i];
        if (snprintf(rule, sizeof rule, "%s%s", change->prefix, text) >= (int)sizeof rule)
            return fail(CODE_usage, text, "too long");
        const int r = change->to_settings ? evtrail_session_set(session, text) : evtrail_session_rule(session, rule);
        if (r < 0)
            return rejected(change, text, r);
        changed += r;
    }
    if (!change->to_settings)
        output_print(&change->out, "%u %s: %d event type%s changed\n", info->pid, shown(info->command), changed,
                     changed == 1 ? "" : "s");
    return 0;
}

static int show_one(struct evtrail_session *session, const struct evtrail_session_info *info, void *context)
{
    struct change *const change = context;
    char *const settings = evtrail_session_settings(session);
    if (!settings)
        return fail(CODE_system, NULL, "out of memory");
    for (char *at = settings; *at; at++) /* a line each */
        if ((unsigned char)*at < ' ')
            *at = ' ';
    output_print(&change->out, "%u %s: ", info->pid, shown(info->command));
    output_escaped(&change->out, settings);
    output_text(&change->out, "\n");
    free(settings);
    return 0;
}

static int run_change(struct change *change, selected_fn *visit)
{
    if (output_init(&change->out, STDOUT_FILENO) < 0)
        return fail(CODE_system, NULL, "out of memory");
    signals_install(false);
    change->out.color = color_wanted(change->args, change->out.terminal);
    const int code = select_named(change->args, visit, change);
    const int r = output_fini(&change->out);
    if (r < 0 && r != -EPIPE)
        return fail(CODE_io, "standard output", "%s", strerror(-r));
    return code;
}

/* ---- listing ----------------------------------------------------------------------------------------------------------- */

/* As a rule's pattern: the name, what lies below it, or wildcards. */
static bool name_fits(const char *pattern, const char *name)
{
    const size_t length = strlen(pattern);
    if (strpbrk(pattern, "*?"))
        return fnmatch(pattern, name, FNM_NOESCAPE) == 0;
    return strncmp(pattern, name, length) == 0 && (name[length] == '\0' || name[length] == '.');
}

static bool listed(const struct args *args, const char *name)
{
    for (int i = 0; i < args->operands_count; i++)
        if (name_fits(args->operands[i], name))
            return true;
    return args->operands_count == 0;
}

static void state_text(char *text, size_t bytes, int state)
{
    static const char *const channels[] = {"", "@overwrite", "@drop", "@block", "@shed", "@?", "@?", "@?"};
    const unsigned bits = state > 0 ? (unsigned)state & 0x7f : 0; /* the top bit is a reader's wish to be woken */
    snprintf(text, bytes, "%s%s%s%s%s", bits ? "on" : "off", bits & 2 ? "+cpu" : "", bits & 4 ? "+caller" : "",
             bits & 8 ? "+stack" : "", channels[bits >> 4 & 7]);
}

static void type_json(struct output *out, const struct evtrail_session_info *info,
                      const struct evtrail_event_type *type, const char *state)
{
    output_print(out, "{\"pid\":%u,\"id\":%u,\"name\":", info->pid, type->id);
    output_json_text(out, type->name);
    output_print(out, ",\"level\":\"%s\",\"kind\":\"%s\",\"state\":\"%s\",\"doc\":", evtrail_level_name(type->level),
                 evtrail_kind_name(type->kind), state);
    output_json_text(out, type->doc);
    output_text(out, ",\"file\":");
    output_json_text(out, type->file);
    output_print(out, ",\"line\":%u,\"fields\":[", type->line);
    for (unsigned i = 0; i < type->fields_count; i++) {
        output_text(out, i ? ",{\"name\":" : "{\"name\":");
        output_json_text(out, type->fields[i].name);
        output_text(out, ",\"unit\":");
        output_json_text(out, type->fields[i].unit);
        output_text(out, "}");
    }
    output_text(out, "]}\n");
}

static void type_line(struct output *out, const struct evtrail_event_type *type, const char *state)
{
    output_print(out, "%s%-14s%s  %-8s  %-7s  %s", strcmp(state, "off") == 0 ? "" : output_sgr(out, "32"), state,
                 strcmp(state, "off") == 0 ? "" : output_sgr(out, "0"), evtrail_level_name(type->level),
                 evtrail_kind_name(type->kind), shown(type->name));
    for (unsigned i = 0; i < type->fields_count; i++)
        output_print(out, "%s%s", i ? ", " : "(", shown(type->fields[i].name));
    output_print(out, "%s%s%s\n", type->fields_count ? ")" : "", *type->doc ? "  " : "", shown(type->doc));
}

static int list_one(struct evtrail_session *session, const struct evtrail_session_info *info, void *context)
{
    struct change *const change = context;
    const struct evtrail_event_type *const *types = NULL;
    const uint32_t count = evtrail_session_types(session, &types);
    if (!change->args->set[OPT_json])
        output_print(&change->out, "%s%u %s: %u of %u event types are on%s\n", output_sgr(&change->out, "1"), info->pid,
                     shown(info->command), info->types_enabled, info->types, output_sgr(&change->out, "0"));
    for (uint32_t i = 0; i < count; i++) {
        char state[64];
        if (!types[i] || !listed(change->args, types[i]->name))
            continue;
        state_text(state, sizeof state, evtrail_session_type_state(session, types[i]->id));
        if (change->args->set[OPT_json])
            type_json(&change->out, info, types[i], state);
        else
            type_line(&change->out, types[i], state);
    }
    return change->out.error ? 1 : 0;
}

/* ---- the commands ------------------------------------------------------------------------------------------------------ */

int run_enable(const struct args *args)
{
    struct change change = {.args = args, .prefix = ""};
    if (args->set[OPT_list])
        return run_change(&change, list_one);
    if (args->operands_count == 0)
        return fail(CODE_usage, NULL, "which events? name a rule like 'pool.*:debug', or list them with -l");
    return run_change(&change, change_one);
}

int run_disable(const struct args *args)
{
    struct change change = {.args = args, .prefix = "-"};
    if (args->operands_count == 0)
        return fail(CODE_usage, NULL, "which events? name a pattern like 'pool.noise' or '*'");
    return run_change(&change, change_one);
}

int run_set(const struct args *args)
{
    struct change change = {.args = args, .prefix = "", .to_settings = true};
    return run_change(&change, args->operands_count == 0 ? show_one : change_one);
}
