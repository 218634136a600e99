(* SPDX-License-Identifier: ISC

   The stock consumer as olly polls it: poller FOLDER PID SECONDS. Counts user events of type int until the process is gone. *)

let () =
  let folder = Sys.argv.(1) and pid = int_of_string Sys.argv.(2) and pause = float_of_string Sys.argv.(3) in
  let seen = ref 0 and lost = ref 0 in
  let callbacks =
    Runtime_events.Callbacks.create ~lost_events:(fun _ words -> lost := !lost + words) ()
    |> Runtime_events.Callbacks.add_user_event Runtime_events.Type.int (fun _ _ _ _ -> incr seen)
  in
  let cursor = Runtime_events.create_cursor (Some (folder, pid)) in
  let there () = try Unix.kill pid 0; true with Unix.Unix_error _ -> false in
  let rec poll again =
    (try ignore (Runtime_events.read_poll cursor callbacks None) with Failure _ -> ()); (* "corrupt stream": it was lapped *)
    if again then begin
      let there = there () in
      Unix.sleepf pause;
      poll there
    end
  in
  poll true;
  Printf.printf "events=%d lost_words=%d\n" !seen !lost
