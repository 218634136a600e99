/* SPDX-License-Identifier: ISC
 *
 * A parser by recursive descent: types, then the blocks that use them. What it makes lives in an arena.
 */
#include "tsdl_parser.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 50
#define LENGTH_MAX (UINT64_C(1) << 20) /* of an array */
#define STREAMS_MAX 1024u              /* classes of them: they are looked for one by one */

/* ---- types ------------------------------------------------------------------------------------------------------------------- */

static unsigned bucket(const char *name)
{
    uint32_t hash = 2166136261u;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return hash >> 24;
}

static void alias_put(struct parser *parser, const char *name, const struct tsdl_type *type)
{
    struct alias *const alias = tsdl_take(parser, sizeof *alias);
    struct alias **const head = &parser->aliases[bucket(name)];
    *alias = (struct alias){.next = *head, .name = name, .type = type};
    *head = alias;
}

static const struct tsdl_type *alias_find(const struct parser *parser, const char *name)
{
    for (const struct alias *alias = parser->aliases[bucket(name)]; alias; alias = alias->next)
        if (strcmp(alias->name, name) == 0)
            return alias->type;
    return NULL;
}

/* What stands behind `=`: a number, a text or a path, of which the last token and the first word are kept. */
struct value {
    int64_t number;
    const char *text; /* NULL: a number */
};

static struct value value_taken(struct parser *parser)
{
    struct value value = {0};
    if (parser->token.kind == TEXT) {
        value.text = tsdl_keep(parser, parser->token.at, parser->token.bytes);
        tsdl_advance(parser);
    } else if (parser->token.kind == NAME) {
        value.text = tsdl_name_taken(parser);
        while (tsdl_accept(parser, "."))
            tsdl_name_taken(parser);
    } else {
        value.number = tsdl_number_taken(parser);
    }
    return value;
}

static void number_attribute(struct parser *parser, struct tsdl_type *type, const char *name, struct value value)
{
    const char *const text = value.text ? value.text : "";
    if (strcmp(name, "size") == 0)
        type->size = value.number > 0 && value.number <= 64 ? (uint32_t)value.number : 0;
    else if (strcmp(name, "align") == 0)
        type->align = value.number > 0 && value.number <= 4096 ? (uint32_t)value.number : 0;
    else if (strcmp(name, "signed") == 0)
        type->is_signed = strcmp(text, "true") == 0 || strcmp(text, "TRUE") == 0 || value.number != 0;
    else if (strcmp(name, "base") == 0)
        type->base = strcmp(text, "hex") == 0 || strcmp(text, "x") == 0 || value.number == 16 ? 16 : 10;
    else if (strcmp(name, "encoding") == 0)
        type->text = strcmp(text, "none") != 0;
    else if (strcmp(name, "map") == 0)
        type->clock = true;
    else if (strcmp(name, "byte_order") == 0)
        type->swap = strcmp(text, "be") == 0 || strcmp(text, "network") == 0 ||
                     (parser->big_endian && strcmp(text, "native") == 0);
    else if (strcmp(name, "exp_dig") == 0 || strcmp(name, "mant_dig") == 0)
        type->size += value.number > 0 && value.number <= 64 ? (uint32_t)value.number : 0;
}

static const struct tsdl_type *number_type(struct parser *parser, enum tsdl_kind kind)
{
    struct tsdl_type *const type = tsdl_take(parser, sizeof *type);
    *type = (struct tsdl_type){.kind = (uint8_t)kind, .base = 10, .align = 1, .swap = parser->big_endian};
    tsdl_expect(parser, "{");
    while (!tsdl_accept(parser, "}")) {
        const char *const name = tsdl_name_taken(parser);
        tsdl_expect(parser, "=");
        number_attribute(parser, type, name, value_taken(parser));
        tsdl_expect(parser, ";");
    }
    const bool bad_float = kind == TSDL_float && type->size != 32 && type->size != 64;
    if (type->size == 0 || type->align == 0 || (type->align & (type->align - 1)) || bad_float)
        tsdl_stop(parser, -EBADMSG, "a number of a size or alignment that is not read here");
    return type;
}

static const struct tsdl_type *type_taken(struct parser *parser, const char **ret_name);

