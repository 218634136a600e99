(* SPDX-License-Identifier: ISC

   A stock consumer: what OCaml's own Runtime_events library sees in a ring file. consumer FOLDER PID [NAME...]: prints the user events, one
   a line; the names are those of custom events whose payload evtrail makes. *)

module User = Runtime_events.User
module Type = Runtime_events.Type

type User.tag += Payload

let () =
  let folder = Sys.argv.(1) and pid = int_of_string Sys.argv.(2) in
  for i = 3 to Array.length Sys.argv - 1 do
    ignore (User.register Sys.argv.(i) Payload Evtrail_payload.typ)
  done;
  let last = Hashtbl.create 4 in
  let seen ring time =
    let time = Runtime_events.Timestamp.to_int64 time in
    if time < Option.value ~default:0L (Hashtbl.find_opt last ring) then print_endline "time goes back";
    Hashtbl.replace last ring time
  in
  let show ring time kind event value =
    seen ring time;
    Printf.printf "%s %s%s\n" kind (User.name event) value
  in
  let callbacks =
    Runtime_events.Callbacks.create
      ~runtime_begin:(fun ring time _ -> seen ring time)
      ~lost_events:(fun _ words -> Printf.printf "lost %d words\n" words)
      ()
    |> Runtime_events.Callbacks.add_user_event Type.unit (fun ring time e () -> show ring time "unit" e "")
    |> Runtime_events.Callbacks.add_user_event Type.int (fun ring time e n -> show ring time "int" e (Printf.sprintf " %d" n))
    |> Runtime_events.Callbacks.add_user_event Type.span (fun ring time e edge ->
           show ring time (match edge with Type.Begin -> "begin" | Type.End -> "end") e "")
    |> Runtime_events.Callbacks.add_user_event Evtrail_payload.typ (fun ring time e payload ->
           show ring time "bytes" e (" " ^ Evtrail_payload.to_string payload ^ if payload.cut then " cut" else ""))
  in
  let cursor = Runtime_events.create_cursor (Some (folder, pid)) in
  while Runtime_events.read_poll cursor callbacks None > 0 do
    ()
  done
