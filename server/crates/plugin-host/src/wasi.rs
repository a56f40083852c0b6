//! What there is of WASI: languages whose runtime takes a clock, randomness and an output for granted (CPython above all)
//! get those, and nothing else. There are no files, no environment, no arguments and no sockets: what would open one is
//! refused in the interface's own words where it has any, and otherwise ends the call with the name of what it wanted.
//!
//! Written by hand and not taken from `wasmtime-wasi`: that brings 59 crates and everything that is to be left out here, and
//! keeps a table of resources per call that a guest could fill. Here a resource is only its number: an output says which one
//! it is, a pollable the millisecond of the call in which it is ready.

use std::time::Duration;

use wasmtime::component::types::{ComponentFunc, ComponentItem, Type};
use wasmtime::component::{Component, ComponentType, Linker, LinkerInstance, Lower, Resource, ResourceType, Val};
use wasmtime::{Engine, StoreContextMut};

use crate::call::Guest;
use crate::capabilities::log::Stream;
use crate::explain::Stopped;

/// The version that this is; any 0.2.x has the same functions in the parts that are here.
const VERSION: &str = "0.2";
const PACKAGES: &[&str] = &["cli", "clocks", "filesystem", "io", "random", "sockets"];
/// How much of a write the guest may hand over at once; the log cuts lines long before.
const WRITE_BYTES: u64 = 64 << 10;
/// More randomness than this at once is no seed and no key.
const MAX_RANDOM_BYTES: u64 = 1 << 20;
/// As much randomness as one of the contract's own calls gives counts as one call.
const RANDOM_BYTES_PER_CALL: u64 = 4 << 10;
const NANOSECONDS_PER_MILLISECOND: u64 = 1_000_000;

/// Whether an import is one of those that are defined here: `wasi:io/streams@0.2.6`.
pub(crate) fn is_offered(import: &str) -> bool {
    let Some((interface, version)) = import.strip_prefix("wasi:").and_then(|it| it.split_once('@')) else {
        return false;
    };
    let package = interface.split('/').next().unwrap_or_default();
    PACKAGES.contains(&package) && version.strip_prefix(VERSION).is_some_and(|it| it.starts_with('.'))
}

/// Standard output or standard error.
struct Output;
/// Standard input, which has ended before it began.
struct Input;
struct Pollable;
struct IoError;
struct TerminalInput;
struct TerminalOutput;
/// Stands for whatever can never be had here: a file, a socket.
struct Nothing;

#[derive(ComponentType, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

#[derive(ComponentType, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    #[expect(dead_code, reason = "a case of the interface's type; writing to the log does not fail")]
    LastOperationFailed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

type Streamed<T> = Result<T, StreamError>;
type Store<'a> = StoreContextMut<'a, Guest>;

/// Defines every WASI import that the component has; a component without any is not touched.
pub(crate) fn add_to_linker(
    linker: &mut Linker<Guest>,
    component: &Component,
    engine: &Engine,
) -> wasmtime::Result<()> {
    for (interface, item) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(wanted) = item.ty else { continue };
        let Some(plain) = interface.strip_prefix("wasi:").and_then(|it| it.split('@').next()) else { continue };
        let mut defined = linker.instance(interface)?;
        for (name, item) in wanted.exports(engine) {
            match item.ty {
                ComponentItem::Resource(_) => defined.resource(name, resource(name), |_, _| Ok(()))?,
                ComponentItem::ComponentFunc(_) => function(&mut defined, plain, name)?,
                // A type is described where it is used.
                ComponentItem::Type(_)
                | ComponentItem::CoreFunc(_)
                | ComponentItem::Module(_)
                | ComponentItem::Component(_)
                | ComponentItem::ComponentInstance(_) => {}
            }
        }
    }
    Ok(())
}

fn resource(name: &str) -> ResourceType {
    match name {
        "output-stream" => ResourceType::host::<Output>(),
        "input-stream" => ResourceType::host::<Input>(),
        "pollable" => ResourceType::host::<Pollable>(),
        "error" => ResourceType::host::<IoError>(),
        "terminal-input" => ResourceType::host::<TerminalInput>(),
        "terminal-output" => ResourceType::host::<TerminalOutput>(),
        _ => ResourceType::host::<Nothing>(),
    }
}

