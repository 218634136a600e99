/* SPDX-License-Identifier: ISC
 *
 * Metadata of a CTF trace, as TSDL text. Everything is aligned to bytes: there is no padding but between packets.
 */
#include "ctf.h"

#include <evtrail/format.h>
#include <evtrail/trace.h>

#include <ctype.h>
#include <stdio.h>

static const char types[] = "typealias integer { size = 8; align = 8; signed = true; } := int8_t;\n"
                            "typealias integer { size = 16; align = 8; signed = true; } := int16_t;\n"
                            "typealias integer { size = 32; align = 8; signed = true; } := int32_t;\n"
                            "typealias integer { size = 64; align = 8; signed = true; } := int64_t;\n"
                            "typealias integer { size = 8; align = 8; signed = false; } := uint8_t;\n"
                            "typealias integer { size = 16; align = 8; signed = false; } := uint16_t;\n"
                            "typealias integer { size = 32; align = 8; signed = false; } := uint32_t;\n"
                            "typealias integer { size = 64; align = 8; signed = false; } := uint64_t;\n"
                            "typealias integer { size = 8; align = 8; signed = false; base = 16; } := hex8_t;\n"
                            "typealias integer { size = 16; align = 8; signed = false; base = 16; } := hex16_t;\n"
                            "typealias integer { size = 32; align = 8; signed = false; base = 16; } := hex32_t;\n"
                            "typealias integer { size = 64; align = 8; signed = false; base = 16; } := hex64_t;\n"
                            "typealias integer { size = 8; align = 8; signed = false; encoding = UTF8; } := char8_t;\n"
                            "typealias floating_point { exp_dig = 8; mant_dig = 24; align = 8; } := float_t;\n"
                            "typealias floating_point { exp_dig = 11; mant_dig = 53; align = 8; } := double_t;\n\n";

/* Times are ns since 1970, as all our other output has them; the header of an event holds the low 32 bits. */
static const char clock_and_stream[] =
    "clock {\n\tname = realtime;\n\tdescription = \"ns since 1970\";\n\tfreq = 1000000000;\n\toffset_s = 0;\n\toffset "
    "= 0;\n"
    "\tabsolute = true;\n};\n\n"
    "typealias integer { size = 32; align = 8; signed = false; map = clock.realtime.value; } := time32_t;\n"
    "typealias integer { size = 64; align = 8; signed = false; map = clock.realtime.value; } := time64_t;\n\n"
    "stream {\n\tid = 0;\n"
    "\tpacket.context := struct {\n\t\ttime64_t timestamp_begin;\n\t\ttime64_t timestamp_end;\n\t\tuint64_t "
    "content_size;\n"
    "\t\tuint64_t packet_size;\n\t\tuint64_t packet_seq_num;\n\t\tuint64_t events_discarded;\n";

/* The text in quotes; what would end the string or is not printable is replaced. */
static void quoted(struct scratch *text, const char *bytes, size_t count)
{
    const size_t begin = text->used + 1;
    scratch_char(text, '"');
    scratch_utf8(text, bytes, count, true);
    for (size_t i = begin; i < text->used; i++) {
        char *const c = &text->bytes[i];
        if (*c == '"')
            *c = '\'';
        else if (*c == '\\')
            *c = '/';
        else if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
    }
    scratch_char(text, '"');
}

static void env(struct scratch *text, const char *name, const char *value)
{
    scratch_text(text, "\t");
    scratch_text(text, name);
    scratch_text(text, " = ");
    quoted(text, value, strlen(value));
    scratch_text(text, ";\n");
}

static void env_number(struct scratch *text, const char *name, uint64_t value)
{
    char line[100];
    snprintf(line, sizeof line, "\t%s = %llu;\n", name, (unsigned long long)value);
    scratch_text(text, line);
}

