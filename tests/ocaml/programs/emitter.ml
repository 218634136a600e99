(* SPDX-License-Identifier: ISC

   An OCaml 5 program whose runtime events the tests read: emitter COMMAND [ARGUMENT...]. It prints "pid=N" first, "done ..." when it has
   done its work, and stays until its standard input ends (EMITTER_LEAVE=1: leaves at once). Runtime events are on from the start
   unless EMITTER_START=0. EMITTER_WAIT=1: it begins when a line comes on its standard input. *)

module User = Runtime_events.User
module Type = Runtime_events.Type

type User.tag += First | Unit | Int | Span | Text | Pair | Bytes

let text_type =
  Type.register
    ~encode:(fun buffer text ->
      let n = min (Bytes.length buffer) (String.length text) in
      Bytes.blit_string text 0 buffer 0 n;
      n)
    ~decode:(fun buffer n -> Bytes.sub_string buffer 0 n)

let pair_type =
  Type.register
    ~encode:(fun buffer (number, text) ->
      let n = min (Bytes.length buffer - 8) (String.length text) in
      Bytes.set_int64_le buffer 0 (Int64.of_int number);
      Bytes.blit_string text 0 buffer 8 n;
      n + 8)
    ~decode:(fun buffer n -> (Int64.to_int (Bytes.get_int64_le buffer 0), Bytes.sub_string buffer 8 (n - 8)))

(* Of the program that [exec] goes on as: the ids of the others are one higher in it. *)
let first_event = Option.map (fun name -> User.register name First Type.unit) (Sys.getenv_opt "EMITTER_FIRST")
let unit_event = User.register "test.unit" Unit Type.unit
let int_event = User.register "test.int" Int Type.int
let span_event = User.register "test.span" Span Type.span
let text_event = User.register "test.text" Text text_type
let pair_event = User.register "test.pair" Pair pair_type
let bytes_event = User.register "test.bytes" Bytes text_type

let argument index default = if Array.length Sys.argv > index then int_of_string Sys.argv.(index) else default
let pause microseconds = if microseconds > 0 then Unix.sleepf (float_of_int microseconds *. 1e-6)

(* Events of every kind and of every length of the last word; COUNT rounds, PAUSE us between two. *)
let kinds count microseconds =
  for i = 1 to count do
    User.write span_event Begin;
    User.write unit_event ();
    List.iter (User.write int_event) [ i; -i; 0; max_int; min_int ];
    List.iter (User.write text_event) [ "hello"; "exactly8"; ""; "caf\xc3\xa9"; String.make 1000 'x' ];
    User.write pair_event (i, "pair");
    User.write bytes_event (String.init (i land 31) (fun j -> Char.chr ((i * 7 + j * 37) land 255)));
    User.write span_event End;
    pause microseconds
  done

(* Work for the collector: short-lived and kept values, minor and major collections, a compaction. *)
let gc count =
  let kept = ref [] in
  for i = 1 to count do
    kept := Bytes.create 4096 :: !kept;
    ignore (Sys.opaque_identity (List.init 1000 string_of_int));
    if i mod 16 = 0 then Gc.minor ();
    if i mod 64 = 0 then begin
      Gc.full_major ();
      kept := []
    end
  done;
  Gc.compact ()

(* COUNT times two domains that come, allocate, emit and go. *)
let domains count =
  for i = 1 to count do
    let work n () =
      User.write int_event n;
      ignore (Sys.opaque_identity (List.init 2000 string_of_int));
      Gc.minor ()
    in
    let one = Domain.spawn (work (2 * i)) and other = Domain.spawn (work ((2 * i) + 1)) in
    Domain.join one;
    Domain.join other
  done

(* COUNT children, one after the other; each emits 10 ints and leaves by exit, every third is killed. *)
let forks count =
  for i = 1 to count do
    match Unix.fork () with
    | 0 ->
      for j = 1 to 10 do
        User.write int_event ((100 * i) + j)
      done;
      if i mod 3 = 0 then Unix.kill (Unix.getpid ()) Sys.sigkill;
      exit 0
    | child ->
      Printf.printf "child=%d\n%!" child;
      ignore (Unix.waitpid [] child)
  done

