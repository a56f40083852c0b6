//! What a component with WASI gets: an output that is the log, clocks, randomness. And what it does not get.

use std::time::{Duration, Instant};

use plugin_host::{CallErrorKind, CallReport, LogLevel, Plugin};
use serde_json::{Value, json};

use crate::support::{call, described_with, escaped, failure, host, limited};

/// As much of WASI 0.2 as the guest imports; a component may import a part of an interface.
const WIT: &str = "
package test:guest;

world guest {
  include parlour:plugin/plugin@1.0.0;
  import wasi:cli/stdout@0.2.6;
  import wasi:cli/stderr@0.2.6;
  import wasi:cli/stdin@0.2.6;
  import wasi:cli/exit@0.2.6;
  import wasi:cli/environment@0.2.6;
  import wasi:clocks/wall-clock@0.2.6;
  import wasi:clocks/monotonic-clock@0.2.6;
  import wasi:filesystem/preopens@0.2.6;
  import wasi:random/random@0.2.6;
  import wasi:sockets/instance-network@0.2.6;
  import wasi:sockets/tcp-create-socket@0.2.6;
}

package wasi:io@0.2.6 {
  interface error { resource error; }
  interface poll { resource pollable { ready: func() -> bool; block: func(); } }
  interface streams {
    use error.{error};
    use poll.{pollable};
    variant stream-error { last-operation-failed(error), closed }
    resource output-stream { blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>; }
    resource input-stream { blocking-read: func(len: u64) -> result<list<u8>, stream-error>; }
  }
}

package wasi:cli@0.2.6 {
  interface stdout { use wasi:io/streams@0.2.6.{output-stream}; get-stdout: func() -> output-stream; }
  interface stderr { use wasi:io/streams@0.2.6.{output-stream}; get-stderr: func() -> output-stream; }
  interface stdin { use wasi:io/streams@0.2.6.{input-stream}; get-stdin: func() -> input-stream; }
  interface exit { exit: func(status: result); }
  interface environment {
    get-environment: func() -> list<tuple<string, string>>;
    get-arguments: func() -> list<string>;
  }
}

package wasi:clocks@0.2.6 {
  interface wall-clock { record datetime { seconds: u64, nanoseconds: u32 } now: func() -> datetime; }
  interface monotonic-clock {
    use wasi:io/poll@0.2.6.{pollable};
    now: func() -> u64;
    subscribe-duration: func(when: u64) -> pollable;
  }
}

package wasi:filesystem@0.2.6 {
  interface types { resource descriptor { sync: func(); } }
  interface preopens {
    use types.{descriptor};
    get-directories: func() -> list<tuple<descriptor, string>>;
  }
}

package wasi:random@0.2.6 {
  interface random { get-random-u64: func() -> u64; }
}

package wasi:sockets@0.2.6 {
  interface network { resource network; enum error-code { unknown, access-denied, not-supported } }
  interface instance-network { use network.{network}; instance-network: func() -> network; }
  interface tcp {
    resource tcp-socket;
  }
  interface tcp-create-socket {
    use network.{error-code};
    use tcp.{tcp-socket};
    create-tcp-socket: func(ipv6: bool) -> result<tcp-socket, error-code>;
  }
}
";

