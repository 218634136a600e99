(* SPDX-License-Identifier: ISC *)

type level = Critical | Error | Warning | Info | Debug | Trace

(* enum evtrail_field_type, enum evtrail_kind: evtrail_stubs.c asserts them *)
let type_bool = 1
and type_i32 = 4
and type_i64 = 5
and type_u64 = 9
and type_x64 = 13
and type_f64 = 15
and type_string = 17
and type_bytes = 18
and type_enum = 19

let kind_instant = 0
and kind_begin = 1
and kind_end = 2
and kind_counter = 3
and kind_state = 4
and kind_name = 5
and kind_gone = 6
and kind_flow = 7

type 'a field = { field_type : int; field_name : string; unit_ : string; field_doc : string; enums : string }

let field ?(unit = "") ?(doc = "") ?(enums = "") field_type field_name =
  { field_type; field_name; unit_ = unit; field_doc = doc; enums }

let int ?unit ?doc name = field ?unit ?doc type_i64 name
let hex ?doc name = field ?doc type_x64 name
let id name = field type_u64 name
let bool ?doc name = field ?doc type_bool name
let float ?unit ?doc name = field ?unit ?doc type_f64 name
let int32 ?unit ?doc name = field ?unit ?doc type_i32 name
let int64 ?unit ?doc name = field ?unit ?doc type_i64 name
let string ?doc name = field ?doc type_string name
let bytes ?doc name = field ?doc type_bytes name

let enum ?doc name names =
  field ?doc ~enums:(String.concat "," (List.mapi (fun i s -> Printf.sprintf "%d=%s" i s) names)) type_enum name

type 'f fields =
  | [] : unit fields
  | ( :: ) : 'a field * 'f fields -> ('a -> 'f) fields

type any_field = Any : 'a field -> any_field

let rec any : type f. f fields -> any_field list = function
  | [] -> List.[]
  | f :: rest -> List.cons (Any f) (any rest)

(* The address of a struct ml_event of evtrail_stubs.c, or'ed with 1: an integer to the collector. It stays for good. *)
type handle

(* The handle first: the stubs read it there. *)
type 'f event = { handle : handle; emission : 'f }

external register : string -> int -> int -> string -> any_field array -> handle = "evtrail_ml_register"
external emit0 : handle -> unit = "evtrail_ml_emit0" [@@noalloc]
external emit1 : handle -> 'a -> unit = "evtrail_ml_emit1" [@@noalloc]
external emit2 : handle -> 'a -> 'b -> unit = "evtrail_ml_emit2" [@@noalloc]
external emit3 : handle -> 'a -> 'b -> 'c -> unit = "evtrail_ml_emit3" [@@noalloc]
external emit4 : handle -> 'a -> 'b -> 'c -> 'd -> unit = "evtrail_ml_emit4" [@@noalloc]

external emit5 : handle -> 'a -> 'b -> 'c -> 'd -> 'e -> unit = "evtrail_ml_emit5_byte" "evtrail_ml_emit5"
[@@noalloc]

external emit6 : handle -> 'a -> 'b -> 'c -> 'd -> 'e -> 'f -> unit = "evtrail_ml_emit6_byte" "evtrail_ml_emit6"
[@@noalloc]

let too_many _ = invalid_arg "Evtrail.emit: more than 6 fields (Evtrail.start takes them)"

(* A closure of just as many arguments as the event has fields, so that a full call makes no other; () if it has none. *)
let emission : type f. handle -> f fields -> f =
 fun h -> function
  | [] -> ()
  | [ _ ] -> fun a -> emit1 h a
  | [ _; _ ] -> fun a b -> emit2 h a b
  | [ _; _; _ ] -> fun a b c -> emit3 h a b c
  | [ _; _; _; _ ] -> fun a b c d -> emit4 h a b c d
  | [ _; _; _; _; _ ] -> fun a b c d e -> emit5 h a b c d e
  | [ _; _; _; _; _; _ ] -> fun a b c d e f -> emit6 h a b c d e f
  | _ :: _ -> too_many

let level_number = function Critical -> 1 | Error -> 2 | Warning -> 3 | Info -> 4 | Debug -> 5 | Trace -> 6

let make kind ?(level = Info) ?(doc = "") name fields =
  let handle = register name kind (level_number level) doc (Array.of_list (any fields)) in
  { handle; emission = emission handle fields }

let event ?level ?doc name fields = make kind_instant ?level ?doc name fields
let span_begin ?level ?doc name fields = make kind_begin ?level ?doc name (id "id" :: id "parent" :: fields)
let span_end ?level ?doc name fields = make kind_end ?level ?doc name (id "id" :: fields)
let counter ?level ?doc ?unit name = make kind_counter ?level ?doc name [ int ?unit "value" ]
let counter_float ?level ?doc ?unit name = make kind_counter ?level ?doc name [ float ?unit "value" ]

let state ?level ?doc name fields =
  make kind_state ?level ?doc name (id "id" :: id "parent" :: string "state" :: fields)

let name ?level ?doc name fields = make kind_name ?level ?doc name (id "id" :: string "name" :: fields)
let gone ?level ?doc name fields = make kind_gone ?level ?doc name (id "id" :: fields)
let flow ?level ?doc name fields = make kind_flow ?level ?doc name (id "id" :: fields)

let[@inline] emit e =
  if Obj.is_int (Obj.repr e.emission) then emit0 e.handle;
  e.emission

external emit_float : (float -> unit) event -> (float[@unboxed]) -> unit
  = "evtrail_ml_emit_float_byte" "evtrail_ml_emit_float"
[@@noalloc]

type 'f cursor

external start : 'f event -> 'f cursor = "evtrail_ml_start" [@@noalloc]
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
external enabled : 'f event -> bool = "evtrail_ml_enabled" [@@noalloc]
external span_id : unit -> int = "evtrail_ml_span_id" [@@noalloc]
external label : string -> string -> unit = "evtrail_ml_label" [@@noalloc]
external rule_ : string -> int = "evtrail_ml_rule"
external set_ : string -> int = "evtrail_ml_set"
external forward_ : string -> int = "evtrail_ml_forward"
external session_path : unit -> string option = "evtrail_ml_session_path"

type forwarded = { written : int; waited : int; lost : int }

external forwarded : unit -> forwarded = "evtrail_ml_forwarded"

(* The stubs return -1 for "not a rule", -2 for all else. *)
let checked what text = function
  | -1 -> invalid_arg (Printf.sprintf "Evtrail.%s: not a %s: %s" what (if what = "set" then "setting" else "rule") text)
  | result when result < 0 -> failwith (Printf.sprintf "Evtrail.%s: cannot be done in this process" what)
  | result -> result

let rule text = checked "rule" text (rule_ text)
let set text = ignore (checked "set" text (set_ text))
let forward text = checked "forward" text (forward_ text)

(* What EVTRAIL_OCAML asks for gets its OCaml events now, as far as it is known. *)
external register_forwarded : unit -> unit = "evtrail_ml_register_forwarded"

let () = register_forwarded ()
