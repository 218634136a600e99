(* SPDX-License-Identifier: ISC

   The 17 events of Eio 0.15 to 1.5, by the names and encodings that its library eio.runtime_events uses: what a program with two
   fibers, a promise, a stream, a mutex, an error and a second domain would write. Debian has no package of Eio. *)

module User = Runtime_events.User
module Type = Runtime_events.Type

type User.tag += Eio

let text =
  Type.register
    ~encode:(fun buffer s ->
      let n = min (Bytes.length buffer) (String.length s) in
      Bytes.blit_string s 0 buffer 0 n;
      n)
    ~decode:(fun buffer n -> Bytes.sub_string buffer 0 n)

let two_ids =
  Type.register
    ~encode:(fun buffer (a, b) ->
      Bytes.set_int64_le buffer 0 (Int64.of_int a);
      Bytes.set_int64_le buffer 8 (Int64.of_int b);
      16)
    ~decode:(fun buffer _ -> (Int64.to_int (Bytes.get_int64_le buffer 0), Int64.to_int (Bytes.get_int64_le buffer 8)))

let id_and_kind =
  Type.register
    ~encode:(fun buffer (id, kind) ->
      Bytes.set_int64_le buffer 0 (Int64.of_int id);
      Bytes.set_uint8 buffer 8 kind;
      9)
    ~decode:(fun buffer _ -> (Int64.to_int (Bytes.get_int64_le buffer 0), Bytes.get_uint8 buffer 8))

let id_and_text =
  Type.register
    ~encode:(fun buffer (id, s) ->
      let n = min (Bytes.length buffer - 8) (String.length s) in
      Bytes.set_int64_le buffer 0 (Int64.of_int id);
      Bytes.blit_string s 0 buffer 8 n;
      n + 8)
    ~decode:(fun buffer n -> (Int64.to_int (Bytes.get_int64_le buffer 0), Bytes.sub_string buffer 8 (n - 8)))

(* In the order in which Eio registers them: ids 0 to 16 in a program that registers nothing else. *)
let create_obj = User.register "eio.create_obj" Eio id_and_kind
let create_cc = User.register "eio.create_cc" Eio id_and_kind
let create_fiber = User.register "eio.create_fiber" Eio two_ids
let get = User.register "eio.get" Eio Type.int
let try_get = User.register "eio.try_get" Eio Type.int
let put = User.register "eio.put" Eio Type.int
let exit_cc = User.register "eio.exit_cc" Eio Type.unit
let exit_fiber = User.register "eio.exit_fiber" Eio Type.int
let error = User.register "eio.error" Eio id_and_text
let name = User.register "eio.name" Eio id_and_text
let log = User.register "eio.log" Eio text
let enter_span = User.register "eio.enter_span" Eio text
let exit_span = User.register "eio.exit_span" Eio Type.unit
let fiber = User.register "eio.fiber" Eio Type.int
let suspend_fiber = User.register "eio.suspend_fiber" Eio text
let suspend_domain = User.register "eio.suspend_domain" Eio Type.span
let domain_spawn = User.register "eio.domain_spawn" Eio Type.int

let switch, protect, sub, root, any = (3, 4, 5, 6, 7)
let promise, semaphore, stream, mutex = (15, 16, 18, 19)

(* ids of one round start at `base` *)
let round base =
  let main = base + 1 and reader = base + 2 and root_cc = base + 10 and switch_cc = base + 11 in
  let a_promise = base + 20 and a_stream = base + 21 and a_mutex = base + 22 and a_semaphore = base + 23 in
  User.write create_cc (root_cc, root);
  User.write create_fiber (main, root_cc);
  User.write fiber main;
  User.write name (main, "main");
  User.write create_cc (switch_cc, switch);
  User.write name (switch_cc, "a switch");
  User.write create_obj (a_promise, promise);
  User.write name (a_promise, "my-promise");
  User.write create_obj (a_stream, stream);
  User.write create_obj (a_mutex, mutex);
  User.write create_obj (a_semaphore, semaphore);
  User.write create_fiber (reader, switch_cc);
  User.write fiber reader;
  User.write name (reader, "reader");
  User.write try_get a_stream;
  User.write suspend_fiber "Stream.take";
  User.write fiber main;
  User.write enter_span "my-span";
  User.write log "a line of the log";
  User.write put a_stream;
  User.write exit_span ();
  User.write create_cc (base + 12, protect);
  User.write exit_cc ();
  User.write create_cc (base + 13, sub);
  User.write exit_cc ();
  User.write create_cc (base + 14, any);
  User.write exit_cc ();
  User.write suspend_fiber "Promise.await";
  User.write suspend_domain Begin;
  User.write suspend_domain End;
  User.write fiber reader;
  User.write get a_stream;
  User.write put a_promise;
  User.write error (switch_cc, "Failure(\"boom\")\n  opening a connection,\n  in the client");
  User.write exit_fiber reader;
  User.write fiber main;
  User.write get a_promise;
  User.write exit_cc ();
  let spawned =
    Domain.spawn (fun () ->
        User.write domain_spawn main;
        User.write create_cc (base + 15, root);
        User.write create_fiber (base + 3, base + 15);
        User.write fiber (base + 3);
        User.write suspend_fiber "";
        User.write fiber (base + 3);
        User.write exit_fiber (base + 3);
        User.write exit_cc ())
  in
  Domain.join spawned;
  User.write exit_fiber main;
  User.write exit_cc ()

let emit rounds =
  for i = 0 to rounds - 1 do
    round (1024 * i)
  done
