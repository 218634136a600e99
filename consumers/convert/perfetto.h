/* SPDX-License-Identifier: ISC
 *
 * Perfetto's trace format: what the files that write it share.
 */
#ifndef EVTRAIL_CONVERT_PERFETTO_H
#define EVTRAIL_CONVERT_PERFETTO_H

#include "protobuf.h"
#include "timeline.h"

/* Numbers of fields in Perfetto's public schema (protos/perfetto/trace/). */
enum {
    TRACE_packet = 1,
    PACKET_clock_snapshot = 6,
    PACKET_timestamp = 8,
    PACKET_trusted_packet_sequence_id = 10,
    PACKET_track_event = 11,
    PACKET_interned_data = 12,
    PACKET_sequence_flags = 13,
    PACKET_trace_packet_defaults = 59,
    PACKET_track_descriptor = 60,
    DEFAULTS_timestamp_clock_id = 58,
    SNAPSHOT_clocks = 1,
    SNAPSHOT_primary_trace_clock = 2,
    CLOCK_clock_id = 1,
    CLOCK_timestamp = 2,
    TRACK_uuid = 1,
    TRACK_name = 2,
    TRACK_process = 3,
    TRACK_thread = 4,
    TRACK_parent_uuid = 5,
    TRACK_counter = 8,
    PROCESS_pid = 1,
    PROCESS_process_name = 6,
    PROCESS_start_timestamp_ns = 7,
    PROCESS_process_labels = 8,
    THREAD_pid = 1,
    THREAD_tid = 2,
    THREAD_thread_name = 5,
    COUNTER_unit = 3,
    COUNTER_unit_name = 6,
    EVENT_category_iids = 3,
    EVENT_debug_annotations = 4,
    EVENT_type = 9,
    EVENT_name_iid = 10,
    EVENT_track_uuid = 11,
    EVENT_categories = 22,
    EVENT_name = 23,
    EVENT_counter_value = 30,
    EVENT_double_counter_value = 44,
    EVENT_flow_ids = 47,
    INTERNED_event_categories = 1,
    INTERNED_event_names = 2,
    INTERNED_debug_annotation_names = 3,
    NAME_iid = 1,
    NAME_name = 2,
    NOTE_name_iid = 1,
    NOTE_bool_value = 2,
    NOTE_uint_value = 3,
    NOTE_int_value = 4,
    NOTE_double_value = 5,
    NOTE_string_value = 6,
    NOTE_pointer_value = 7,
    NOTE_name = 10,
    NOTE_dict_entries = 11,
    NOTE_array_values = 12,
};
enum { CLOCK_realtime = 1, CLOCK_monotonic = 3 };
enum { TYPE_slice_begin = 1, TYPE_slice_end = 2, TYPE_instant = 3, TYPE_counter = 4 };
enum { SEQUENCE = 1, STATE_cleared = 1, STATE_needed = 2 };
enum { UNIT_time_ns = 1, UNIT_size_bytes = 3 };

/* What the output knows of an event type. */
struct note {
    uint32_t iid;     /* of its name and provider; those of its fields come behind; 0: none yet */
    uint32_t part;    /* in which they were told */
    uint64_t counter; /* the track of its values; 0: none yet */
    uint32_t counter_part;
};
struct notes {
    struct note *by_id;
    uint32_t count;
    uint64_t lost; /* the track of what was lost */
    uint32_t lost_part;
};
struct perfetto {
    struct timeline *timeline;
    struct notes *processes;
    uint32_t processes_count;
    uint32_t iid;   /* the last one given */
    uint64_t track; /* as well */
    struct scratch packet;
    int error;
};

/* A packet at this time, begun and written. */
size_t perfetto_packet_begin(struct perfetto *perfetto, int64_t time);
int perfetto_packet_end(struct convert *convert, size_t begin);

/* What is known of a type; NULL: no memory. */
struct notes *perfetto_notes_of(struct perfetto *perfetto, uint32_t process);
struct note *perfetto_note_of(struct perfetto *perfetto, uint32_t process, uint32_t id);
/* Tells the names of a type and its fields, once a part, in a packet of their own: none may be open. */
struct note *perfetto_note_told(struct convert *convert, uint32_t process, const struct evtrail_event_type *type);
/* An interned name, as a field of INTERNED_*. */
void perfetto_name_put(struct scratch *packet, unsigned field, uint32_t iid, const char *prefix, const char *name, size_t bytes);

/* An annotation with this name (NULL: without), to be given its value and ended with pb_end(). */
size_t perfetto_named_begin(struct scratch *to, unsigned field, const char *name);
/* The annotations of an event's fields from `first` on, and of its context. */
void perfetto_args(struct convert *convert, struct scratch *to, const struct evtrail_event *event, unsigned first);

#endif /* EVTRAIL_CONVERT_PERFETTO_H */
