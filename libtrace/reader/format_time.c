/* SPDX-License-Identifier: ISC
 *
 * Moments as text: days to dates by arithmetic, so that no lock of the C library's time zone is taken for each event.
 */
#include "reader/format.h"

#include <time.h>

#define NS_PER_S INT64_C(1000000000)

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Seconds east of UTC at that moment. Asked once for each quarter of an hour: zones change at such only. */
static int64_t local_offset(int64_t seconds)
{
    static _Thread_local struct {
        int64_t quarter, offset;
        bool known;
    } cache;
    int64_t quarter = floor_div(seconds, 900);
    if (cache.known && cache.quarter == quarter)
        return cache.offset;
    time_t when = (time_t)(quarter * 900);
    struct tm local;
    cache.offset = localtime_r(&when, &local) ? local.tm_gmtoff : 0;
    cache.quarter = quarter;
    cache.known = true;
    return cache.offset;
}

/* Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": civil_from_days. */
static void put_date(struct evtrail_text *text, int64_t days)
{
    days += 719468;
    int64_t era = floor_div(days, 146097);
    unsigned day_of_era = (unsigned)(days - era * 146097);
    unsigned year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned shifted = (5 * day_of_year + 2) / 153; /* months from March */
    unsigned day = day_of_year - (153 * shifted + 2) / 5 + 1;
    unsigned month = shifted < 10 ? shifted + 3 : shifted - 9;
    int64_t year = (int64_t)year_of_era + era * 400 + (month <= 2);
    evtrail_text_digits(text, (uint64_t)year, 4);
    evtrail_text_char(text, '-');
    evtrail_text_digits(text, month, 2);
    evtrail_text_char(text, '-');
    evtrail_text_digits(text, day, 2);
}

static void put_clock(struct evtrail_text *text, unsigned second_of_day)
{
    char clock[] = "00:00:00.";
    unsigned parts[3] = {second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60};
    for (unsigned i = 0; i < 3; i++) {
        clock[3 * i] = (char)('0' + parts[i] / 10);
        clock[3 * i + 1] = (char)('0' + parts[i] % 10);
    }
    evtrail_text_put(text, clock, 9);
}

static void put_offset(struct evtrail_text *text, int64_t offset)
{
    uint64_t size = (uint64_t)(offset < 0 ? -offset : offset);
    evtrail_text_char(text, offset < 0 ? '-' : '+');
    evtrail_text_digits(text, size / 3600, 2);
    evtrail_text_char(text, ':');
    evtrail_text_digits(text, size / 60 % 60, 2);
}

/* What stands before and behind the ns of a moment: the same for all of a second. */
struct frame {
    int64_t seconds;
    uint32_t style;
    bool known;
    uint8_t head_bytes, tail_bytes;
    char head[24], tail[8];
};

static void frame_init(struct frame *frame, int64_t seconds, uint32_t style)
{
    struct evtrail_text head, tail;
    int64_t offset = style == EVTRAIL_TIME_utc ? 0 : local_offset(seconds);
    int64_t days = floor_div(seconds + offset, 86400);
    evtrail_text_init(&head, frame->head, sizeof(frame->head));
    evtrail_text_init(&tail, frame->tail, sizeof(frame->tail));
    if (style != EVTRAIL_TIME_clock) {
        put_date(&head, days);
        evtrail_text_char(&head, 'T');
    }
    put_clock(&head, (unsigned)(seconds + offset - days * 86400));
    if (style == EVTRAIL_TIME_utc)
        evtrail_text_char(&tail, 'Z');
    else if (style == EVTRAIL_TIME_local)
        put_offset(&tail, offset);
    frame->head_bytes = (uint8_t)(head.at - frame->head);
    frame->tail_bytes = (uint8_t)(tail.at - frame->tail);
    frame->seconds = seconds;
    frame->style = style;
    frame->known = true;
}

static void put_calendar(struct evtrail_text *text, int64_t time_ns, uint32_t style)
{
    static _Thread_local struct frame frame;
    int64_t seconds = floor_div(time_ns, NS_PER_S);
    if (!frame.known || frame.seconds != seconds || frame.style != style)
        frame_init(&frame, seconds, style);
    evtrail_text_put(text, frame.head, frame.head_bytes);
    evtrail_text_digits(text, (uint64_t)time_ns - (uint64_t)seconds * NS_PER_S, 9); /* seconds, as ns, may not fit */
    evtrail_text_put(text, frame.tail, frame.tail_bytes);
}

void evtrail_format_put_time(struct evtrail_text *text, int64_t time_ns, uint32_t style, int64_t time_base)
{
    int64_t distance = (int64_t)((uint64_t)time_ns - (uint64_t)time_base);
    uint64_t size = distance < 0 ? -(uint64_t)distance : (uint64_t)distance;
    switch (style) {
    case EVTRAIL_TIME_relative:
        evtrail_text_char(text, distance < 0 ? '-' : '+');
        evtrail_text_unsigned(text, size / NS_PER_S);
        evtrail_text_char(text, '.');
        evtrail_text_digits(text, size % NS_PER_S, 9);
        break;
    case EVTRAIL_TIME_delta:
        if (distance >= 0)
            evtrail_text_char(text, '+');
        evtrail_text_duration(text, distance);
        break;
    case EVTRAIL_TIME_epoch:
        evtrail_text_signed(text, time_ns);
        break;
    case EVTRAIL_TIME_none:
        break;
    default:
        put_calendar(text, time_ns, style);
        break;
    }
}

size_t evtrail_format_time(int64_t time_ns, uint32_t style, int64_t time_base, char *buffer, size_t size)
{
    struct evtrail_text text;
    evtrail_text_init(&text, buffer, size);
    evtrail_format_put_time(&text, time_ns, style, time_base);
    return evtrail_text_size(&text);
}
