(* SPDX-License-Identifier: ISC *)

type value = Bool of bool | Int of int64 | Unsigned of int64 | Float of float | String of string option | Bytes of string option
type t = { kind : int; level : int; thread : int; time_ns : int64; cut : bool; fields : value list }

let number buffer at bytes length =
  if at + bytes > length then failwith "Evtrail_payload: too short";
  match bytes with
  | 1 -> Int64.of_int (Bytes.get_uint8 buffer at)
  | 4 -> Int64.logand (Int64.of_int32 (Bytes.get_int32_le buffer at)) 0xffffffffL
  | _ -> Bytes.get_int64_le buffer at

let text buffer at length =
  let bytes = number buffer at 4 length in
  if bytes = 0xffffffffL then (None, at + 4)
  else
    let bytes = Int64.to_int bytes in
    if at + 4 + bytes > length then failwith "Evtrail_payload: too short";
    (Some (Bytes.sub_string buffer (at + 4) bytes), at + 4 + bytes)

(* enum evtrail_field_type of <evtrail/trace.h> *)
let field buffer at length =
  let word () = number buffer (at + 1) 8 length in
  match Int64.to_int (number buffer at 1 length) with
  | 1 -> (Bool (word () <> 0L), at + 9)
  | 2 | 3 | 4 | 5 | 19 -> (Int (word ()), at + 9)
  | 14 -> (Float (Int32.float_of_bits (Int64.to_int32 (word ()))), at + 9)
  | 15 -> (Float (Int64.float_of_bits (word ())), at + 9)
  | 17 ->
    let value, next = text buffer (at + 1) length in
    (String value, next)
  | 18 ->
    let value, next = text buffer (at + 1) length in
    (Bytes value, next)
  | _ -> (Unsigned (word ()), at + 9)

let decode buffer length =
  if length < 16 || Bytes.get_uint8 buffer 0 <> 1 then failwith "Evtrail_payload: not one";
  let rec fields count at = if count = 0 then [] else more count (field buffer at length)
  and more count (value, next) = value :: fields (count - 1) next in
  let kind = Bytes.get_uint8 buffer 1 in
  {
    kind = kind land 0x7f;
    level = Bytes.get_uint8 buffer 2;
    thread = Int64.to_int (number buffer 4 4 length);
    time_ns = number buffer 8 8 length;
    cut = kind land 0x80 <> 0;
    fields = fields (Bytes.get_uint8 buffer 3) 16;
  }

let encode _ _ = failwith "Evtrail_payload: C code writes these"
let typ = Runtime_events.Type.register ~encode ~decode

let value_to_string = function
  | Bool b -> string_of_bool b
  | Int n -> Int64.to_string n
  | Unsigned n -> Printf.sprintf "%Lu" n
  | Float f -> Printf.sprintf "%.17g" f
  | String (Some s) -> s
  | Bytes (Some s) -> String.concat "" (List.map (fun c -> Printf.sprintf "%02x" (Char.code c)) (List.of_seq (String.to_seq s)))
  | String None | Bytes None -> "NULL"

let to_string payload = String.concat "," (List.map value_to_string payload.fields)