void ctf_metadata_trace(struct scratch *text, const struct evtrail_source *source, const uint8_t uuid[16])
{
    scratch_text(text, "/* CTF 1.8 */\n/* written by evtrail convert */\n\n");
    scratch_text(text, types);
    scratch_text(text, "trace {\n\tmajor = 1;\n\tminor = 8;\n\tuuid = \"");
    for (unsigned i = 0; i < 16; i++) {
        scratch_text(text, i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "");
        scratch_hex_bytes(text, &uuid[i], 1);
    }
    scratch_text(text,
                 "\";\n\tbyte_order = le;\n\tpacket.header := struct {\n\t\tuint32_t magic;\n\t\tuint8_t uuid[16];\n"
                 "\t\tuint32_t stream_id;\n\t\tuint64_t stream_instance_id;\n\t};\n};\n\nenv {\n");
    env(text, "tracer_name", "evtrail");
    env(text, "hostname", source->host);
    env(text, "procname", source->command);
    env(text, "program", source->program);
    env_number(text, "vpid", source->pid);
    env_number(text, "parent_pid", source->parent_pid);
    env_number(text, "uid", source->uid);
    env_number(text, "start_ns", source->start_realtime_ns);
    scratch_text(text, "};\n\n");
    scratch_text(text, clock_and_stream);
    scratch_text(text, "\t\tenum : uint8_t { \"none\" = 255");
    for (unsigned i = 0; i < EVTRAIL_CAUSES_ALL; i++) {
        scratch_text(text, ", ");
        quoted(text, evtrail_cause_name(i), strlen(evtrail_cause_name(i)));
        scratch_text(text, " = ");
        scratch_unsigned(text, i);
    }
    scratch_text(text, " } discarded_because;\n\t\tchar8_t thread[16];\n\t};\n"
                       "\tevent.header := struct {\n\t\tuint16_t id;\n\t\ttime32_t timestamp;\n\t};\n"
                       "\tevent.context := struct {\n\t\tint32_t _vtid;\n\t};\n};\n\n");
}

/* ---- event classes -------------------------------------------------------------------------------------------------------- */

/* Fields' names are what C calls them, also `conn->port`: made identifiers, with the underscore in front that readers take away again. */
static void identifier(struct scratch *text, const char *name)
{
    scratch_char(text, '_');
    if (!*name)
        scratch_text(text, "field");
    for (; *name; name++)
        scratch_char(text, isalnum((unsigned char)*name) && (unsigned char)*name < 128 ? *name : '_');
}

static bool same_identifier(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if (*a != *b && (isalnum((unsigned char)*a) || isalnum((unsigned char)*b)))
            return false;
    return *a == *b;
}

static void field_name(struct scratch *text, const struct evtrail_event_type *type, unsigned index)
{
    unsigned before = 0;
    for (unsigned i = 0; i < index; i++)
        before += same_identifier(type->fields[i].name, type->fields[index].name);
    identifier(text, type->fields[index].name);
    if (before == 0)
        return;
    scratch_text(text, "__"); /* of fields that would have one name all but the first are numbered */
    scratch_unsigned(text, before + 1);
}

/* `"half open" = 1, ...` from "1=half open,...". Returns how many there were. */
static unsigned enumerators(struct scratch *text, const char *enums)
{
    unsigned count = 0;
    while (*enums) {
        const size_t length = strcspn(enums, ",");
        const char *const equals = memchr(enums, '=', length);
        int64_t value;
        if (equals && equals > enums && equals + 1 < enums + length &&
            evtrail_enum_value(enums, equals + 1, (size_t)(enums + length - equals - 1), &value) == 0) {
            scratch_text(text, count++ ? ", " : "");
            quoted(text, equals + 1, (size_t)(enums + length - equals - 1));
            scratch_text(text, " = ");
            scratch_signed(text, value);
        }
        enums += length + (enums[length] == ',');
    }
    return count;
}