/// The tool's first letter says what it does; a number in the answer is what the call under test gave.
const GUEST: &str = r#"
(module
  (import "wasi:cli/stdout@0.2.6" "get-stdout" (func $stdout (result i32)))
  (import "wasi:cli/stderr@0.2.6" "get-stderr" (func $stderr (result i32)))
  (import "wasi:cli/stdin@0.2.6" "get-stdin" (func $stdin (result i32)))
  (import "wasi:io/streams@0.2.6" "[method]output-stream.blocking-write-and-flush" (func $write (param i32 i32 i32 i32)))
  (import "wasi:io/streams@0.2.6" "[method]input-stream.blocking-read" (func $read (param i32 i64 i32)))
  (import "wasi:cli/exit@0.2.6" "exit" (func $exit (param i32)))
  (import "wasi:cli/environment@0.2.6" "get-environment" (func $environment (param i32)))
  (import "wasi:cli/environment@0.2.6" "get-arguments" (func $arguments (param i32)))
  (import "wasi:clocks/wall-clock@0.2.6" "now" (func $time (param i32)))
  (import "wasi:clocks/monotonic-clock@0.2.6" "subscribe-duration" (func $after (param i64) (result i32)))
  (import "wasi:io/poll@0.2.6" "[method]pollable.block" (func $block (param i32)))
  (import "wasi:filesystem/preopens@0.2.6" "get-directories" (func $folders (param i32)))
  (import "wasi:random/random@0.2.6" "get-random-u64" (func $random (result i64)))
  (import "wasi:sockets/instance-network@0.2.6" "instance-network" (func $network (result i32)))
  (import "wasi:sockets/tcp-create-socket@0.2.6" "create-tcp-socket" (func $socket (param i32 i32)))
  (memory (export "memory") 4)
  (global $free (mut i32) (i32.const 131072))
  (data (i32.const 512) "first line\nsecond")
  (data (i32.const 600) "panicked at src/lib.rs:7: no more tea\n")
  (data (i32.const 1024) "{manifest}")

  (func (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $free) (i32.const 15)) (i32.const -16)))
    (global.set $free (i32.add (local.get $at) (local.get $size)))
    (local.get $at))

  (func (export "parlour:plugin/tools@1.0.0#describe") (result i32)
    (i32.store (i32.const 16) (i32.const 1024))
    (i32.store (i32.const 20) (i32.const {manifest_length}))
    (i32.const 16))

  ;; A number below 10^18 as text, from its last digit backwards.
  (func $number (param $value i64) (result i32)
    (local $at i32)
    (local.set $at (i32.const 460))
    (loop $again
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at)
        (i32.add (i32.const 48) (i32.wrap_i64 (i64.rem_u (local.get $value) (i64.const 10)))))
      (local.set $value (i64.div_u (local.get $value) (i64.const 10)))
      (br_if $again (i64.ne (local.get $value) (i64.const 0))))
    (i32.store8 (i32.const 16) (i32.const 0))
    (i32.store (i32.const 20) (local.get $at))
    (i32.store (i32.const 24) (i32.sub (i32.const 460) (local.get $at)))
    (i32.const 16))

  (func (export "parlour:plugin/tools@1.0.0#invoke")
    (param $tool i32) (param $tool_length i32) (param $input i32) (param $input_length i32) (result i32)
    (local $letter i32)
    (local.set $letter (i32.load8_u (local.get $tool)))
    (if (i32.eq (local.get $letter) (i32.const 112)) ;; print
      (then
        (call $write (call $stdout) (i32.const 512) (i32.const 17) (i32.const 64))
        (call $write (call $stderr) (i32.const 600) (i32.const 38) (i32.const 64))
        (return (call $number (i64.load8_u (i32.const 64))))))
    (if (i32.eq (local.get $letter) (i32.const 98)) ;; break after printing why
      (then
        (call $write (call $stderr) (i32.const 600) (i32.const 38) (i32.const 64))
        unreachable))
    (if (i32.eq (local.get $letter) (i32.const 101)) ;; exit
      (then (call $exit (i32.const 1))))
    (if (i32.eq (local.get $letter) (i32.const 110)) ;; nothing: what is there of the outside, added up
      (then
        (call $environment (i32.const 64))
        (call $arguments (i32.const 72))
        (call $folders (i32.const 80))
        (call $read (call $stdin) (i64.const 10) (i32.const 96))
        (return (call $number (i64.extend_i32_u
          (i32.add (i32.add (i32.load (i32.const 68)) (i32.load (i32.const 76)))
            (i32.add (i32.load (i32.const 84))
              (i32.eqz (i32.load8_u (i32.const 96))))))))))
    (if (i32.eq (local.get $letter) (i32.const 114)) ;; random
      (then (return (call $number (i64.shr_u (call $random) (i64.const 8))))))
    (if (i32.eq (local.get $letter) (i32.const 115)) ;; socket: 1 for an error, and which
      (then
        (call $socket (i32.const 0) (i32.const 64))
        (return (call $number (i64.add
          (i64.mul (i64.const 10) (i64.load8_u (i32.const 64))) (i64.load8_u (i32.const 68)))))))
    (if (i32.eq (local.get $letter) (i32.const 116)) ;; time, in seconds
      (then
        (call $time (i32.const 64))
        (return (call $number (i64.load (i32.const 64))))))
    (if (i32.eq (local.get $letter) (i32.const 119)) ;; wait 150 ms
      (then
        (call $block (call $after (i64.const 150000000)))
        (return (call $number (i64.const 1)))))
    (if (i32.eq (local.get $letter) (i32.const 118)) ;; very long wait
      (then
        (call $block (call $after (i64.const -1)))
        (return (call $number (i64.const 1)))))
    (drop (call $network))
    unreachable))
