(* SPDX-License-Identifier: ISC

   Writes int events for measurements: writer COUNT PER_SECOND (0: as fast as it can). Begins when a line comes, ends when the next one does. *)

type Runtime_events.User.tag += Number

let number = Runtime_events.User.register "test.number" Number Runtime_events.Type.int
let batch = 1000

let () =
  let count = int_of_string Sys.argv.(1) and per_second = float_of_string Sys.argv.(2) in
  Runtime_events.start ();
  print_endline "ready";
  ignore (input_line stdin);
  let start = Unix.gettimeofday () in
  for i = 1 to count do
    Runtime_events.User.write number i;
    if per_second > 0. && i mod batch = 0 then begin
      let early = start +. (float_of_int i /. per_second) -. Unix.gettimeofday () in
      if early > 0. then Unix.sleepf early
    end
  done;
  Printf.printf "took=%.3f\n%!" (Unix.gettimeofday () -. start);
  ignore (input_line stdin)