static void field(struct scratch *text, const struct evtrail_event_type *type, unsigned index)
{
    static const char *const plain[EVTRAIL_TYPES] = {
        [EVTRAIL_TYPE_bool] = "uint8_t",    [EVTRAIL_TYPE_i8] = "int8_t",     [EVTRAIL_TYPE_i16] = "int16_t",
        [EVTRAIL_TYPE_i32] = "int32_t",     [EVTRAIL_TYPE_i64] = "int64_t",   [EVTRAIL_TYPE_u8] = "uint8_t",
        [EVTRAIL_TYPE_u16] = "uint16_t",    [EVTRAIL_TYPE_u32] = "uint32_t",  [EVTRAIL_TYPE_u64] = "uint64_t",
        [EVTRAIL_TYPE_x8] = "hex8_t",       [EVTRAIL_TYPE_x16] = "hex16_t",   [EVTRAIL_TYPE_x32] = "hex32_t",
        [EVTRAIL_TYPE_x64] = "hex64_t",     [EVTRAIL_TYPE_f32] = "float_t",   [EVTRAIL_TYPE_f64] = "double_t",
        [EVTRAIL_TYPE_pointer] = "hex64_t", [EVTRAIL_TYPE_string] = "string",
    };
    const struct evtrail_field *const of = &type->fields[index];
    const size_t before = text->used;
    scratch_text(text, "\t\t");
    if (of->type == EVTRAIL_TYPE_bytes) {
        scratch_text(text, "uint32_t _");
        field_name(text, type, index);
        scratch_text(text, "_length;\n\t\thex8_t ");
        field_name(text, type, index);
        scratch_text(text, "[_");
        field_name(text, type, index);
        scratch_text(text, "_length];\n");
        return;
    }
    if (of->type == EVTRAIL_TYPE_enum) {
        scratch_text(text, "enum : int64_t { ");
        const unsigned count = enumerators(text, of->enums);
        scratch_text(text, " } ");
        if (count == 0) {
            text->used = before;
            scratch_text(text, "\t\tint64_t ");
        }
    } else {
        scratch_text(text, of->type < EVTRAIL_TYPES && plain[of->type] ? plain[of->type] : "hex64_t");
        scratch_char(text, ' ');
    }
    field_name(text, type, index);
    scratch_text(text, ";\n");
}

/* Begin and end of a span have one name here, as state, name and end of an entity: there it says which. */
static void event_name(struct scratch *text, const char *name, unsigned kind)
{
    quoted(text, name, strlen(name));
    if (kind != EVTRAIL_KIND_begin && kind != EVTRAIL_KIND_end && kind != EVTRAIL_KIND_state &&
        kind != EVTRAIL_KIND_name && kind != EVTRAIL_KIND_gone)
        return;
    text->used--;
    scratch_char(text, ':');
    scratch_text(text, evtrail_kind_name(kind));
    scratch_char(text, '"');
}

static void event_head(struct scratch *text, unsigned id, const char *name, unsigned level, unsigned kind,
                       bool with_context)
{
    static const unsigned levels[EVTRAIL_LEVELS + 1] = {14, 2,  3, 4,
                                                        6,  10, 14}; /* LTTng's: syslog's, 10 and 14 for debugging */
    scratch_text(text, "event {\n\tid = ");
    scratch_unsigned(text, id);
    scratch_text(text, ";\n\tname = ");
    event_name(text, name, kind);
    scratch_text(text, ";\n\tstream_id = 0;\n\tloglevel = ");
    scratch_unsigned(text, levels[level <= EVTRAIL_LEVELS ? level : 0]);
    scratch_text(text, ";\n");
    if (with_context) /* a sequence here, as of addresses, has babeltrace2 2.0.4 abort */
        scratch_text(
            text, "\tcontext := struct {\n\t\thex32_t _null_fields;\n\t\thex32_t _missing_fields;\n\t\thex8_t _flags;\n"
                  "\t\tuint32_t _cpu;\n\t\tstring _caller;\n\t\tstring _stack;\n\t\tstring _labels;\n\t};\n");
    scratch_text(text, "\tfields := struct {\n");
}

void ctf_metadata_type(struct scratch *text, const struct evtrail_event_type *type, bool with_context)
{
    event_head(text, type->id + (with_context ? CTF_WITH_CONTEXT : 0), type->name, type->level, type->kind,
               with_context);
    for (unsigned i = 0; i < type->fields_count; i++)
        field(text, type, i);
    scratch_text(text, "\t};\n};\n\n");
}

void ctf_metadata_unknown(struct scratch *text)
{
    event_head(text, CTF_UNKNOWN, "not in the schema", 0, EVTRAIL_KIND_instant, true);
    scratch_text(text,
                 "\t\tuint32_t _id;\n\t\tuint32_t __words_length;\n\t\thex64_t _words[__words_length];\n\t};\n};\n\n");
}
