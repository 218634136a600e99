(* SPDX-License-Identifier: ISC

   Domains one after the other, in one place of the runtime; then collections while events are switched off, and some more. *)

let () =
  Runtime_events.start ();
  for _ = 1 to 5 do
    Domain.join (Domain.spawn (fun () -> Gc.minor ()))
  done;
  Gc.minor ();
  Runtime_events.pause ();
  Gc.minor ();
  Unix.sleepf 0.1;
  Runtime_events.resume ();
  Gc.minor ()