static void enumerators(struct parser *parser, struct tsdl_type *type)
{
    struct tsdl_enumerator **at = &type->enumerators;
    int64_t next = 0;
    tsdl_expect(parser, "{");
    while (!tsdl_accept(parser, "}")) {
        struct tsdl_enumerator *const one = tsdl_take(parser, sizeof *one);
        one->name = parser->token.kind == TEXT ? value_taken(parser).text : tsdl_name_taken(parser);
        one->first = one->last = next;
        if (tsdl_accept(parser, "=")) {
            one->first = one->last = tsdl_number_taken(parser);
            if (tsdl_accept(parser, "..."))
                one->last = tsdl_number_taken(parser);
        }
        next = (int64_t)((uint64_t)one->last + 1);
        *at = one;
        at = &one->next;
        if (!tsdl_accept(parser, ","))
            tsdl_expect(parser, "}");
        else
            continue;
        break;
    }
}

static const struct tsdl_type *enum_type(struct parser *parser)
{
    struct tsdl_type *const type = tsdl_take(parser, sizeof *type);
    const char *name = parser->token.kind == NAME ? tsdl_name_taken(parser) : NULL;
    char text[300];
    if (name)
        snprintf(text, sizeof text, "enum %s", name);
    if (name && !tsdl_is(parser, ":") && !tsdl_is(parser, "{")) {
        const struct tsdl_type *const known = alias_find(parser, text);
        if (!known)
            tsdl_stop(parser, -EBADMSG, "no %.100s", text);
        return known;
    }
    const struct tsdl_type *container = tsdl_accept(parser, ":") ? type_taken(parser, NULL) : alias_find(parser, "int");
    if (!container || container->kind != TSDL_integer)
        tsdl_stop(parser, -EBADMSG, "an enum of something that is no integer");
    *type = *container;
    type->kind = TSDL_enum;
    type->of = container;
    enumerators(parser, type);
    if (name)
        alias_put(parser, tsdl_keep(parser, text, strlen(text)), type);
    return type;
}

/* name, name[8], name[length] ... around the type. */
static const struct tsdl_type *declarator(struct parser *parser, const struct tsdl_type *type)
{
    struct {
        uint64_t length;
        const char *ref;
    } dims[8];
    unsigned count = 0;
    while (tsdl_accept(parser, "[")) {
        if (count == 8)
            tsdl_stop(parser, -EBADMSG, "too many dimensions");
        dims[count].ref = NULL;
        if (parser->token.kind == NUMBER) {
            dims[count].length = (uint64_t)tsdl_number_taken(parser);
            if (dims[count].length > LENGTH_MAX)
                tsdl_stop(parser, -EBADMSG, "too long an array");
        } else {
            dims[count].ref = tsdl_name_taken(parser);
            while (tsdl_accept(parser, "."))
                dims[count].ref = tsdl_name_taken(parser);
        }
        tsdl_expect(parser, "]");
        count++;
    }
    while (count-- > 0) {
        struct tsdl_type *const around = tsdl_take(parser, sizeof *around);
        *around =
            (struct tsdl_type){.kind = dims[count].ref ? TSDL_sequence : TSDL_array, .align = type->align, .of = type};
        around->length = dims[count].length;
        around->ref = dims[count].ref;
        type = around;
    }
    return type;
}

static void typealias(struct parser *parser)
{
    char text[300] = "";
    size_t used = 0;
    const struct tsdl_type *const type = type_taken(parser, NULL);
    tsdl_expect(parser, ":=");
    while (parser->token.kind == NAME) {
        const int n = snprintf(text + used, sizeof text - used, "%s%.*s", used ? " " : "", (int)parser->token.bytes,
                               parser->token.at);
        used += (size_t)n;
        if (used >= sizeof text)
            tsdl_stop(parser, -EBADMSG, "too long a name");
        tsdl_advance(parser);
    }
    tsdl_expect(parser, ";");
    alias_put(parser, tsdl_keep(parser, text, used), type);
}

static void typedefinition(struct parser *parser)
{
    const char *name = NULL;
    const struct tsdl_type *type = type_taken(parser, &name);
    if (!name)
        name = tsdl_name_taken(parser);
    type = declarator(parser, type);
    tsdl_expect(parser, ";");
    alias_put(parser, name, type);
}

