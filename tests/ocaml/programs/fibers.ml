(* SPDX-License-Identifier: ISC

   A program of Eio's own: everything that its runtime events tell of, in a known order. fibers [ROUNDS]. EIO_BACKEND chooses posix or linux. *)

open Eio.Std
module Trace = Eio.Private.Trace

exception Broken of string

type Eio.Exn.Backend.t += Nothing

let () = Eio.Exn.Backend.register_pp (fun f -> function Nothing -> Fmt.string f "nothing"; true | _ -> false)

let promises sw =
  let promise, resolver = Promise.create ~label:"answer" () in
  Fiber.fork ~sw (fun () -> Trace.log "resolving"; Promise.resolve resolver 42);
  Fiber.both (fun () -> ignore (Promise.await promise)) (fun () -> ignore (Promise.await promise));
  let late, resolver = Promise.create ~label:"late" () in
  Fiber.both (fun () -> ignore (Promise.await late)) (fun () -> Promise.resolve resolver ());
  ignore (Promise.await_exn (Fiber.fork_promise ~sw (fun () -> Fiber.yield (); 1)))

let streams () =
  let stream = Eio.Stream.create 1 in
  Fiber.both
    (fun () -> for i = 1 to 4 do Eio.Stream.add stream i done)
    (fun () -> for _ = 1 to 4 do ignore (Eio.Stream.take stream) done)

let locks () =
  let mutex = Eio.Mutex.create () and semaphore = Eio.Semaphore.make 1 in
  let inside () = Eio.Mutex.use_rw ~protect:true mutex (fun () -> Fiber.yield ()) in
  Fiber.all [ inside; inside; inside ];
  let through () = Eio.Semaphore.acquire semaphore; Fiber.yield (); Eio.Semaphore.release semaphore in
  Fiber.both through through

let spans clock =
  Trace.with_span "outer" (fun () ->
      Trace.with_span "inner" (fun () -> Eio.Time.sleep clock 0.002);
      Fiber.yield ())

(* A fiber that is cancelled while it waits, and one that goes on for a while: what it waits for then ends at once. *)
let cancelled clock =
  let ended = Fiber.first (fun () -> Fiber.await_cancel ()) (fun () -> Fiber.yield (); "first") in
  assert (ended = "first");
  Switch.run ~name:"stopping" (fun sw ->
      Fiber.fork ~sw (fun () ->
          Switch.run ~name:"cleanup" (fun _ ->
              try Eio.Time.sleep clock 100.
              with Eio.Cancel.Cancelled _ as ex ->
                (try Trace.with_span "again" (fun () -> Eio.Time.sleep clock 100.) with Eio.Cancel.Cancelled _ -> ());
                Eio.Cancel.protect (fun () -> Fiber.yield ());
                raise ex));
      Fiber.yield ();
      try Switch.fail sw (Broken "stop") with Broken _ -> ())

let errors () =
  (try
     Switch.run ~name:"failing" (fun sw ->
         Fiber.fork ~sw (fun () -> Switch.run ~name:"deep" (fun _ -> raise (Broken "in the depth")));
         Fiber.await_cancel ())
   with Broken _ -> ());
  try
    Switch.run ~name:"config" (fun _ ->
        try raise (Eio.Fs.err (Already_exists Nothing))
        with Eio.Io _ as ex ->
          let trace = Printexc.get_raw_backtrace () in
          Eio.Exn.reraise_with_context ex trace "reading %S" "config")
  with Eio.Io _ -> ()

let domains env =
  let promise, resolver = Promise.create ~label:"across" () in
  let in_domain () =
    Switch.run ~name:"other" (fun sw ->
        Fiber.fork ~sw (fun () -> Fiber.yield ());
        Promise.resolve resolver 7);
    1
  in
  Fiber.both
    (fun () -> ignore (Eio.Domain_manager.run (Eio.Stdenv.domain_mgr env) in_domain))
    (fun () -> ignore (Promise.await promise));
  ignore (Eio.Domain_manager.run_raw (Eio.Stdenv.domain_mgr env) (fun () -> 2))

let () =
  Eio_main.run @@ fun env ->
  let clock = Eio.Stdenv.clock env in
  let rounds = if Array.length Sys.argv > 1 then int_of_string Sys.argv.(1) else 1 in
  for _ = 1 to rounds do
    Switch.run ~name:"main" (fun sw ->
        promises sw;
        streams ();
        locks ();
        spans clock;
        (try cancelled clock with Broken _ -> ());
        errors ();
        domains env;
        ignore (Eio_unix.run_in_systhread ~label:"thread" (fun () -> 3)))
  done;
  print_endline "done fibers"
