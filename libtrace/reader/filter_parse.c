/* SPDX-License-Identifier: ISC
 *
 * Filter expressions: a recursive descent over `text`.
 *
 *     or     = and { ( "||" | "or" ) and }
 *     and    = not { ( "&&" | "and" ) not }
 *     not    = ( "!" | "not" ) not | "(" or ")" | test
 *     test   = "has" "(" operand ")" | operand comparison value | pattern
 *     comparison = "==" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "!~"
 */
#include "reader/filter.h"

#include <evtrail/format.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct parser {
    struct evtrail_filter *filter;
    const char *text, *at;
    const char *fault; /* the first one; at `at` */
    unsigned depth;
    struct evtrail_filter_node spare; /* where a node goes for which there is no room */
};

static uint16_t parse_or(struct parser *parser);

static uint16_t fail(struct parser *parser, const char *fault)
{
    if (!parser->fault)
        parser->fault = fault;
    return 0;
}

static void skip_blanks(struct parser *parser)
{
    parser->at += strspn(parser->at, " \t\n");
}

static bool take(struct parser *parser, const char *token)
{
    skip_blanks(parser);
    const size_t length = strlen(token);
    if (strncmp(parser->at, token, length) != 0)
        return false;
    parser->at += length;
    return true;
}

static struct evtrail_filter_node *node_new(struct parser *parser, unsigned kind, uint16_t *ret_number)
{
    if (parser->filter->count == EVTRAIL_FILTER_NODES) {
        fail(parser, "more than 256 terms and operators");
        return &parser->spare;
    }
    *ret_number = parser->filter->count++;
    struct evtrail_filter_node *node = &parser->filter->nodes[*ret_number];
    *node = (struct evtrail_filter_node){.kind = (uint8_t)kind, .name = "", .text = ""};
    return node;
}

/* A copy within the filter; never more than the expression's length and a NUL each. */
static char *keep(struct parser *parser, const char *bytes, size_t count)
{
    char *copy = parser->filter->texts + parser->filter->texts_used;
    memcpy(copy, bytes, count);
    copy[count] = '\0';
    parser->filter->texts_used += count + 1;
    return copy;
}

static size_t word_length(const char *at)
{
    size_t n = 0;
    while (isalnum((unsigned char)at[n]) || (at[n] && strchr("_.*?@-:+%/$", at[n])))
        n++;
    return n;
}

/* A word of the language, and not the beginning of a longer one. */
static bool take_word(struct parser *parser, const char *word)
{
    skip_blanks(parser);
    const size_t length = strlen(word);
    if (word_length(parser->at) != length || strncmp(parser->at, word, length) != 0)
        return false;
    parser->at += length;
    return true;
}

static const char *take_quoted(struct parser *parser)
{
    char buffer[EVTRAIL_FILTER_TEXT];
    size_t n = 0;
    const char quote = *parser->at++;
    while (*parser->at && *parser->at != quote) {
        char c = *parser->at++;
        if (c == '\\' && *parser->at) {
            c = *parser->at++;
            c = c == 'n' ? '\n' : c == 't' ? '\t' : c;
        }
        buffer[n++] = c; /* never longer than the expression */
    }
    if (*parser->at != quote) {
        fail(parser, "a string that does not end");
        return "";
    }
    parser->at++;
    return keep(parser, buffer, n);
}

static bool take_comparison(struct parser *parser, uint8_t *ret_comparison)
{
    static const struct {
        const char *token;
        uint8_t comparison;
    } all[] = {{"==", EVTRAIL_IS_EQUAL},         {"!=", EVTRAIL_IS_NOT_EQUAL},
               {"<=", EVTRAIL_IS_LESS_OR_EQUAL}, {">=", EVTRAIL_IS_GREATER_OR_EQUAL},
               {"<", EVTRAIL_IS_LESS},           {">", EVTRAIL_IS_GREATER},
               {"=~", EVTRAIL_IS_LIKE},          {"!~", EVTRAIL_IS_NOT_LIKE},
               {"~", EVTRAIL_IS_LIKE},           {"=", EVTRAIL_IS_EQUAL}};
    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (!take(parser, all[i].token))
            continue;
        *ret_comparison = all[i].comparison;
        return true;
    }
    return false;
}

/* ---- values ---- */

static bool set_integer(struct evtrail_filter_node *node, const char *text)
{
    char *end;
    const char *digits = text + (*text == '-' || *text == '+');
    const int base = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X') ? 16 : 10;
    errno = 0;
    node->is_negative = *text == '-';
    node->integer = node->is_negative ? strtoll(text, &end, base) : (int64_t)strtoull(text, &end, base);
    node->real = node->is_negative ? (double)node->integer : (double)(uint64_t)node->integer;
    return end != text && !*end && errno == 0;
}

