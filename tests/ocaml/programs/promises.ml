(* SPDX-License-Identifier: ISC

   A program of Lwt's: binds as ppx_lwt makes them, of which several wait at once and do not end in the order in which they began. *)

open Lwt.Syntax

let bind line p f = Lwt.backtrace_bind "promises.ml" line Fun.id p f

let () =
  Lwt_main.run
    (let first, wake_first = Lwt.wait () and second, wake_second = Lwt.wait () in
     let one = Lwt.with_tracing_context "request" (fun () -> bind 10 first (fun () -> Lwt.return 1)) in
     let two = bind 20 second (fun () -> Lwt.return 2) in
     let three = bind 20 second (fun () -> Lwt.return 3) in
     let* () = Lwt.pause () in
     let* () = Lwt_unix.sleep 0.002 in
     Lwt.wakeup wake_first ();
     let* () = Lwt_unix.sleep 0.002 in
     Lwt.wakeup wake_second ();
     let* a = one and* b = two and* c = three in
     assert (a + b + c = 6);
     Lwt.return_unit);
  print_endline "done promises"