(* COUNT children, each with a child of its own, and one that is started as a program: each emits 10 ints. They stay until a line
   comes on the standard input. *)
let family count =
  let stays, ends = Unix.pipe ~cloexec:true () in
  let emit () =
    for j = 1 to 10 do
      User.write int_event j
    done
  in
  let stay () =
    Unix.close ends;
    ignore (Unix.read stays (Bytes.create 1) 0 1);
    Unix._exit 0
  in
  for _ = 1 to count do
    if Unix.fork () = 0 then begin
      emit ();
      if Unix.fork () = 0 then emit ();
      stay ()
    end
  done;
  let started =
    Unix.create_process_env Sys.executable_name [| "emitter"; "flood"; "10" |]
      (Array.of_list
         (List.filter
            (fun variable -> not (String.starts_with ~prefix:"EMITTER_" variable))
            (Array.to_list (Unix.environment ()))))
      stays Unix.stderr Unix.stderr
  in
  Printf.printf "made\n%!";
  ignore (input_line stdin);
  Unix.close ends;
  ignore (Unix.waitpid [] started);
  for _ = 1 to count do
    ignore (Unix.wait ())
  done

(* COUNT ints 1..COUNT, as fast as it can or at RATE a second (in bursts of a millisecond). *)
let flood count rate =
  let start = Unix.gettimeofday () in
  for i = 1 to count do
    User.write int_event i;
    if rate > 0 && i mod (max 1 (rate / 1000)) = 0 then begin
      let ahead = (float_of_int i /. float_of_int rate) -. (Unix.gettimeofday () -. start) in
      if ahead > 0. then Unix.sleepf ahead
    end
  done

(* Pauses and resumes: ints 1..COUNT, those between multiples of 10 and 5 more are not seen. *)
let pauses count =
  for i = 1 to count do
    if i mod 10 = 0 then Runtime_events.pause ();
    if i mod 10 = 5 then Runtime_events.resume ();
    User.write int_event i
  done;
  Runtime_events.resume ()

let stay () =
  if Sys.getenv_opt "EMITTER_LEAVE" = None then
    try
      while true do
        ignore (input_line stdin)
      done
    with End_of_file -> ()

(* COUNT events of the program's first id, in this program and in the one that replaces it, whose rings have 2^WORDS words. *)
let exec count words =
  let event = Option.value first_event ~default:unit_event in
  for _ = 1 to count do
    User.write event ();
    pause 100
  done;
  if first_event = None then begin
    Unix.putenv "EMITTER_FIRST" "test.other";
    if words > 0 then Unix.putenv "OCAMLRUNPARAM" (Printf.sprintf "e=%d" words);
    Unix.execv "/proc/self/exe" Sys.argv
  end

let run = function
  | "exec" -> exec (argument 2 100) (argument 3 0)
  | "kinds" -> kinds (argument 2 10) (argument 3 0)
  | "gc" -> gc (argument 2 200)
  | "domains" -> domains (argument 2 10)
  | "forks" -> forks (argument 2 4)
  | "family" -> family (argument 2 3)
  | "flood" -> flood (argument 2 1_000_000) (argument 3 0)
  | "pauses" -> pauses (argument 2 100)
  | "eio" -> Eio_events.emit (argument 2 3)
  | "nothing" -> ()
  | command ->
    prerr_endline ("emitter: no such command: " ^ command);
    exit 2

let () =
  let command = if Array.length Sys.argv > 1 then Sys.argv.(1) else "kinds" in
  if Sys.getenv_opt "EMITTER_START" <> Some "0" then Runtime_events.start ();
  Printf.printf "pid=%d\n%!" (Unix.getpid ());
  if Sys.getenv_opt "EMITTER_WAIT" <> None then ignore (input_line stdin);
  run command;
  Printf.printf "done %s\n%!" command;
  stay ()