"#;

async fn guest() -> Plugin {
    let both = |text: &str| json!({"en": text, "zh": text});
    let names = ["breaks", "exits", "network", "nothing", "prints", "random", "socket", "time", "very_long", "waits"];
    let names = names.map(|name| if name == "network" { "x_network" } else { name });
    let tools: Vec<Value> = names
        .iter()
        .map(|name| {
            json!({
                "name": name, "title": both(name), "description": both(name), "input": {"type": "object"},
                "output": {}, "effects": "none"
            })
        })
        .collect();
    let manifest = json!({
        "id": "with_wasi", "version": "1.0.0", "title": both("a"), "description": both("a"), "tools": tools,
    })
    .to_string();
    let text =
        GUEST.replace("{manifest}", &escaped(&manifest)).replace("{manifest_length}", &manifest.len().to_string());
    host().load(described_with(&text, WIT)).await.expect("the guest loads")
}

async fn tool(name: &str) -> (Plugin, CallReport) {
    let plugin = guest().await;
    let report = call(&plugin, name, json!({})).await;
    (plugin, report)
}

async fn answer(name: &str) -> u64 {
    let (_, report) = tool(name).await;
    report.result.expect("it answers").as_u64().expect("a number")
}

#[tokio::test]
async fn what_is_printed_is_logged() {
    let (_, report) = tool("prints").await;
    assert_eq!(report.result.expect("it answers"), json!(0));
    let told: Vec<(LogLevel, &str)> = report.logs.iter().map(|it| (it.level, it.message.as_str())).collect();
    // What nobody ended with a line's end comes when the call is over.
    assert_eq!(
        told,
        [
            (LogLevel::Info, "first line"),
            (LogLevel::Warn, "panicked at src/lib.rs:7: no more tea"),
            (LogLevel::Info, "second"),
        ]
    );
    let (plugin, report) = tool("breaks").await;
    let error = failure(&plugin, report, CallErrorKind::Trap);
    assert!(error.detail.is_some_and(|it| it.contains("no more tea")));
}

#[tokio::test]
async fn there_is_no_outside() {
    assert_eq!(answer("nothing").await, 0, "variables, arguments, folders, and a byte to read");
    assert_eq!(answer("socket").await, 11, "an error, and it is `access-denied`");
    let (plugin, report) = tool("x_network").await;
    let error = failure(&plugin, report, CallErrorKind::Denied);
    assert!(error.message.contains("wasi:sockets/instance-network#instance-network"), "{error}");
    assert!(error.hint.is_some_and(|it| it.contains("no files, sockets")));
    let (plugin, report) = tool("exits").await;
    let error = failure(&plugin, report, CallErrorKind::Failed);
    assert!(error.message.contains("status 1"), "{error}");
}

#[tokio::test]
async fn clocks_and_randomness_are_the_hosts() {
    assert!(answer("time").await > 1_700_000_000);
    assert_ne!(answer("random").await, answer("random").await);
}

#[tokio::test]
async fn waiting_costs_no_processor_time_and_ends_with_the_call() {
    let plugin = guest().await;
    let began = Instant::now();
    let context = limited(|limits| limits.cpu_ms = 50);
    let report = host().call(&plugin, "waits", json!({}), context).await;
    assert_eq!(report.result.expect("it answers"), json!(1));
    assert!(began.elapsed() >= Duration::from_millis(150));
    let context = limited(|limits| limits.wall_ms = 200);
    let report = host().call(&plugin, "very_long", json!({}), context).await;
    failure(&plugin, report, CallErrorKind::TimeLimit);
}
