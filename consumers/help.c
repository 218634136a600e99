/* SPDX-License-Identifier: ISC
 *
 * Help, manual pages (roff) and completion scripts, all out of the tables.
 */
#include "cli.h"
#include "outbuf.h"

#include <evtrail/evtrail.h>

#include <stdio.h>
#include <string.h>

static const struct {
    unsigned number;
    const char *text;
} exit_texts[] = {
#define X(name, number, text) {number, text},
    EXIT_CODES(X)
#undef X
};

static const struct {
    const char *name;
    const char *text;
} environment[] = {
    {"EVTRAIL", "read by traced programs at their start: rules and settings, separated by commas, as in "
                "EVTRAIL='pool.*:debug,policy=drop'; "
                "off: no session at all"},
    {"EVTRAIL_DIR", "where sessions are (default /dev/shm/evtrail-UID)"},
    {"NO_COLOR", "if set and not empty: no colour"},
};
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- text ------------------------------------------------------------------------------------------------------------ */

/* Prints words wrapped at 79 columns, each line indented; the first continues at column `at`. */
static void wrap(struct output *out, const char *text, unsigned indent, unsigned at)
{
    while (*text) {
        const size_t length = strcspn(text, " \n");
        if (at > indent && at + 1 + length > 79) {
            output_print(out, "\n%*s", (int)indent, "");
            at = indent;
        } else if (at > indent) {
            output_text(out, " ");
            at++;
        } else {
            output_print(out, "%*s", (int)(indent - at), "");
            at = indent;
        }
        output_write(out, text, length);
        at += (unsigned)length;
        text += length;
        if (strncmp(text, "\n\n", 2) == 0) {
            output_text(out, "\n\n");
            at = 0;
        }
        text += strspn(text, " \n");
    }
    output_text(out, "\n");
}

static void synopsis(char *text, size_t size, const struct subcommand *command)
{
    snprintf(text, size, "evtrail %s%s%s%s%s", command->name, command->raw ? "" : " [OPTION...]",
             *command->operands ? " " : "", command->operands, command->program ? " [-- PROGRAM [ARGUMENT...]]" : "");
}

static void option_line(char *text, size_t size, const struct option_spec *spec)
{
    char letter[8] = "    ";
    if (spec->letter)
        snprintf(letter, sizeof letter, "-%c, ", spec->letter);
    snprintf(text, size, "%s--%s%s%s", letter, spec->name, *spec->metavar ? " " : "", spec->metavar);
}

static void help_options_print(struct output *out, const struct subcommand *command)
{
    output_text(out, "\nOptions:\n");
    for (const uint8_t *id = command->options; *id != OPTIONS; id++) {
        char line[160];
        option_line(line, sizeof line, &option_specs[*id]);
        const int width = output_print(out, "  %s", line) < 0 ? 0 : (int)strlen(line) + 2;
        if (width > 28)
            output_text(out, "\n");
        wrap(out, option_specs[*id].text, 30, width > 28 ? 0 : (unsigned)width);
    }
}

void help_command(struct output *out, const struct subcommand *command)
{
    char line[256];
    synopsis(line, sizeof line, command);
    output_print(out, "Usage: %s\n\n", line);
    wrap(out, command->summary, 0, 0);
    if (*command->text) {
        output_text(out, "\n");
        wrap(out, command->text, 0, 0);
    }
    help_options_print(out, command);
    if (command->examples[0].line)
        output_text(out, "\nExamples:\n");
    for (const struct example *example = command->examples; example->line; example++) {
        output_print(out, "  %s\n", example->line);
        wrap(out, example->text, 6, 0);
    }
    output_text(out, "\nExit codes: evtrail help. Manual: man evtrail-");
    output_print(out, "%s.\n", command->name);
}

