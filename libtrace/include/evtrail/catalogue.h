/* SPDX-License-Identifier: ISC
 *
 * A library's events, declared once in a list, become its emitters. The list (`pool.def`) has one entry an event:
 *
 *     EVTRAIL_EVENT(conn_open, "pool.conn.open", info, instant, "A connection was opened.",
 *                   (string, host, "", "the peer's name"), (u16, port, "", "its port"), (u64, took, "ns", "connect time"))
 *
 * ident, name, level, kind, description, then up to 16 fields (type, name, unit, description); the kinds and the places of
 * ids are those of trace.h; types are the tokens after EVTRAIL_TYPE_ there. An enum's unit lists its names: "0=idle,1=open".
 *
 * A header of the library turns it into functions pool_trace_conn_open(host, port, took) and, with the caller's
 * stamp first, pool_trace_conn_open_at(ticks, host, port, took); one source file defines EVTRAIL_CATALOGUE_DEFINE first:
 *
 *     #define EVTRAIL_CATALOGUE "pool.def"     // found by the compiler's -I
 *     #define EVTRAIL_PREFIX pool_trace_
 *     #include <evtrail/catalogue.h>
 *
 * May be included again for another catalogue. pool_trace_conn_open_on() tells whether the event is on. With
 * EVTRAIL_COMPILED_OUT the functions are empty.
 */
#include <evtrail/trace.h>

#if !defined(EVTRAIL_CATALOGUE) || !defined(EVTRAIL_PREFIX)
#error "define EVTRAIL_CATALOGUE (the list's file name, quoted) and EVTRAIL_PREFIX before <evtrail/catalogue.h>"
#endif

#ifndef EVTRAIL_CATALOGUE_ONCE
#define EVTRAIL_CATALOGUE_ONCE
#define EVTRAIL_CTYPE__Bool _Bool
#ifdef __cplusplus
#define EVTRAIL_CTYPE_bool bool
#else
#define EVTRAIL_CTYPE_bool _Bool
#endif
#define EVTRAIL_TYPE__Bool EVTRAIL_TYPE_bool
#define EVTRAIL_CTYPE_i8 int8_t
#define EVTRAIL_CTYPE_i16 int16_t
#define EVTRAIL_CTYPE_i32 int32_t
#define EVTRAIL_CTYPE_i64 int64_t
#define EVTRAIL_CTYPE_u8 uint8_t
#define EVTRAIL_CTYPE_u16 uint16_t
#define EVTRAIL_CTYPE_u32 uint32_t
#define EVTRAIL_CTYPE_u64 uint64_t
#define EVTRAIL_CTYPE_x8 uint8_t
#define EVTRAIL_CTYPE_x16 uint16_t
#define EVTRAIL_CTYPE_x32 uint32_t
#define EVTRAIL_CTYPE_x64 uint64_t
#define EVTRAIL_CTYPE_f32 float
#define EVTRAIL_CTYPE_f64 double
#define EVTRAIL_CTYPE_pointer const void *
#define EVTRAIL_CTYPE_string const char *
#define EVTRAIL_CTYPE_bytes struct evtrail_memory
#define EVTRAIL_CTYPE_enum int
#define EVTRAIL_COMMA_1
#define EVTRAIL_COMMA_2 ,
#define EVTRAIL_COMMA_3 ,
#define EVTRAIL_COMMA_4 ,
#define EVTRAIL_COMMA_5 ,
#define EVTRAIL_COMMA_6 ,
#define EVTRAIL_COMMA_7 ,
#define EVTRAIL_COMMA_8 ,
#define EVTRAIL_COMMA_9 ,
#define EVTRAIL_COMMA_10 ,
#define EVTRAIL_COMMA_11 ,
#define EVTRAIL_COMMA_12 ,
#define EVTRAIL_COMMA_13 ,
#define EVTRAIL_COMMA_14 ,
#define EVTRAIL_COMMA_15 ,
#define EVTRAIL_COMMA_16 ,
#define EVTRAIL_VOID_0 void
#define EVTRAIL_VOID_1
#define EVTRAIL_VOID_2
#define EVTRAIL_VOID_3
#define EVTRAIL_VOID_4
#define EVTRAIL_VOID_5
#define EVTRAIL_VOID_6
#define EVTRAIL_VOID_7
#define EVTRAIL_VOID_8
#define EVTRAIL_VOID_9
#define EVTRAIL_VOID_10
#define EVTRAIL_VOID_11
#define EVTRAIL_VOID_12
#define EVTRAIL_VOID_13
#define EVTRAIL_VOID_14
#define EVTRAIL_VOID_15
#define EVTRAIL_VOID_16
#define EVTRAIL_F_PARAM_(type, name, unit, doc) EVTRAIL_CAT_(EVTRAIL_CTYPE_, type) name
#define EVTRAIL_F_NAME_(type, name, unit, doc) name
#define EVTRAIL_F_DESC_(type, name, unit, doc) {(uint8_t)EVTRAIL_CAT_(EVTRAIL_TYPE_, type), #name, unit, doc, NULL}
#define EVTRAIL_F_UNUSED_(type, name, unit, doc) (void)name;
#define EVTRAIL_M_PARAM_(i, field) EVTRAIL_CAT_(EVTRAIL_COMMA_, i) EVTRAIL_F_PARAM_ field
#define EVTRAIL_M_PARAM_AFTER_(i, field) , EVTRAIL_F_PARAM_ field
#define EVTRAIL_M_NAME_AFTER_(i, field) , EVTRAIL_F_NAME_ field
#define EVTRAIL_M_UNUSED_(i, field) EVTRAIL_F_UNUSED_ field
#define EVTRAIL_M_DESC_(i, field) EVTRAIL_F_DESC_ field,
#define EVTRAIL_FUNCTION_(ident) EVTRAIL_CAT_(EVTRAIL_PREFIX, ident)
#define EVTRAIL_EMITTER_(ident) EVTRAIL_CAT_(EVTRAIL_FUNCTION_(ident), _point)
#endif

