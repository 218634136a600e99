(* SPDX-License-Identifier: ISC *)

(** The payload of C events in an OCaml ring, for consumers of [Runtime_events]: what libevtrail-ocaml writes where unit, int and span do
    not say enough. A consumer knows custom events by their names, so it registers those that it wants to see:

    {[
      let _ = Runtime_events.User.register "pool.conn.open" My_tag Evtrail_payload.typ
      let callbacks = Runtime_events.Callbacks.(create () |> add_user_event Evtrail_payload.typ on_event)
    ]} *)

type value = Bool of bool | Int of int64 | Unsigned of int64 | Float of float | String of string option | Bytes of string option

type t = {
  kind : int;  (** enum evtrail_kind: 0 instant, 1 begin, 2 end, 3 counter, 4 state, 5 name, 6 gone, 7 flow *)
  level : int;  (** 1 critical to 6 trace *)
  thread : int;
  time_ns : int64;  (** CLOCK_MONOTONIC, when it happened: an event of a thread without the runtime lock is written later *)
  cut : bool;  (** strings were shortened, or fields left out, to fit *)
  fields : value list;
}

val typ : t Runtime_events.Type.t

val decode : bytes -> int -> t
(** [decode buffer length]. [Failure]: not such a payload. *)

val to_string : t -> string
(** The fields, separated by commas. *)