static void fields(struct parser *parser, struct tsdl_type *type)
{
    struct tsdl_field **at = &type->fields;
    tsdl_expect(parser, "{");
    while (!tsdl_accept(parser, "}")) {
        const char *name = NULL;
        if (tsdl_accept(parser, "typealias")) {
            typealias(parser);
            continue;
        }
        if (tsdl_accept(parser, "typedef")) {
            typedefinition(parser);
            continue;
        }
        const struct tsdl_type *of = type_taken(parser, &name);
        if (tsdl_is(parser, ";")) { /* a type is defined, and no field of it */
            if (!name) {
                tsdl_advance(parser);
                continue;
            }
        }
        struct tsdl_field *const field = tsdl_take(parser, sizeof *field);
        field->name = name ? name : tsdl_name_taken(parser);
        field->type = declarator(parser, of);
        tsdl_expect(parser, ";");
        if (type->kind == TSDL_struct && field->type->align > type->align)
            type->align = field->type->align;
        *at = field;
        at = &field->next;
    }
}

/* struct and variant, named or not, with a body or by name. */
static const struct tsdl_type *compound_type(struct parser *parser, enum tsdl_kind kind)
{
    struct tsdl_type *type = tsdl_take(parser, sizeof *type);
    char text[300];
    const char *name = parser->token.kind == NAME && !tsdl_is(parser, "align") ? tsdl_name_taken(parser) : NULL;
    *type = (struct tsdl_type){.kind = (uint8_t)kind, .align = 1};
    if (name)
        snprintf(text, sizeof text, "%s %s", kind == TSDL_struct ? "struct" : "variant", name);
    if (kind == TSDL_variant && tsdl_accept(parser, "<")) {
        do
            type->ref = tsdl_name_taken(parser);
        while (tsdl_accept(parser, "."));
        tsdl_expect(parser, ">");
    }
    if (tsdl_is(parser, "{")) {
        fields(parser, type);
        if (name)
            alias_put(parser, tsdl_keep(parser, text, strlen(text)), type);
    } else {
        const struct tsdl_type *const known = name ? alias_find(parser, text) : NULL;
        if (!known)
            tsdl_stop(parser, -EBADMSG, "a struct or variant that was not defined");
        const char *const ref = type->ref;
        *type = *known;
        type->ref = ref ? ref : known->ref;
    }
    if (kind == TSDL_struct && tsdl_accept(parser, "align")) {
        tsdl_expect(parser, "(");
        const int64_t align = tsdl_number_taken(parser);
        if (align < 1 || align > 4096 || (align & (align - 1)))
            tsdl_stop(parser, -EBADMSG, "an alignment that is none");
        type->align = (uint32_t)align > type->align ? (uint32_t)align : type->align;
        tsdl_expect(parser, ")");
    }
    return type;
}

/* A type by its name of one or more words. Where a declaration follows, the last word is what is declared: *ret_name. */
static const struct tsdl_type *named_type(struct parser *parser, const char **ret_name)
{
    char text[300] = "", last[150] = "";
    size_t used = 0;
    const struct tsdl_type *best = NULL;
    while (parser->token.kind == NAME) {
        if (best && ret_name) { /* is the name one word longer? */
            char longer[460];
            snprintf(longer, sizeof longer, "%s %.*s", text,
                     (int)(parser->token.bytes < 150 ? parser->token.bytes : 149), parser->token.at);
            if (!alias_find(parser, longer))
                break;
        }
        snprintf(last, sizeof last, "%.*s", (int)(parser->token.bytes < 150 ? parser->token.bytes : 149),
                 parser->token.at);
        const int n = snprintf(text + used, sizeof text - used, "%s%s", used ? " " : "", last);
        used += (size_t)n;
        if (used >= sizeof text)
            tsdl_stop(parser, -EBADMSG, "too long a name");
        best = alias_find(parser, text);
        tsdl_advance(parser);
    }
    if (!best)
        tsdl_stop(parser, -EBADMSG, "no type '%.100s'", text);
    return best;
}

