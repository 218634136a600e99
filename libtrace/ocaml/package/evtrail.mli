(* SPDX-License-Identifier: ISC *)

(** Typed events of evtrail from OCaml.

    {[
      let conn_open = Evtrail.event "pool.conn.open" Evtrail.[ string "host"; int "port" ]
      let () = Evtrail.emit conn_open "example.org" 443
    ]}

    Event types are made once, at the start of the program or of a module. An event that is off costs a call and one byte test; one that is
    on about 10 ns more than a C one. Nothing here allocates but where it says so. Events go to evtrail's rings, where the [evtrail] command
    reads them, and with {!forward} to OCaml's own ring as well. All is safe from any domain and thread. Where tracing is off (no
    directory, setuid, EVTRAIL=off) all does nothing.

    Under the policy [block] an emission may wait for the reader; it keeps OCaml's runtime lock meanwhile. *)

type level = Critical | Error | Warning | Info | Debug | Trace

(** {1 Fields} *)

type 'a field
(** One field: its OCaml type, name and unit. *)

val int : ?unit:string -> ?doc:string -> string -> int field
val hex : ?doc:string -> string -> int field
(** As {!int}, shown in hexadecimal. *)

val bool : ?doc:string -> string -> bool field
val float : ?unit:string -> ?doc:string -> string -> float field
val int32 : ?unit:string -> ?doc:string -> string -> int32 field
val int64 : ?unit:string -> ?doc:string -> string -> int64 field
val string : ?doc:string -> string -> string field
(** All of the string, zero bytes included. *)

val bytes : ?doc:string -> string -> bytes field
(** Copied as it is when the event is emitted; shown in hexadecimal. *)

val enum : ?doc:string -> string -> string list -> int field
(** An integer whose values 0, 1, ... have these names. *)

(** The fields of an event: write them as a list, [Evtrail.[ string "host"; int "port" ]]. At most 32. *)
type 'f fields =
  | [] : unit fields
  | ( :: ) : 'a field * 'f fields -> ('a -> 'f) fields

(** {1 Event types}

    The same name, kind and fields give the same type. [Invalid_argument]: more than 32 fields, or no name. They allocate. *)

type 'f event
(** ['f] is the type of its emission: [string -> int -> unit]. *)

val event : ?level:level -> ?doc:string -> string -> 'f fields -> 'f event
(** Something happened. [level] is {!Info} where it is not given, here as below. *)

val span_begin : ?level:level -> ?doc:string -> string -> 'f fields -> (int -> int -> 'f) event
(** A span opens: its id ({!span_id}), its parent's or 0, then the fields. *)

val span_end : ?level:level -> ?doc:string -> string -> 'f fields -> (int -> 'f) event
(** The span of that name and id closes. *)

val counter : ?level:level -> ?doc:string -> ?unit:string -> string -> (int -> unit) event
(** A quantity has this value now. *)

val counter_float : ?level:level -> ?doc:string -> ?unit:string -> string -> (float -> unit) event

val state : ?level:level -> ?doc:string -> string -> 'f fields -> (int -> int -> string -> 'f) event
(** An entity of the class [name]: its id, its parent's or 0, its state, then the fields. *)

val name : ?level:level -> ?doc:string -> string -> 'f fields -> (int -> string -> 'f) event
(** The entity is called this. *)

val gone : ?level:level -> ?doc:string -> string -> 'f fields -> (int -> 'f) event
(** The entity is gone. *)

val flow : ?level:level -> ?doc:string -> string -> 'f fields -> (int -> 'f) event
(** Work of that id passed here. *)

(** {1 Emitting} *)

val emit : 'f event -> 'f
(** [emit e a b] records it if it is on. Up to 6 fields; of an event with more it raises [Invalid_argument] (see {!start}). OCaml's
    convention for calls like this one passes floats, [int32] and [int64] boxed: one that was just computed is allocated by the
    caller. {!emit_float} and {!start} do without. *)

external emit_float : (float -> unit) event -> (float[@unboxed]) -> unit
  = "evtrail_ml_emit_float_byte" "evtrail_ml_emit_float"
[@@noalloc]
(** [emit] for an event of one float. *)

type 'f cursor
(** An event on its way, with these fields to come. Good for one use by the thread that it belongs to: one that comes out of turn
    records nothing. *)

external start : 'f event -> 'f cursor = "evtrail_ml_start"
[@@noalloc]
(** Field by field, any number, never allocating:
    {[ Evtrail.(start e |> put_string host |> put_float 0.5 |> commit) ]}
    Strings are cut to what fits 4,000 bytes in all. *)

external put_int : int -> (int -> 'f) cursor -> 'f cursor = "evtrail_ml_put_int" [@@noalloc]
external put_bool : bool -> (bool -> 'f) cursor -> 'f cursor = "evtrail_ml_put_int" [@@noalloc]

external put_float : (float[@unboxed]) -> (float -> 'f) cursor -> 'f cursor
  = "evtrail_ml_put_float_byte" "evtrail_ml_put_float"
[@@noalloc]

external put_int32 : (int32[@unboxed]) -> (int32 -> 'f) cursor -> 'f cursor
  = "evtrail_ml_put_int32_byte" "evtrail_ml_put_int32"
[@@noalloc]

external put_int64 : (int64[@unboxed]) -> (int64 -> 'f) cursor -> 'f cursor
  = "evtrail_ml_put_int64_byte" "evtrail_ml_put_int64"
[@@noalloc]

external put_string : string -> (string -> 'f) cursor -> 'f cursor = "evtrail_ml_put_string" [@@noalloc]
external put_bytes : bytes -> (bytes -> 'f) cursor -> 'f cursor = "evtrail_ml_put_string" [@@noalloc]
external commit : unit cursor -> unit = "evtrail_ml_commit" [@@noalloc]

external enabled : 'f event -> bool = "evtrail_ml_enabled"
[@@noalloc]
(** Whether it is on: before work that only the event needs. *)

external span_id : unit -> int = "evtrail_ml_span_id"
[@@noalloc]
(** An id for a span or an entity, unique in this process. *)

(** {1 The session} *)

val rule : string -> int
(** Switches event types on or off, as [evtrail enable] does: ["pool.*:debug"], ["-pool"]. The number of types changed.
    [Invalid_argument]: not a rule; [Failure]: there is no session. *)

val set : string -> unit
(** One setting: ["policy=drop"], ["blocks=16"]. [Invalid_argument]; [Failure]. *)

external label : string -> string -> unit = "evtrail_ml_label"
[@@noalloc]
(** [label key value] stands on this system thread's events from now on; the value [""] takes it away. *)

val session_path : unit -> string option
(** Of this process. Allocates. *)

(** {1 OCaml's own ring} *)

val forward : string -> int
(** Event types that go to OCaml's ring of runtime events as well, those of C libraries in the process too:
    ["PATTERN[:LEVEL][@unit|@int|@span|@bytes]"], as the environment variable EVTRAIL_OCAML has them. The number of types
    forwarded. [Invalid_argument]: not a rule; [Failure]: no session, or a runtime before OCaml 5.3. *)

type forwarded = {
  written : int;  (** events written into OCaml's ring *)
  waited : int;  (** from threads without the runtime lock, or too early *)
  lost : int;
}

val forwarded : unit -> forwarded
