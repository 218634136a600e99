(* SPDX-License-Identifier: ISC

   The package evtrail: events of every field type and kind, and none of it allocates. binding [COUNT]. *)

let none = Evtrail.event "ml.none" Evtrail.[]
let one = Evtrail.event ~level:Evtrail.Warning ~doc:"one number" "ml.one" Evtrail.[ int ~unit:"ns" "took" ]

let all =
  Evtrail.event "ml.all"
    Evtrail.
      [
        int "n"; bool "yes"; string "text"; bytes "raw"; enum "state" Stdlib.List.[ "idle"; "open" ]; hex "address";
      ]

let floats = Evtrail.event "ml.floats" Evtrail.[ float "ratio"; int32 "small"; int64 "large"; string "note" ]
let load = Evtrail.counter_float ~unit:"%" "ml.load"
let queue = Evtrail.counter "ml.queue"
let work_begin = Evtrail.span_begin "ml.work" Evtrail.[ string "what" ]
let work_end = Evtrail.span_end "ml.work" Evtrail.[ bool "ok" ]
let conn = Evtrail.state "ml.conn" Evtrail.[]
let conn_name = Evtrail.name "ml.conn" Evtrail.[]
let conn_gone = Evtrail.gone "ml.conn" Evtrail.[]
let request = Evtrail.flow "ml.request" Evtrail.[]
let off = Evtrail.event "off.event" Evtrail.[ int "n"; string "s" ]

let round i =
  Evtrail.emit none;
  Evtrail.emit one i;
  Evtrail.emit all (-i) (i land 1 = 1) "caf\xc3\xa9" (Bytes.unsafe_of_string "\001\000\255") 1 0xff;
  let x = float_of_int i *. 0.5 in
  Evtrail.(
    start floats |> put_float x |> put_int32 (Int32.of_int (-i)) |> put_int64 (Int64.of_int max_int) |> put_string "n" |> commit);
  Evtrail.emit_float load x;
  Evtrail.emit queue i;
  let id = Evtrail.span_id () in
  Evtrail.emit work_begin id 0 "something";
  Evtrail.emit conn i 0 "open";
  Evtrail.emit conn_name i "peer";
  Evtrail.emit conn_gone i;
  Evtrail.emit request i;
  Evtrail.emit work_end id true;
  if Evtrail.enabled off then prerr_endline "off.event is on";
  Evtrail.emit off i "s"

(* Out of turn: a cursor that was used, one of another event, one with too few fields. *)
let misuse () =
  let c = Evtrail.start one in
  let d = Evtrail.put_int 1 c in
  ignore (Evtrail.put_int 2 c);
  Evtrail.commit d;
  Evtrail.commit d;
  let e = Evtrail.start one in
  let _ = Evtrail.start floats in
  Evtrail.(put_int 3 e |> commit)

(* binding measure COUNT: ns of one event, the median of 15 rounds; also with an event that is off. *)
let measure count =
  let time f =
    let once _ =
      let start = Sys.time () in
      for i = 1 to count do
        f i
      done;
      (Sys.time () -. start) *. 1e9 /. float_of_int count
    in
    Stdlib.List.nth (Stdlib.List.sort compare (Stdlib.List.init 15 once)) 7
  in
  let pause = time (fun i -> ignore (Sys.opaque_identity i)) in
  let show what f = Printf.printf "%s: %.1f ns\n%!" what (time f -. pause) in
  show "off, 2 fields" (fun i -> Evtrail.emit off i "s");
  show "1 integer" (fun i -> Evtrail.emit one i);
  show "1 float, unboxed" (fun i -> Evtrail.emit_float load (float_of_int i));
  show "6 fields" (fun i -> Evtrail.emit all i true "caf\xc3\xa9" Bytes.empty 1 0xff);
  show "4 fields, one by one" (fun i ->
      Evtrail.(start floats |> put_float (float_of_int i) |> put_int32 1l |> put_int64 1L |> put_string "n" |> commit))

let test () =
  let count = if Array.length Sys.argv > 1 then int_of_string Sys.argv.(1) else 3 in
  let words () = Gc.minor_words () in
  ignore (words ());
  let before = words () in
  let after_nothing = words () in
  for i = 1 to count do
    round i
  done;
  let used = words () -. after_nothing -. (after_nothing -. before) in
  if Sys.backend_type = Sys.Native then Printf.printf "words=%.0f\n" used;
  misuse ();
  let d = Domain.spawn (fun () -> Evtrail.label "tenant" "blue"; Evtrail.emit one 1000) in
  Domain.join d;
  (match Evtrail.rule "not a rule+" with
  | _ -> print_endline "a rule?"
  | exception (Invalid_argument _ | Failure _) -> ());
  match Evtrail.session_path () with
  | Some path -> Printf.printf "session=%s\n%!" path
  | None -> print_endline "no session"

let () = if Array.length Sys.argv > 2 && Sys.argv.(1) = "measure" then measure (int_of_string Sys.argv.(2)) else test ()
