//! What ended a call, in words: which plugin, version and tool, which limit and its value, and what would help.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::Trap;

use crate::bindings::parlour::plugin::types;
use crate::call::{Guest, kind_of};
use crate::error::{CallError, CallErrorKind};
use crate::limits::Limits;
use crate::manifest::Manifest;

/// A guest's own words go into a message up to here.
const MAX_MESSAGE_BYTES: usize = 4 << 10;
const MAX_DETAIL_BYTES: usize = 8 << 10;
/// How the SDK's panic hook begins its line; the standard library's own wording.
const PANIC: &str = "panicked at";
/// wasmtime's words when a call copies more than `set_hostcall_fuel` allows; it has no type for it.
const COPIED_TOO_MUCH: &str = "too much data is being copied";
/// A slot frees up as soon as any call ends.
const BUSY_RETRY_MS: u64 = 1_000;

/// Why the host itself ended a guest; travels through wasmtime as the cause of the trap.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stopped {
    #[error("the processor time is used up")]
    Cpu,
    #[error("the calls of the host are used up")]
    HostCalls,
    /// With how many there were.
    #[error("the calls of clock, randomness and settings are used up")]
    CheapCalls(u32),
    /// By the guest itself, with its status.
    #[error("the guest ended itself with status {0}")]
    Exited(u8),
    /// A part of WASI, by its name.
    #[error("the sandbox does not offer `{0}`")]
    NotOffered(String),
}

/// Who is spoken of: "`menu` 1.0.0, tool `pick`".
#[derive(Clone)]
pub(crate) struct Subject {
    manifest: Option<Arc<Manifest>>,
    tool: Arc<str>,
}

impl Subject {
    pub(crate) fn tool(manifest: &Arc<Manifest>, tool: &str) -> Self {
        Self { manifest: Some(Arc::clone(manifest)), tool: clipped(tool, 100).into() }
    }

    /// A plugin that has not said yet who it is.
    pub(crate) fn unknown() -> Self {
        Self { manifest: None, tool: "describe".into() }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.manifest {
            Some(manifest) => {
                let Manifest { id, version, .. } = manifest.as_ref();
                write!(formatter, "plugin `{id}` {version}, tool `{}`", self.tool)
            }
            None => write!(formatter, "the plugin's `{}`", self.tool),
        }
    }
}

fn error(kind: CallErrorKind, subject: &Subject, what: &str) -> CallError {
    CallError { kind, message: format!("{subject}: {what}"), hint: None, retry_after_ms: None, detail: None }
}

/// How to get more of a limit: the operator's setting by its name.
fn raise(key: &str, advice: &str) -> Option<String> {
    Some(format!(
        "{advice} The server's operator can raise `plugins.limits.{key}`; a call may also have been given less."
    ))
}

pub(crate) fn no_such_tool<'names>(subject: &Subject, names: impl Iterator<Item = &'names String>) -> CallError {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    let mut error = error(CallErrorKind::NotFound, subject, "the plugin has no such tool");
    error.hint = Some(format!("Its tools are {}.", names.join(", ")));
    error
}

pub(crate) fn input_too_large(subject: &Subject, size: usize, limits: &Limits) -> CallError {
    let what = format!("its input has {size} bytes of JSON, and the limit is {}", limits.input_bytes);
    let mut error = error(CallErrorKind::InvalidInput, subject, &what);
    error.hint = raise("input_bytes", "Pass less, for example only the fields the tool needs.");
    error
}

pub(crate) fn input_does_not_fit(subject: &Subject, problems: &[String]) -> CallError {
    let what = format!("its input does not fit the tool's schema: {}", problems.join("; "));
    let mut error = error(CallErrorKind::InvalidInput, subject, &what);
    error.hint = Some("Compare `with` of the node with the tool's input schema.".to_owned());
    error
}

pub(crate) fn output_too_large(subject: &Subject, size: Option<usize>, limits: &Limits) -> CallError {
    let what = match size {
        Some(size) => format!("its output has {size} bytes of JSON, and the limit is {}", limits.output_bytes),
        None => format!("it handed over more data than the limit of {} bytes", limits.output_bytes),
    };
    let mut error = error(CallErrorKind::OutputLimit, subject, &what);
    error.hint = raise("output_bytes", "Ask the tool for less, for example fewer records.");
    error
}

pub(crate) fn bad_output(subject: &Subject, problem: &str) -> CallError {
    let what = format!("its output does not fit the tool's own schema: {}", clipped(problem, MAX_MESSAGE_BYTES));
    let mut error = error(CallErrorKind::BadOutput, subject, &what);
    error.hint =
        Some("This is a fault of the plugin; its developer has to correct the tool or its output schema.".to_owned());
    error
}

pub(crate) fn no_slot(subject: &Subject, waited: Duration) -> CallError {
    let what = format!("all slots for plugin calls stayed busy for {} ms", waited.as_millis());
    let mut error = error(CallErrorKind::Unavailable, subject, &what);
    error.hint = Some("Try again later; the server's operator can raise `plugins.pool_slots`.".to_owned());
    error.retry_after_ms = Some(BUSY_RETRY_MS);
    error
}

pub(crate) fn internal(subject: &Subject) -> CallError {
    error(CallErrorKind::Failed, subject, "the call ended because of an error inside the server")
}

pub(crate) fn out_of_time(subject: &Subject, guest: &Guest) -> CallError {
    let what = format!("it had no answer after {} ms", guest.limits.wall_ms);
    let mut error = error(CallErrorKind::TimeLimit, subject, &what);
    error.hint = raise("wall_ms", "What it waited for may be slow; let it ask for less.");
    error.detail = guest.log.last_error().map(str::to_owned);
    error
}