void help_overview(struct output *out)
{
    output_text(out, "evtrail " EVTRAIL_VERSION
                     ": event tracing for programs on Linux\n\nUsage: evtrail COMMAND [OPTION...]\n\nCommands:\n");
    for (const struct subcommand *command = subcommands; command->name; command++)
        if (!command->hidden)
            output_print(out, "  %-9s %s\n", command->name, command->summary);
    output_text(
        out,
        "\nevtrail help COMMAND explains one, evtrail COMMAND --help as well; evtrail --version.\n\nExit codes:\n");
    for (size_t i = 0; i < COUNT(exit_texts); i++) {
        output_print(out, "  %u  ", exit_texts[i].number);
        wrap(out, exit_texts[i].text, 5, 5);
    }
    output_text(out, "  record -- PROGRAM: the program's own code; 128 + N if signal N killed it.\n\nEnvironment:\n");
    for (size_t i = 0; i < COUNT(environment); i++) {
        output_print(out, "  %-12s", environment[i].name);
        wrap(out, environment[i].text, 15, 14);
    }
}

/* ---- roff ------------------------------------------------------------------------------------------------------------ */

static void roff(struct output *out, const char *text)
{
    bool line_start = true;
    for (; *text; text++) {
        if (strncmp(text, "\n\n", 2) == 0) {
            output_text(out, "\n.PP\n");
            text++;
            line_start = true;
            continue;
        }
        if (line_start && (*text == '.' || *text == '\''))
            output_text(out, "\\&");
        line_start = *text == '\n';
        if (*text == '\\')
            output_text(out, "\\e");
        else if (*text == '-')
            output_text(out, "\\-");
        else if (*text == '\'')
            output_text(out, "\\(aq");
        else if (*text == '`')
            output_text(out, "\\(ga");
        else if (*text == '^')
            output_text(out, "\\(ha");
        else if (*text == '~')
            output_text(out, "\\(ti");
        else
            output_write(out, text, 1);
    }
}

static void roff_item(struct output *out, const char *term, const char *text)
{
    output_text(out, ".TP\n\\fB");
    roff(out, term);
    output_text(out, "\\fR\n");
    roff(out, text);
    output_text(out, "\n");
}

static void man_head(struct output *out, const char *name, const char *summary)
{
    output_print(out,
                 ".\\\" made by evtrail help --man; do not edit\n.TH %s 1 \"\" \"evtrail " EVTRAIL_VERSION
                 "\" \"User Commands\"\n.SH NAME\n%s \\- ",
                 name, name);
    roff(out, summary);
    output_text(out, "\n.SH SYNOPSIS\n.nh\n\\fB");
}

static void man_exit_codes(struct output *out)
{
    output_text(out, ".SH \"EXIT STATUS\"\n");
    for (size_t i = 0; i < COUNT(exit_texts); i++) {
        char number[8];
        snprintf(number, sizeof number, "%u", exit_texts[i].number);
        roff_item(out, number, exit_texts[i].text);
    }
}

static void man_environment(struct output *out)
{
    output_text(out, ".SH ENVIRONMENT\n");
    for (size_t i = 0; i < COUNT(environment); i++)
        roff_item(out, environment[i].name, environment[i].text);
}

static void man_more(struct output *out, const struct subcommand *command)
{
    struct manual_item item;
    const char *section = "";
    for (size_t i = 0; command->manual && command->manual(i, &item); i++) {
        if (strcmp(section, item.section) != 0)
            output_print(out, ".SH \"%s\"\n", item.section);
        section = item.section;
        roff_item(out, item.term, item.text);
    }
}

void man_command(struct output *out, const struct subcommand *command)
{
    char text[256];
    snprintf(text, sizeof text, "evtrail\\-%s", command->name);
    man_head(out, text, command->summary);
    synopsis(text, sizeof text, command);
    roff(out, text);
    output_text(out, "\\fR\n.hy\n.SH DESCRIPTION\n");
    roff(out, *command->text ? command->text : command->summary);
    output_text(out, "\n.SH OPTIONS\n");
    for (const uint8_t *id = command->options; *id != OPTIONS; id++) {
        option_line(text, sizeof text, &option_specs[*id]);
        roff_item(out, text + strspn(text, " "), option_specs[*id].text);
    }
    man_more(out, command);
    if (command->examples[0].line)
        output_text(out, ".SH EXAMPLES\n");
    for (const struct example *example = command->examples; example->line; example++)
        roff_item(out, example->line, example->text);
    man_exit_codes(out);
    man_environment(out);
    output_text(out, ".SH \"SEE ALSO\"\n\\fBevtrail\\fR(1)\n");
}