static const struct tsdl_type *type_taken(struct parser *parser, const char **ret_name)
{
    static const struct tsdl_type string = {.kind = TSDL_string, .align = 8};
    const struct tsdl_type *type;
    if (++parser->depth > DEPTH_MAX)
        tsdl_stop(parser, -EBADMSG, "types are nested too deeply");
    tsdl_accept(parser, "const");
    if (tsdl_accept(parser, "integer")) {
        type = number_type(parser, TSDL_integer);
    } else if (tsdl_accept(parser, "floating_point")) {
        type = number_type(parser, TSDL_float);
    } else if (tsdl_accept(parser, "string")) {
        type = &string;
        if (tsdl_accept(parser, "{"))
            for (; !tsdl_accept(parser, "}"); tsdl_advance(parser))
                if (parser->token.kind == END)
                    tsdl_stop(parser, -EBADMSG, "a string type without an end");
    } else if (tsdl_accept(parser, "struct")) {
        type = compound_type(parser, TSDL_struct);
    } else if (tsdl_accept(parser, "variant")) {
        type = compound_type(parser, TSDL_variant);
    } else if (tsdl_accept(parser, "enum")) {
        type = enum_type(parser);
    } else {
        type = named_type(parser, ret_name);
    }
    parser->depth--;
    return type;
}

/* ---- blocks ------------------------------------------------------------------------------------------------------------------ */

/* `path = value;` or `path := type;` of a block. */
struct statement {
    char path[100];
    struct value value;
    const struct tsdl_type *type; /* NULL: a value */
};

static bool statement_taken(struct parser *parser, struct statement *statement)
{
    size_t used = 0;
    for (;;) {
        if (tsdl_accept(parser, "}")) {
            tsdl_accept(parser, ";");
            return false;
        }
        if (tsdl_accept(parser, "typealias")) {
            typealias(parser);
        } else if (tsdl_accept(parser, "typedef")) {
            typedefinition(parser);
        } else if (tsdl_is(parser, "struct") || tsdl_is(parser, "enum") || tsdl_is(parser, "variant")) {
            type_taken(parser, NULL);
            tsdl_expect(parser, ";");
        } else {
            break;
        }
    }
    *statement = (struct statement){0};
    do {
        const char *const name = tsdl_name_taken(parser);
        const int n = snprintf(statement->path + used, sizeof statement->path - used, "%s%s", used ? "." : "", name);
        used += (size_t)n;
        if (used >= sizeof statement->path)
            tsdl_stop(parser, -EBADMSG, "too long a name");
    } while (tsdl_accept(parser, "."));
    if (tsdl_accept(parser, ":="))
        statement->type = type_taken(parser, NULL);
    else {
        tsdl_expect(parser, "=");
        statement->value = value_taken(parser);
    }
    tsdl_expect(parser, ";");
    return true;
}

static void trace_block(struct parser *parser)
{
    struct statement statement;
    while (statement_taken(parser, &statement)) {
        if (strcmp(statement.path, "packet.header") == 0)
            parser->trace->packet_header = statement.type;
        else if (strcmp(statement.path, "byte_order") == 0 && statement.value.text)
            parser->big_endian = strcmp(statement.value.text, "be") == 0;
        else if (strcmp(statement.path, "major") == 0 && statement.value.number != 1)
            tsdl_stop(parser, -EBADMSG, "CTF %lld, not 1", (long long)statement.value.number);
    }
    if (parser->big_endian)
        tsdl_stop(parser, -EBADMSG, "traces of big-endian machines are not read");
}

static void clock_block(struct parser *parser)
{
    struct statement statement;
    while (statement_taken(parser, &statement)) {
        if (strcmp(statement.path, "freq") == 0)
            parser->trace->clock_hz = (uint64_t)statement.value.number;
        else if (strcmp(statement.path, "offset") == 0)
            parser->trace->clock_offset = (uint64_t)statement.value.number;
        else if (strcmp(statement.path, "offset_s") == 0)
            parser->trace->clock_offset_s = statement.value.number;
    }
    if (parser->trace->clock_hz == 0)
        tsdl_stop(parser, -EBADMSG, "a clock that stands");
}

static void env_block(struct parser *parser)
{
    struct statement statement;
    while (statement_taken(parser, &statement)) {
        struct tsdl_env *const env = tsdl_take(parser, sizeof *env);
        *env = (struct tsdl_env){.next = parser->trace->env,
                                 .name = tsdl_keep(parser, statement.path, strlen(statement.path)),
                                 .text = statement.value.text,
                                 .number = statement.value.number};
        parser->trace->env = env;
    }
}

static struct tsdl_stream *stream_of(struct parser *parser, uint64_t id)
{
    for (struct tsdl_stream *stream = parser->trace->streams; stream; stream = stream->next)
        if (stream->id == id)
            return stream;
    return NULL;
}