fn out_of_memory(subject: &Subject, wanted: u64, limits: &Limits) -> CallError {
    let what = format!("it wanted {wanted} bytes of memory, and the limit is {}", limits.memory_bytes);
    let mut error = error(CallErrorKind::MemoryLimit, subject, &what);
    error.hint = raise("memory_bytes", "Pass less data in one call.");
    error
}

/// The guest itself says that it failed.
pub(crate) fn reported(subject: &Subject, reported: types::Error, guest: &Guest) -> CallError {
    let kind = kind_of(&reported);
    // In a language with exceptions, being refused memory is one, and ends as a failure like any other.
    if let (CallErrorKind::Failed, Some(wanted)) = (kind, guest.growth.refused()) {
        return CallError { detail: Some(format!("{reported:?}")), ..out_of_memory(subject, wanted, &guest.limits) };
    }
    let mut retry_after_ms = None;
    let what = match reported {
        types::Error::InvalidInput(what)
        | types::Error::NotFound(what)
        | types::Error::Denied(what)
        | types::Error::Unavailable(what)
        | types::Error::Failed(what) => what,
        types::Error::RateLimited(seconds) => {
            retry_after_ms = seconds.map(|seconds| u64::from(seconds) * 1_000);
            "too many calls".to_owned()
        }
    };
    let what = if what.trim().is_empty() { "it failed without saying why" } else { what.as_str() };
    let mut error = error(kind, subject, clipped(what, MAX_MESSAGE_BYTES));
    error.retry_after_ms = retry_after_ms;
    if kind == CallErrorKind::Denied
        && let Some(grant) = &guest.denied_grant
    {
        error.hint = Some(format!("An administrator can grant `{grant}` to the plugin, if its manifest asks for it."));
    }
    error
}

/// The guest did not come to an end by itself.
pub(crate) fn stopped(subject: &Subject, cause: &wasmtime::Error, guest: &Guest) -> CallError {
    let mut error = stopped_in_words(subject, cause, guest);
    let mut detail = String::new();
    if let Some(line) = guest.log.last_error() {
        detail.push_str(line);
        detail.push('\n');
    }
    detail.push_str(&format!("{cause:?}"));
    error.detail = Some(clipped(&detail, MAX_DETAIL_BYTES).to_owned());
    error
}

fn stopped_in_words(subject: &Subject, cause: &wasmtime::Error, guest: &Guest) -> CallError {
    let limits = &guest.limits;
    match cause.downcast_ref::<Stopped>() {
        Some(Stopped::Cpu) => {
            let what = format!("it used up its {} ms of processor time", limits.cpu_ms);
            let mut error = error(CallErrorKind::CpuLimit, subject, &what);
            error.hint = raise("cpu_ms", "Give the tool less to do in one call; it may also be in an endless loop.");
            return error;
        }
        Some(Stopped::HostCalls) => {
            let what = format!("it used up its {} calls of the server's data", limits.host_calls);
            let mut error = error(CallErrorKind::HostCallLimit, subject, &what);
            error.hint = raise("host_calls", "Read more per call (`limit`, `top_k`) instead of calling more often.");
            return error;
        }
        Some(Stopped::CheapCalls(allowed)) => {
            let what = format!("it used up its {allowed} calls of the host's clock, randomness and settings");
            let mut error = error(CallErrorKind::HostCallLimit, subject, &what);
            error.hint = raise("host_calls", "Ask once and keep the answer.");
            return error;
        }
        Some(Stopped::Exited(status)) => {
            let what = format!("it ended itself with status {status} instead of giving an answer");
            let mut error = error(CallErrorKind::Failed, subject, &what);
            error.hint = Some("A tool returns its result or an error; it must not end its process.".to_owned());
            return error;
        }
        Some(Stopped::NotOffered(wanted)) => {
            let what = format!("it wanted `{wanted}`, which the sandbox does not offer");
            let mut error = error(CallErrorKind::Denied, subject, &what);
            error.hint = Some(
                "There are no files, sockets, processes and environment in the sandbox; the SDK's `http` sends requests, \
                 and its `storage` keeps values."
                    .to_owned(),
            );
            return error;
        }
        None => {}
    }
    if cause.is::<wasmtime::PoolConcurrencyLimitError>() {
        return no_slot(subject, Duration::ZERO);
    }
    if format!("{cause:#}").contains(COPIED_TOO_MUCH) {
        return output_too_large(subject, None, limits);
    }
    // A guest that is refused memory usually aborts; if it panicked over something else, its own words are the reason.
    let panicked = guest.log.last_error().is_some_and(|line| line.contains(PANIC));
    if let Some(wanted) = guest.growth.refused().filter(|_| !panicked) {
        return out_of_memory(subject, wanted, limits);
    }
    if guest.growth.tables_refused() {
        return error(CallErrorKind::MemoryLimit, subject, "it wanted more table entries than any plugin may have");
    }
    let what = match cause.downcast_ref::<Trap>() {
        Some(_) if panicked => "it panicked",
        Some(Trap::StackOverflow) => "it ran out of stack, probably by calling itself without end",
        Some(Trap::MemoryOutOfBounds) => "it reached outside its memory, which often means that it ran out of stack",
        Some(Trap::UnreachableCodeReached) => "it gave up (a panic or an abort)",
        Some(trap) => &format!("it broke: {trap}"),
        None => "it broke",
    };
    let mut error = error(CallErrorKind::Trap, subject, what);
    error.hint = Some("This is a fault of the plugin; the details for its developer are in the run's log.".to_owned());
    error
}

fn clipped(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}