fn function(into: &mut LinkerInstance<'_, Guest>, interface: &str, name: &str) -> wasmtime::Result<()> {
    match interface {
        "cli/environment" => environment(into, interface, name),
        "cli/exit" => exit(into, interface, name),
        "cli/stdin"
        | "cli/stdout"
        | "cli/stderr"
        | "cli/terminal-stdin"
        | "cli/terminal-stdout"
        | "cli/terminal-stderr" => standard(into, interface, name),
        "clocks/wall-clock" | "clocks/monotonic-clock" => clock(into, interface, name),
        "filesystem/preopens" => files(into, interface, name),
        "io/poll" => poll(into, interface, name),
        "io/streams" => stream(into, interface, name),
        "random/random" | "random/insecure" | "random/insecure-seed" => random(into, interface, name),
        _ => refusal(into, interface, name),
    }
}

fn environment(into: &mut LinkerInstance<'_, Guest>, interface: &str, name: &str) -> wasmtime::Result<()> {
    match name {
        "get-environment" => into.func_wrap(name, |_: Store<'_>, (): ()| Ok((Vec::<(String, String)>::new(),))),
        "get-arguments" => into.func_wrap(name, |_: Store<'_>, (): ()| Ok((Vec::<String>::new(),))),
        "initial-cwd" => into.func_wrap(name, |_: Store<'_>, (): ()| Ok((None::<String>,))),
        _ => refusal(into, interface, name),
    }
}

fn exit(into: &mut LinkerInstance<'_, Guest>, interface: &str, name: &str) -> wasmtime::Result<()> {
    match name {
        "exit" => into.func_wrap(name, |_: Store<'_>, (status,): (Result<(), ()>,)| -> wasmtime::Result<()> {
            Err(Stopped::Exited(u8::from(status.is_err())).into())
        }),
        "exit-with-code" => into.func_wrap(name, |_: Store<'_>, (status,): (u8,)| -> wasmtime::Result<()> {
            Err(Stopped::Exited(status).into())
        }),
        _ => refusal(into, interface, name),
    }
}

fn standard(into: &mut LinkerInstance<'_, Guest>, interface: &str, name: &str) -> wasmtime::Result<()> {
    match name {
        "get-stdin" => into.func_wrap(name, |_: Store<'_>, (): ()| Ok((Resource::<Input>::new_own(0),))),
        "get-stdout" => into.func_wrap(name, |_: Store<'_>, (): ()| Ok((output(Stream::Output),))),
        "get-stderr" => into.func_wrap(name, |_: Store<'_>, (): ()| Ok((output(Stream::Error),))),
        "get-terminal-stdin" => into.func_wrap(name, |_: Store<'_>, (): ()| Ok((None::<Resource<TerminalInput>>,))),
        "get-terminal-stdout" | "get-terminal-stderr" => {
            into.func_wrap(name, |_: Store<'_>, (): ()| Ok((None::<Resource<TerminalOutput>>,)))
        }
        _ => refusal(into, interface, name),
    }
}

fn output(stream: Stream) -> Resource<Output> {
    Resource::new_own(match stream {
        Stream::Output => 1,
        Stream::Error => 2,
    })
}

fn stream_of(output: &Resource<Output>) -> Stream {
    if output.rep() == 2 { Stream::Error } else { Stream::Output }
}

fn clock(into: &mut LinkerInstance<'_, Guest>, interface: &str, name: &str) -> wasmtime::Result<()> {
    match (interface, name) {
        ("clocks/wall-clock", "now") => into.func_wrap(name, |mut store: Store<'_>, (): ()| {
            let guest = store.data_mut();
            guest.count_cheap_call()?;
            Ok((datetime(u64::try_from(guest.system.now_ms()).unwrap_or_default()),))
        }),
        ("clocks/wall-clock", "resolution") => into.func_wrap(name, |_: Store<'_>, (): ()| Ok((datetime(1),))),
        ("clocks/monotonic-clock", "now") => into.func_wrap(name, |mut store: Store<'_>, (): ()| {
            let guest = store.data_mut();
            guest.count_cheap_call()?;
            Ok((nanoseconds(guest.elapsed()),))
        }),
        ("clocks/monotonic-clock", "resolution") => into.func_wrap(name, |_: Store<'_>, (): ()| Ok((1_u64,))),
        ("clocks/monotonic-clock", "subscribe-instant") => {
            into.func_wrap(name, |_: Store<'_>, (when,): (u64,)| Ok((pollable(when),)))
        }
        ("clocks/monotonic-clock", "subscribe-duration") => {
            into.func_wrap(name, |store: Store<'_>, (after,): (u64,)| {
                Ok((pollable(nanoseconds(store.data().elapsed()).saturating_add(after)),))
            })
        }
        _ => refusal(into, interface, name),
    }
}

fn datetime(milliseconds: u64) -> Datetime {
    let within = u32::try_from(milliseconds % 1_000).unwrap_or_default();
    Datetime { seconds: milliseconds / 1_000, nanoseconds: within * 1_000_000 }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Ready at this nanosecond of the call, rounded up so that nobody is woken too early.
fn pollable(when: u64) -> Resource<Pollable> {
    Resource::new_own(u32::try_from(when.div_ceil(NANOSECONDS_PER_MILLISECOND)).unwrap_or(u32::MAX))
}

fn ready_at(pollable: &Resource<Pollable>) -> Duration {
    Duration::from_millis(u64::from(pollable.rep()))
}

fn files(into: &mut LinkerInstance<'_, Guest>, interface: &str, name: &str) -> wasmtime::Result<()> {
    match name {
        // Without a folder to begin from, a language's own library says that there is no such file.
        "get-directories" => {
            into.func_wrap(name, |_: Store<'_>, (): ()| Ok((Vec::<(Resource<Nothing>, String)>::new(),)))
        }
        _ => refusal(into, interface, name),
    }
}

fn poll(into: &mut LinkerInstance<'_, Guest>, interface: &str, name: &str) -> wasmtime::Result<()> {
    match name {
        "[method]pollable.ready" => into.func_wrap(name, |mut store: Store<'_>, (it,): (Resource<Pollable>,)| {
            let guest = store.data_mut();
            guest.count_cheap_call()?;
            Ok((ready_at(&it) <= guest.elapsed(),))
        }),
        "[method]pollable.block" => into.func_wrap_async(name, |mut store: Store<'_>, (it,): (Resource<Pollable>,)| {
            Box::new(async move { store.data_mut().sleep_until(ready_at(&it)).await })
        }),
        "poll" => into.func_wrap_async(name, |mut store: Store<'_>, (all,): (Vec<Resource<Pollable>>,)| {
            Box::new(async move {
                let Some(first) = all.iter().map(ready_at).min() else {
                    wasmtime::bail!("`wasi:io/poll` was given nothing to wait for");
                };
                let guest = store.data_mut();
                guest.sleep_until(first).await?;
                let now = guest.elapsed();
                let ready = (0_u32..).zip(&all).filter(|(_, it)| ready_at(it) <= now).map(|(index, _)| index);
                Ok((ready.collect::<Vec<u32>>(),))
            })
        }),
        _ => refusal(into, interface, name),
    }
}

fn stream(into: &mut LinkerInstance<'_, Guest>, interface: &str, name: &str) -> wasmtime::Result<()> {
    type Written = (Resource<Output>, Vec<u8>);
    match name {
        "[method]output-stream.check-write" => {
            into.func_wrap(name, |_: Store<'_>, (_,): (Resource<Output>,)| Ok((Streamed::Ok(WRITE_BYTES),)))
        }
        "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush" => {
            into.func_wrap(name, |mut store: Store<'_>, (to, bytes): Written| {
                let guest = store.data_mut();
                guest.count_cheap_call()?;
                guest.log.print(stream_of(&to), &bytes, &guest.limits);
                Ok((Streamed::Ok(()),))
            })
        }
        "[method]output-stream.flush" | "[method]output-stream.blocking-flush" => {
            into.func_wrap(name, |_: Store<'_>, (_,): (Resource<Output>,)| Ok((Streamed::Ok(()),)))
        }
        "[method]output-stream.subscribe" => {
            into.func_wrap(name, |_: Store<'_>, (_,): (Resource<Output>,)| Ok((pollable(0),)))
        }
        "[method]input-stream.subscribe" => {
            into.func_wrap(name, |_: Store<'_>, (_,): (Resource<Input>,)| Ok((pollable(0),)))
        }
        "[method]input-stream.read" | "[method]input-stream.blocking-read" => into
            .func_wrap(name, |_: Store<'_>, (_, _): (Resource<Input>, u64)| {
                Ok((Streamed::<Vec<u8>>::Err(StreamError::Closed),))
            }),
        "[method]input-stream.skip" | "[method]input-stream.blocking-skip" => into
            .func_wrap(name, |_: Store<'_>, (_, _): (Resource<Input>, u64)| {
                Ok((Streamed::<u64>::Err(StreamError::Closed),))
            }),
        _ => refusal(into, interface, name),
    }
}

fn random(into: &mut LinkerInstance<'_, Guest>, interface: &str, name: &str) -> wasmtime::Result<()> {
    match name {
        "get-random-bytes" | "get-insecure-random-bytes" => {
            into.func_wrap(name, |mut store: Store<'_>, (length,): (u64,)| {
                if length > MAX_RANDOM_BYTES {
                    wasmtime::bail!("it asked for {length} random bytes; one call gives at most {MAX_RANDOM_BYTES}");
                }
                let guest = store.data_mut();
                for _ in 0..=length / RANDOM_BYTES_PER_CALL {
                    guest.count_cheap_call()?;
                }
                let mut bytes = vec![0; usize::try_from(length)?];
                guest.fill_random(&mut bytes)?;
                Ok((bytes,))
            })
        }
        "get-random-u64" | "get-insecure-random-u64" => {
            into.func_wrap(name, |mut store: Store<'_>, (): ()| Ok((store.data_mut().random_number()?,)))
        }
        // One has a name of its own in older versions and another in newer ones.
        "insecure-seed" | "get-insecure-seed" => into.func_wrap(name, |mut store: Store<'_>, (): ()| {
            let guest = store.data_mut();
            Ok(((guest.random_number()?, guest.random_number()?),))
        }),
        _ => refusal(into, interface, name),
    }
}

/// Whatever is not here. Where the function's result has a word for "you may not", the guest is told so and can go on.
fn refusal(into: &mut LinkerInstance<'_, Guest>, interface: &str, name: &str) -> wasmtime::Result<()> {
    let wanted = format!("wasi:{interface}#{name}");
    into.func_new(name, move |_, function, _, results| match (denied(&function), results) {
        (Some(word), [result]) => {
            *result = Val::Result(Err(Some(Box::new(Val::Enum(word.to_owned())))));
            Ok(())
        }
        _ => Err(Stopped::NotOffered(wanted.clone()).into()),
    })
}

/// The case of the function's own error type that says that it is not allowed: `wasi:sockets` has `access-denied`,
/// `wasi:filesystem` has `access`.
fn denied(function: &ComponentFunc) -> Option<&'static str> {
    let Some(Type::Result(result)) = function.results().next() else { return None };
    let Some(Type::Enum(cases)) = result.err() else { return None };
    ["access-denied", "access"].into_iter().find(|word| cases.names().any(|it| it == *word))
}

impl Guest {
    fn random_number(&mut self) -> wasmtime::Result<u64> {
        self.count_cheap_call()?;
        let mut bytes = [0; 8];
        self.fill_random(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Waits as the call's wall-clock time allows; it is not the guest's processor time.
    async fn sleep_until(&mut self, when: Duration) -> wasmtime::Result<()> {
        self.count_cheap_call()?;
        let left = when.saturating_sub(self.elapsed());
        if !left.is_zero() {
            self.sleep(left).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_defined_here_is_offered() {
        for offered in ["wasi:io/streams@0.2.0", "wasi:clocks/wall-clock@0.2.12", "wasi:filesystem/types@0.2.6"] {
            assert!(is_offered(offered), "{offered}");
        }
        for foreign in [
            "wasi:http/outgoing-handler@0.2.0",
            "wasi:io/streams@0.3.0",
            "wasi:io/streams@0.20.0",
            "wasi:io/streams",
            "wasi_snapshot_preview1",
            "wasi:nn/tensor@0.2.0-rc",
        ] {
            assert!(!is_offered(foreign), "{foreign}");
        }
    }
}