static bool set_real(struct evtrail_filter_node *node, const char *text)
{
    char *end;
    if (!strpbrk(text, "0123456789"))
        return false;
    node->real = strtod(text, &end);
    node->is_negative = node->real < 0;
    /* a whole number is compared as one: as a double its neighbours would be equal to it */
    const bool fits = node->real >= -0x1p63 && node->real < 0x1p64;
    node->integer = !fits ? 0 : node->real < 0 ? (int64_t)node->real : (int64_t)(uint64_t)node->real;
    node->is_fraction =
        !fits || node->real != (node->real < 0 ? (double)node->integer : (double)(uint64_t)node->integer);
    return end != text && !*end;
}

/* 2ms, 64K: durations count ns, sizes bytes. */
static bool set_quantity(struct evtrail_filter_node *node, const char *text)
{
    int64_t ns;
    uint64_t bytes;
    if (evtrail_parse_duration(text, &ns) == 0)
        node->integer = ns;
    else if (evtrail_parse_size(text, &bytes) == 0)
        node->integer = (int64_t)bytes;
    else
        return false;
    node->is_negative = node->is_fraction = false;
    node->real = (double)node->integer;
    return true;
}

static bool set_moment(struct evtrail_filter_node *node, const char *text)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    node->is_number = evtrail_parse_time(text, (int64_t)now.tv_sec * 1000000000 + now.tv_nsec, &node->integer) == 0;
    return node->is_number;
}

static bool set_level(struct evtrail_filter_node *node, const char *text)
{
    node->is_number = true;
    for (unsigned level = 1; level <= 6; level++)
        if (!strcmp(text, evtrail_level_name(level))) {
            node->integer = level;
            return true;
        }
    return set_integer(node, text) && node->integer >= 1 && node->integer <= 6;
}

static void parse_value(struct parser *parser, struct evtrail_filter_node *node)
{
    skip_blanks(parser);
    const char *start = parser->at;
    const bool quoted = *start == '"' || *start == '\'';
    const size_t length = quoted ? 0 : word_length(start);
    if (!quoted && length == 0) {
        fail(parser, "wanted a value");
        return;
    }
    node->text = quoted ? take_quoted(parser) : keep(parser, start, length);
    parser->at += quoted ? 0 : length;
    if (node->operand == EVTRAIL_OPERAND_LEVEL && !set_level(node, node->text)) {
        parser->at = start;
        fail(parser, "wanted a level: critical, error, warning, info, debug or trace");
    } else if (node->operand == EVTRAIL_OPERAND_TIME && !set_moment(node, node->text)) {
        parser->at = start;
        fail(parser, "wanted a time like \"2026-11-21 14:03:00\" or @1795255200.5");
    } else if (!quoted && node->operand != EVTRAIL_OPERAND_LEVEL && node->operand != EVTRAIL_OPERAND_TIME) {
        node->is_number = set_integer(node, node->text) || set_real(node, node->text) || set_quantity(node, node->text);
        if (!strcmp(node->text, "true") || !strcmp(node->text, "false")) {
            node->integer = node->text[0] == 't';
            node->is_number = true;
        }
        node->is_null = !strcmp(node->text, "null");
    }
}

/* ---- terms ---- */

static uint8_t operand_of(const char *name)
{
    static const struct {
        const char *name;
        uint8_t operand;
    } all[] = {
        {"level", EVTRAIL_OPERAND_LEVEL},   {"kind", EVTRAIL_OPERAND_KIND}, {"name", EVTRAIL_OPERAND_NAME},
        {"dur", EVTRAIL_OPERAND_DUR},       {"time", EVTRAIL_OPERAND_TIME}, {"tid", EVTRAIL_OPERAND_TID},
        {"thread", EVTRAIL_OPERAND_THREAD}, {"pid", EVTRAIL_OPERAND_PID},   {"process", EVTRAIL_OPERAND_PROCESS},
        {"cpu", EVTRAIL_OPERAND_CPU},       {"ring", EVTRAIL_OPERAND_RING}, {"machine", EVTRAIL_OPERAND_MACHINE}};
    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (!strcmp(name, all[i].name))
            return all[i].operand;
    return EVTRAIL_OPERAND_FIELD;
}

static uint8_t role_of(const char *name)
{
    static const char *const names[] = {"", "$span", "$parent", "$value", "$entity", "$state", "$name", "$flow"};
    for (uint8_t role = 1; role < sizeof(names) / sizeof(names[0]); role++)
        if (!strcmp(name, names[role]))
            return role; /* enum evtrail_role */
    return EVTRAIL_ROLE_none;
}

static void set_operand(struct parser *parser, struct evtrail_filter_node *node, const char *word)
{
    node->name = word;
    node->operand = operand_of(word);
    parser->filter->uses_spans |= node->operand == EVTRAIL_OPERAND_DUR;
    if (*word == '$') {
        node->role = role_of(word);
        if (!node->role)
            fail(parser, "wanted $span, $parent, $value, $entity, $state, $name or $flow before this");
    } else if (!strncmp(word, "label.", 6)) {
        node->operand = EVTRAIL_OPERAND_LABEL;
        node->name = word + 6;
    } else if (!strncmp(word, "field.", 6)) { /* a field that is called like an operand of ours */
        node->operand = EVTRAIL_OPERAND_FIELD;
        node->name = word + 6;
    }
}

