(* SPDX-License-Identifier: ISC

   An OCaml program with a C library that evtrail traces: sender COMMAND [COUNT]. It links nothing of evtrail. *)

external kinds : int -> unit = "sender_kinds" [@@noalloc]
external ints : int -> unit = "sender_ints" [@@noalloc]
external ints_allocating : int -> unit = "sender_ints"
external pairs : int -> unit = "sender_pairs" [@@noalloc]
external thread_start : int -> unit = "sender_thread_start" [@@noalloc]
external thread_wait : unit -> unit = "sender_thread_wait" [@@noalloc]
external thread_join : unit -> unit = "sender_thread_join"
external without_lock : int -> unit = "sender_without_lock"

type Runtime_events.User.tag += Own

let own = Runtime_events.User.register "test.own" Own Runtime_events.Type.int

let forks count =
  for i = 1 to count do
    match Unix.fork () with
    | 0 ->
      ints 10;
      if i mod 3 = 0 then Unix.kill (Unix.getpid ()) Sys.sigkill;
      exit 0
    | child ->
      Printf.printf "child=%d\n%!" child;
      ignore (Unix.waitpid [] child)
  done

let domains count =
  let work () =
    ints count;
    for _ = 1 to 20 do
      Gc.minor ();
      ints 10;
      ignore (Sys.opaque_identity (List.init 1000 string_of_int))
    done
  in
  let all = List.init 3 (fun _ -> Domain.spawn work) in
  work ();
  List.iter Domain.join all;
  Gc.full_major ();
  Gc.compact (); (* the events' types are not in OCaml's heap *)
  ints 1

(* A consumer in the process itself, which has no type for the payloads. *)
let inside count =
  let seen = ref 0 and cursor = Runtime_events.create_cursor None in
  let callbacks =
    Runtime_events.Callbacks.create ()
    |> Runtime_events.Callbacks.add_user_event Runtime_events.Type.int (fun _ _ _ _ -> incr seen)
  in
  for _ = 1 to count do
    kinds 1;
    ints 1;
    ignore (Runtime_events.read_poll cursor callbacks None)
  done;
  Runtime_events.free_cursor cursor;
  ints 1;
  Printf.printf "seen=%d\n" !seen

(* Threads of one domain, and one that C made, all emitting at once; not before their types are registered, or too many wait. *)
let threads count =
  ints 1;
  print_endline "a blocking section";
  thread_start count;
  let all = List.init 4 (fun _ -> Thread.create (fun () -> for _ = 1 to count / 100 do ints 100; Thread.yield () done) ()) in
  List.iter Thread.join all;
  thread_join ()

(* Ends while events wait: those of a thread that C made, which ends while this one keeps the lock. *)
let leaving count =
  thread_start 1;
  thread_join ();
  thread_start count;
  thread_wait ();
  exit 0

(* ns of CPU of one event written by OCaml, and by C into the same ring, in turn: the medians of 31 rounds of COUNT. *)
type Runtime_events.User.tag += Pair

let pair =
  Runtime_events.User.register "test.pair" Pair
    (Runtime_events.Type.register
       ~encode:(fun buffer (a, b) ->
         Bytes.set_int64_le buffer 0 (Int64.of_int a);
         Bytes.set_int64_le buffer 8 (Int64.of_int b);
         16)
       ~decode:(fun buffer _ -> (Int64.to_int (Bytes.get_int64_le buffer 0), Int64.to_int (Bytes.get_int64_le buffer 8))))

let measure count =
  let time f =
    let start = Sys.time () in
    f ();
    (Sys.time () -. start) *. 1e9 /. float_of_int count
  in
  let loop f () = for i = 1 to count do f i done in
  let empty () = time (loop (fun i -> ignore (Sys.opaque_identity i))) in
  let ml_int () = time (loop (Runtime_events.User.write own)) in
  let ml_pair () = time (loop (fun i -> Runtime_events.User.write pair (i, i))) in
  let c_int () = time (fun () -> ints count) in
  let c_pair () = time (fun () -> pairs count) in
  let rounds = List.init 31 (fun _ -> List.map (fun f -> f ()) [ empty; ml_int; c_int; ml_pair; c_pair ]) in
  let median i = List.nth (List.sort compare (List.map (fun round -> List.nth round i) rounds)) 15 in
  let pause = median 0 in
  let show what ml c =
    let ml = median ml -. pause and c = median c in
    Printf.printf "%s: OCaml's own write %.1f ns, a C event %.1f ns, ratio %.2f\n" what ml c (c /. ml)
  in
  show "int" 1 2;
  show "two integers as payload" 3 4

let run command count =
  match command with
  | "kinds" -> kinds count
  | "ints" -> for i = 1 to count do Runtime_events.User.write own i; ints 1 done
  | "allocating" -> ints_allocating count
  | "thread" -> thread_start count; thread_join (); ints 1
  | "unlocked" -> without_lock count; ints 1
  | "forks" -> forks count
  | "domains" -> domains count
  | "threads" -> threads count
  | "leaving" -> leaving count
  | "inside" -> inside count
  | "measure" -> ints 1; print_endline "measuring"; measure count
  | _ -> exit 2

let () =
  Runtime_events.start ();
  Printf.printf "pid=%d\n%!" (Unix.getpid ());
  let allocated = Gc.minor_words () in
  let command = Sys.argv.(1) in
  run command (if Array.length Sys.argv > 2 then int_of_string Sys.argv.(2) else 10);
  if command = "kinds" then Printf.printf "words=%.0f\n" (Gc.minor_words () -. allocated);
  Printf.printf "done %s\n%!" command
