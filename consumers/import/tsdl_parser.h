/* SPDX-License-Identifier: ISC
 *
 * The parser of TSDL: its state, its memory and its words.
 */
#ifndef EVTRAIL_IMPORT_TSDL_PARSER_H
#define EVTRAIL_IMPORT_TSDL_PARSER_H

#include "tsdl.h"

#include <setjmp.h>

enum token_kind { END, NAME, NUMBER, TEXT, SIGN };
struct token {
    uint8_t kind;
    const char *at; /* into the text; TEXT: without the quotes */
    size_t bytes;
    int64_t number;
};
struct alias {
    struct alias *next;
    const char *name;
    const struct tsdl_type *type;
};
struct parser {
    struct tsdl_trace *trace;
    const char *at, *end;
    unsigned line, depth, streams;
    struct token token; /* the one ahead */
    struct alias *aliases[256];
    bool big_endian;
    char *why;
    size_t why_size;
    int error;
    jmp_buf failed;
};

/* Ends the parse: "line 12: ...". */
_Noreturn void tsdl_stop(struct parser *parser, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Memory that lives as long as the trace, all zero; a copy of text in it. */
void *tsdl_take(struct parser *parser, size_t bytes);
const char *tsdl_keep(struct parser *parser, const char *text, size_t bytes);

/* Reads the next token. */
void tsdl_advance(struct parser *parser);
/* Whether the token ahead is this name or sign; takes it if it is; or ends the parse if it is not. */
bool tsdl_is(const struct parser *parser, const char *text);
bool tsdl_accept(struct parser *parser, const char *text);
void tsdl_expect(struct parser *parser, const char *text);
/* The name or number ahead, or the end of the parse. */
const char *tsdl_name_taken(struct parser *parser);
int64_t tsdl_number_taken(struct parser *parser);

#endif /* EVTRAIL_IMPORT_TSDL_PARSER_H */
