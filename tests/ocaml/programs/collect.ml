(* SPDX-License-Identifier: ISC

   Keeps the collector busy, and prints what OCaml itself counts of it between two points where nothing has been collected meanwhile. *)

let live = ref []

let () =
  Runtime_events.start ();
  let before = Gc.quick_stat () in
  for i = 1 to 20 do
    let all = List.init 20_000 (fun j -> string_of_int (i + j)) in
    if i mod 2 = 0 then live := all :: !live;
    if i mod 5 = 0 then begin
      live := [];
      Gc.full_major ()
    end
  done;
  Gc.compact ();
  let after = Gc.quick_stat () in
  Printf.printf "\"minor_collections\":%d,\"major_cycles\":%d,\"forced_majors\":4,\"compactions\":%d,\"minor_words\":%.0f,\"promoted_words\":%.0f,\n%!"
    (after.minor_collections - before.minor_collections)
    (after.major_collections - before.major_collections)
    (after.compactions - before.compactions)
    (after.minor_words -. before.minor_words)
    (after.promoted_words -. before.promoted_words)
