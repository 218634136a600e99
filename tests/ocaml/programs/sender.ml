(* SPDX-License-Identifier: ISC

   An OCaml program with a C library that evtrail traces: sender COMMAND [COUNT]. It links nothing of evtrail. *)

external kinds : int -> unit = "sender_kinds" [@@noalloc]
external ints : int -> unit = "sender_ints" [@@noalloc]
external ints_allocating : int -> unit = "sender_ints"
external thread_start : int -> unit = "sender_thread_start" [@@noalloc]
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
  List.iter Domain.join all

(* Threads of one domain, and one that C made, all emitting at once; not before their types are registered, or too many wait. *)
let threads count =
  ints 1;
  print_endline "a blocking section";
  thread_start count;
  let all = List.init 4 (fun _ -> Thread.create (fun () -> for _ = 1 to count / 100 do ints 100; Thread.yield () done) ()) in
  List.iter Thread.join all;
  thread_join ()

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
  | _ -> exit 2

let () =
  Runtime_events.start ();
  Printf.printf "pid=%d\n%!" (Unix.getpid ());
  let allocated = Gc.minor_words () in
  let command = Sys.argv.(1) in
  run command (if Array.length Sys.argv > 2 then int_of_string Sys.argv.(2) else 10);
  if command = "kinds" then Printf.printf "words=%.0f\n" (Gc.minor_words () -. allocated);
  Printf.printf "done %s\n%!" command