void man_overview(struct output *out)
{
    man_head(out, "evtrail", "event tracing for programs on Linux");
    output_text(out, "evtrail\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR...]\n.hy\n.SH DESCRIPTION\n");
    roff(out,
         "Programs that are linked with libevtrail, or started by evtrail record --with, write typed events into rings "
         "in shared "
         "memory. evtrail switches them on and off, records, shows and counts them, with no daemon and no restart.");
    output_text(out, "\n.SH COMMANDS\n");
    for (const struct subcommand *command = subcommands; command->name; command++)
        if (!command->hidden)
            roff_item(out, command->name, command->summary);
    man_exit_codes(out);
    man_environment(out);
    output_text(out, ".SH FILES\n");
    roff_item(out, "/dev/shm/evtrail-UID/", "sessions of traced processes, readable by their user only");
    output_text(out, ".SH \"SEE ALSO\"\n");
    for (const struct subcommand *command = subcommands; command->name; command++)
        if (!command->hidden && !command->raw)
            output_print(out, "\\fBevtrail\\-%s\\fR(1)%s\n", command->name,
                         strcmp(command->name, "help") == 0 ? "" : ",");
}

/* ---- completion -------------------------------------------------------------------------------------------------------- */

/* Both scripts hand the words over to `evtrail complete`, which knows the tables and the live processes. Its lines are
 * "word<TAB>description", or one of the directives ":file", ":directory", ":command". */
void completion_bash(struct output *out)
{
    output_text(out, "# bash completion for evtrail; source <(evtrail help --bash)\n"
                     "_evtrail()\n"
                     "{\n"
                     "    local cur=${COMP_WORDS[COMP_CWORD]} line\n"
                     "    COMPREPLY=()\n"
                     "    while IFS= read -r line; do\n"
                     "        case $line in\n"
                     "        :file) compopt -o filenames 2>/dev/null; mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < "
                     "<(compgen -f -- \"$cur\") ;;\n"
                     "        :directory) compopt -o filenames 2>/dev/null; mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < "
                     "<(compgen -d -- \"$cur\") ;;\n"
                     "        :command) mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -c -f -- \"$cur\") ;;\n"
                     "        *) COMPREPLY+=(\"${line%%$'\\t'*}\") ;;\n"
                     "        esac\n"
                     "    done < <(\"${COMP_WORDS[0]}\" complete \"$COMP_CWORD\" \"${COMP_WORDS[@]}\" 2>/dev/null)\n"
                     "}\n"
                     "complete -F _evtrail evtrail\n");
}

void completion_zsh(struct output *out)
{
    output_text(
        out, "#compdef evtrail\n"
             "# zsh completion for evtrail; evtrail help --zsh > _evtrail in a directory of $fpath\n"
             "_evtrail()\n"
             "{\n"
             "    local line word text\n"
             "    local -a found\n"
             "    for line in \"${(@f)$(\"${words[1]}\" complete $((CURRENT - 1)) \"${words[@]}\" 2>/dev/null)}\"; do\n"
             "        case $line in\n"
             "        '') ;;\n"
             "        :file) _files ;;\n"
             "        :directory) _files -/ ;;\n"
             "        :command) _command_names -e; _files ;;\n"
             "        *) word=${line%%$'\\t'*} text=${line#*$'\\t'}; found+=(\"${word//:/\\\\:}:$text\") ;;\n"
             "        esac\n"
             "    done\n"
             "    (( $#found )) && _describe evtrail found\n"
             "}\n"
             "if [ \"$funcstack[1]\" = _evtrail ]; then _evtrail \"$@\"; else compdef _evtrail evtrail; fi\n");
}