#ifdef __cplusplus
extern "C" {
#endif

#ifdef EVTRAIL_COMPILED_OUT
#define EVTRAIL_EVENT(ident, name_, level_, kind_, ...) \
    EVTRAIL_INLINE_ int EVTRAIL_CAT_(EVTRAIL_FUNCTION_(ident), _on)(void) \
    { \
        return 0; \
    } \
    EVTRAIL_INLINE_ void EVTRAIL_CAT_(EVTRAIL_FUNCTION_(ident), _at)( \
        uint64_t evtrail_ticks EVTRAIL_EACH_(EVTRAIL_M_PARAM_AFTER_, __VA_ARGS__)) \
    { \
        (void)evtrail_ticks; \
        EVTRAIL_EACH_(EVTRAIL_M_UNUSED_, __VA_ARGS__) \
    } \
    EVTRAIL_INLINE_ void EVTRAIL_FUNCTION_(ident)(EVTRAIL_CAT_(EVTRAIL_VOID_, EVTRAIL_COUNT_(__VA_ARGS__)) \
                                                      EVTRAIL_EACH_(EVTRAIL_M_PARAM_, __VA_ARGS__)) \
    { \
        EVTRAIL_EACH_(EVTRAIL_M_UNUSED_, __VA_ARGS__) \
    }
#include EVTRAIL_CATALOGUE
#undef EVTRAIL_EVENT
#else

#define EVTRAIL_EVENT(ident, name_, level_, kind_, ...) \
    extern struct evtrail_point EVTRAIL_EMITTER_(ident) __attribute__((visibility("hidden"))); \
    EVTRAIL_INLINE_ int EVTRAIL_CAT_(EVTRAIL_FUNCTION_(ident), _on)(void) \
    { \
        return evtrail_on_(&EVTRAIL_EMITTER_(ident)) != 0; \
    } \
    EVTRAIL_INLINE_ void EVTRAIL_CAT_(EVTRAIL_FUNCTION_(ident), _at)( \
        uint64_t evtrail_ticks EVTRAIL_EACH_(EVTRAIL_M_PARAM_AFTER_, __VA_ARGS__)) \
    { \
        const unsigned evtrail_state = evtrail_on_(&EVTRAIL_EMITTER_(ident)); \
        if (EVTRAIL_UNLIKELY_(evtrail_state)) \
            EVTRAIL_WRITE_(&EVTRAIL_EMITTER_(ident), evtrail_state, evtrail_ticks, \
                           0 EVTRAIL_EACH_(EVTRAIL_M_NAME_AFTER_, __VA_ARGS__)); \
    } \
    EVTRAIL_INLINE_ void EVTRAIL_FUNCTION_(ident)(EVTRAIL_CAT_(EVTRAIL_VOID_, EVTRAIL_COUNT_(__VA_ARGS__)) \
                                                      EVTRAIL_EACH_(EVTRAIL_M_PARAM_, __VA_ARGS__)) \
    { \
        const unsigned evtrail_state = evtrail_on_(&EVTRAIL_EMITTER_(ident)); \
        if (EVTRAIL_UNLIKELY_(evtrail_state)) \
            EVTRAIL_WRITE_(&EVTRAIL_EMITTER_(ident), evtrail_state, EVTRAIL_STAMP_NOW_, \
                           0 EVTRAIL_EACH_(EVTRAIL_M_NAME_AFTER_, __VA_ARGS__)); \
    }
#include EVTRAIL_CATALOGUE
#undef EVTRAIL_EVENT

#ifdef EVTRAIL_CATALOGUE_DEFINE
#define EVTRAIL_EVENT(ident, name_, level_, kind_, ...) \
    static const struct evtrail_field_desc EVTRAIL_CAT_(EVTRAIL_FUNCTION_(ident), _fields)[] = { \
        EVTRAIL_EACH_(EVTRAIL_M_DESC_, __VA_ARGS__){0, NULL, NULL, NULL, NULL}}; \
    struct evtrail_point EVTRAIL_EMITTER_(ident) = {&evtrail_off_, \
                                                    0, \
                                                    EVTRAIL_LEVEL_##level_, \
                                                    EVTRAIL_KIND_##kind_, \
                                                    EVTRAIL_COUNT_(__VA_ARGS__), \
                                                    EVTRAIL_ABI, \
                                                    name_, \
                                                    EVTRAIL_FIRST_(__VA_ARGS__), \
                                                    NULL, \
                                                    NULL, \
                                                    EVTRAIL_CAT_(EVTRAIL_FUNCTION_(ident), _fields), \
                                                    __FILE__, \
                                                    #ident, \
                                                    __LINE__, \
                                                    0}; \
    static struct evtrail_point *const EVTRAIL_CAT_(EVTRAIL_FUNCTION_(ident), _ref) \
        __attribute__((section("evtrail_points"), used)) = &EVTRAIL_EMITTER_(ident);
#include EVTRAIL_CATALOGUE
#undef EVTRAIL_EVENT
#undef EVTRAIL_CATALOGUE_DEFINE
#endif
#endif

#ifdef __cplusplus
} /* extern "C" */
#endif
#undef EVTRAIL_CATALOGUE
#undef EVTRAIL_PREFIX