/* has(OPERAND), behind the word */
static void parse_has(struct parser *parser, struct evtrail_filter_node *node)
{
    skip_blanks(parser);
    const size_t length = word_length(parser->at);
    if (length == 0) {
        fail(parser, "wanted a field");
        return;
    }
    node->kind = EVTRAIL_FILTER_HAS;
    const char *word = keep(parser, parser->at, length);
    parser->at += length;
    set_operand(parser, node, word);
    if (!take(parser, ")"))
        fail(parser, "wanted )");
}

static uint16_t parse_test(struct parser *parser)
{
    uint16_t number = 0;
    skip_blanks(parser);
    const size_t length = word_length(parser->at);
    if (length == 0)
        return fail(parser, *parser->at ? "wanted a name, a field or (" : "the expression ends too early");
    const char *word = keep(parser, parser->at, length);
    parser->at += length;
    struct evtrail_filter_node *node = node_new(parser, EVTRAIL_FILTER_NAME, &number);
    node->name = word;
    if (!strcmp(word, "has") && take(parser, "(")) {
        parse_has(parser, node);
        return number;
    }
    if (!take_comparison(parser, &node->comparison))
        return *word == '$' ? fail(parser, "wanted a comparison") : number;
    node->kind = EVTRAIL_FILTER_TEST;
    set_operand(parser, node, word);
    parse_value(parser, node);
    return number;
}

static uint16_t parse_not(struct parser *parser)
{
    uint16_t number = 0;
    if (parser->depth++ > EVTRAIL_FILTER_DEPTH)
        return fail(parser, "nested too deeply");
    skip_blanks(parser);
    const bool mark = parser->at[0] == '!' && parser->at[1] != '=' && parser->at[1] != '~';
    if (mark || take_word(parser, "not")) {
        parser->at += mark;
        struct evtrail_filter_node *node = node_new(parser, EVTRAIL_FILTER_NOT, &number);
        node->left = parse_not(parser);
    } else if (take(parser, "(")) {
        number = parse_or(parser);
        if (!take(parser, ")"))
            fail(parser, "wanted )");
    } else {
        number = parse_test(parser);
    }
    parser->depth--;
    return number;
}

static uint16_t parse_chain(struct parser *parser, const char *token, const char *word, unsigned kind,
                            uint16_t (*next)(struct parser *parser))
{
    uint16_t left = next(parser);
    while (!parser->fault && (take(parser, token) || take_word(parser, word))) {
        uint16_t number = 0;
        struct evtrail_filter_node *node = node_new(parser, kind, &number);
        node->left = left;
        node->right = next(parser);
        left = number;
    }
    return left;
}

static uint16_t parse_and(struct parser *parser)
{
    return parse_chain(parser, "&&", "and", EVTRAIL_FILTER_AND, parse_not);
}

static uint16_t parse_or(struct parser *parser)
{
    return parse_chain(parser, "||", "or", EVTRAIL_FILTER_OR, parse_and);
}

/* ---- the whole ---- */

static void tell(const struct parser *parser, char **ret_error)
{
    char line[256];
    const size_t at = (size_t)(parser->at - parser->text);
    if (!ret_error)
        return;
    snprintf(line, sizeof(line), "%s at column %zu: '%.60s'", parser->fault, at + 1, parser->at);
    *ret_error = strdup(line);
}

int evtrail_filter_new(struct evtrail_filter **ret_filter, const char *text, char **ret_error)
{
    struct parser parser = {.text = text, .at = text};
    const size_t length = strlen(text);
    struct evtrail_filter *filter = length < EVTRAIL_FILTER_TEXT ? calloc(1, sizeof(*filter)) : NULL;
    if (length >= EVTRAIL_FILTER_TEXT) {
        if (ret_error &&
            asprintf(ret_error, "the expression has %zu bytes; at most %d can be", length, EVTRAIL_FILTER_TEXT - 1) < 0)
            *ret_error = NULL;
        return -EINVAL;
    }
    if (filter)
        filter->texts = malloc(2 * length + 2); /* each word and its NUL: words of one byte need two */
    if (!filter || !filter->texts) {
        evtrail_filter_free(filter);
        return -ENOMEM;
    }
    parser.filter = filter;
    filter->root = parse_or(&parser);
    skip_blanks(&parser);
    if (!parser.fault && *parser.at)
        parser.fault = "wanted && or ||";
    if (parser.fault) {
        tell(&parser, ret_error);
        evtrail_filter_free(filter);
        return -EINVAL;
    }
    *ret_filter = filter;
    return 0;
}

void evtrail_filter_free(struct evtrail_filter *filter)
{
    if (!filter)
        return;
    free(filter->texts);
    free(filter);
}