static void stream_block(struct parser *parser)
{
    struct tsdl_stream *const stream = tsdl_take(parser, sizeof *stream);
    struct statement statement;
    while (statement_taken(parser, &statement)) {
        if (strcmp(statement.path, "id") == 0)
            stream->id = (uint64_t)statement.value.number;
        else if (strcmp(statement.path, "packet.context") == 0)
            stream->packet_context = statement.type;
        else if (strcmp(statement.path, "event.header") == 0)
            stream->event_header = statement.type;
        else if (strcmp(statement.path, "event.context") == 0)
            stream->event_context = statement.type;
    }
    if (++parser->streams > STREAMS_MAX)
        tsdl_stop(parser, -EBADMSG, "more than %u classes of streams", STREAMS_MAX);
    if (stream_of(parser, stream->id))
        tsdl_stop(parser, -EBADMSG, "two streams have one id");
    stream->next = parser->trace->streams;
    parser->trace->streams = stream;
}

static void event_block(struct parser *parser)
{
    struct tsdl_event *const event = tsdl_take(parser, sizeof *event);
    struct statement statement;
    *event = (struct tsdl_event){.name = "", .loglevel = -1};
    while (statement_taken(parser, &statement)) {
        if (strcmp(statement.path, "id") == 0)
            event->id = (uint64_t)statement.value.number;
        else if (strcmp(statement.path, "stream_id") == 0)
            event->stream_id = (uint64_t)statement.value.number;
        else if (strcmp(statement.path, "name") == 0)
            event->name = statement.value.text ? statement.value.text : "";
        else if (strcmp(statement.path, "loglevel") == 0)
            event->loglevel = statement.value.number;
        else if (strcmp(statement.path, "context") == 0)
            event->context = statement.type;
        else if (strcmp(statement.path, "fields") == 0)
            event->fields = statement.type;
    }
    struct tsdl_stream *const stream = stream_of(parser, event->stream_id);
    if (!stream)
        tsdl_stop(parser, -EBADMSG, "an event of a stream that was not defined");
    struct tsdl_event **const bucket_of = &stream->by_id[event->id % TSDL_BUCKETS];
    event->next = stream->events;
    stream->events = event;
    event->same = *bucket_of;
    *bucket_of = event;
}

static void skip_block(struct parser *parser)
{
    struct statement statement;
    while (statement_taken(parser, &statement))
        ;
}

static void top_level(struct parser *parser)
{
    static const struct {
        const char *name;
        void (*block)(struct parser *parser);
    } blocks[] = {{"trace", trace_block},   {"clock", clock_block}, {"env", env_block},
                  {"stream", stream_block}, {"event", event_block}, {"callsite", skip_block}};
    if (tsdl_accept(parser, ";"))
        return;
    if (tsdl_accept(parser, "typealias")) {
        typealias(parser);
        return;
    }
    if (tsdl_accept(parser, "typedef")) {
        typedefinition(parser);
        return;
    }
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        if (tsdl_accept(parser, blocks[i].name)) {
            tsdl_expect(parser, "{");
            blocks[i].block(parser);
            return;
        }
    }
    if (!tsdl_is(parser, "struct") && !tsdl_is(parser, "enum") && !tsdl_is(parser, "variant"))
        tsdl_stop(parser, -EBADMSG, "'%.*s' was not expected",
                  (int)(parser->token.bytes < 40 ? parser->token.bytes : 40), parser->token.at);
    type_taken(parser, NULL);
    tsdl_expect(parser, ";");
}

int tsdl_parse(struct tsdl_trace *trace, const char *text, size_t count, char *why, size_t why_size)
{
    struct parser *const parser = calloc(1, sizeof *parser);
    *trace = (struct tsdl_trace){.clock_hz = 1000000000};
    if (!parser)
        return -ENOMEM;
    parser->trace = trace;
    parser->at = text;
    parser->end = text + count;
    parser->line = 1;
    parser->why = why;
    parser->why_size = why_size;
    if (setjmp(parser->failed) == 0) {
        tsdl_advance(parser);
        while (parser->token.kind != END)
            top_level(parser);
    }
    const int r = parser->error;
    free(parser);
    return r;
}

const struct tsdl_env *tsdl_env(const struct tsdl_trace *trace, const char *name)
{
    for (const struct tsdl_env *env = trace->env; env; env = env->next)
        if (strcmp(env->name, name) == 0)
            return env;
    return NULL;
}

const char *tsdl_name(const char *name)
{
    return *name == '_' ? name + 1 : name;
}
