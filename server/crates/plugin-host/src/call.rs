//! One call of one tool: check the input, wait for a slot, run the guest in a store of its own, check the output, and put
//! whatever ended it into words.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::runtime::Handle;
use tokio::sync::{AcquireError, OwnedSemaphorePermit};
use tokio_util::task::AbortOnDropHandle;
use wasmtime::{Store, UpdateDeadline};

use crate::access::{Answer, ServerAccess};
use crate::bindings::PluginPre;
use crate::bindings::parlour::plugin::types;
use crate::capabilities::log::{CallLog, LogLine};
use crate::capabilities::system::SystemSource;
use crate::component::{Plugin, PluginInner};
use crate::error::{CallError, CallErrorKind, HostError};
use crate::explain::{self, Stopped, Subject};
use crate::grants::Grants;
use crate::host::HostInner;
use crate::limits::{Growth, Limits};
use crate::manifest::Manifest;
use crate::meter::Meter;
use crate::pool::move_to_pool;
use crate::schema::MAX_SHOWN;
use crate::turns::{Share, Turn};

/// JSON of this size takes about a quarter of a millisecond to read, which a worker can spare; more is done on the pool.
const SMALL_JSON_BYTES: usize = 32 << 10;
/// Clock, randomness and settings cost a hundred nanoseconds where a question to the server costs tens of microseconds, so
/// a call gets that many of them for each host call of its budget.
const CHEAP_CALLS_PER_HOST_CALL: u32 = 100;
/// Processor time up to which a guest stays on the worker that called it; longer ones move to the pool at the next tick.
const SHORT_CALL_NANOSECONDS: u64 = 1_000_000;
/// Beside the output, what a guest passes to a host call in one piece.
const PASSED_BYTES: usize = 64 << 10;

/// On whose behalf a tool runs, and what it may reach.
#[derive(Clone)]
pub struct CallContext {
    /// Whose call it is: those of one tenant share slots and take turns.
    pub tenant: String,
    pub grants: Grants,
    /// The tenant's settings for the plugin.
    pub config: Map<String, Value>,
    /// Lower ceilings for this call; the operator's hold anyway.
    pub limits: Option<Limits>,
    pub access: Arc<dyn ServerAccess>,
    /// What the guest may send along so that a service does not do a thing twice.
    pub idempotency_key: Option<String>,
}

/// Tokens that models took for a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    pub input: u64,
    pub output: u64,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallReport {
    pub result: Result<Value, CallError>,
    pub logs: Vec<LogLine>,
    pub dropped_log_lines: u32,
    /// From the request to the answer, waiting for a slot included.
    pub duration_us: u64,
    /// Processor time of the guest; of a short call, its time by the clock.
    pub cpu_us: u64,
    pub memory_peak_bytes: u64,
    pub tokens: Tokens,
}

/// What a store carries: everything one guest may see, and nothing else.
pub(crate) struct Guest {
    /// None while the plugin describes itself: nothing has been asked for yet.
    pub(crate) manifest: Option<Arc<Manifest>>,
    pub(crate) grants: Grants,
    pub(crate) config: Map<String, Value>,
    pub(crate) limits: Limits,
    pub(crate) access: Arc<dyn ServerAccess>,
    pub(crate) system: Arc<dyn SystemSource>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) log: CallLog,
    pub(crate) growth: Growth,
    /// The last grant that was missing, for the hint.
    pub(crate) denied_grant: Option<String>,
    /// Of models, so far.
    pub(crate) tokens: Tokens,
    /// Bytes of requests and answers, so far.
    pub(crate) http_bytes: u64,
    pub(crate) http_requests: u32,
    host_calls: u32,
    cheap_calls: u32,
    /// When its wall-clock time began.
    began: Instant,
    /// Where the server's own work runs: not on the guest's small stack, and not on the guest's processor time.
    server: Handle,
    /// Of the host's own runtime.
    timers: Handle,
    turn: Turn,
}

impl Guest {
    pub(crate) fn new(
        host: &HostInner,
        manifest: Option<Arc<Manifest>>,
        limits: Limits,
        context: CallContext,
        (share, server): (Arc<Share>, Handle),
    ) -> Self {
        let CallContext { tenant: _, grants, config, limits: _, access, idempotency_key } = context;
        Self {
            manifest,
            grants,
            config,
            limits,
            access,
            system: Arc::clone(&host.system),
            idempotency_key,
            log: CallLog::default(),
            growth: Growth::new(limits.memory_bytes),
            denied_grant: None,
            tokens: Tokens::default(),
            http_bytes: 0,
            http_requests: 0,
            host_calls: 0,
            cheap_calls: 0,
            began: Instant::now(),
            server,
            timers: host.pool.handle().clone(),
            turn: Turn::of(share),
        }
    }

    pub(crate) fn count_host_call(&mut self) -> wasmtime::Result<()> {
        if self.host_calls >= self.limits.host_calls {
            return Err(Stopped::HostCalls.into());
        }
        self.host_calls += 1;
        Ok(())
    }

    /// Counts a call that the host answers by itself.
    pub(crate) fn count_cheap_call(&mut self) -> wasmtime::Result<()> {
        if self.cheap_calls >= self.limits.host_calls.saturating_mul(CHEAP_CALLS_PER_HOST_CALL) {
            return Err(Stopped::CheapCalls(self.cheap_calls).into());
        }
        self.cheap_calls += 1;
        Ok(())
    }

    /// What is left of the call's wall-clock time.
    pub(crate) fn time_left(&self) -> Duration {
        Duration::from_millis(self.limits.wall_ms).saturating_sub(self.elapsed())
    }

    /// Wall-clock time since the call began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    pub(crate) async fn sleep(&self, duration: Duration) {
        self.turn.give_back();
        let over = {
            let _entered = self.timers.enter();
            tokio::time::sleep(duration)
        };
        over.await;
    }

    /// Lets the server answer, unless the permission is missing; `grant` is the one that would allow it.
    pub(crate) async fn ask_if<T: Send + 'static>(
        &mut self,
        permission: Result<(), HostError>,
        grant: impl FnOnce() -> String,
        question: impl FnOnce(Arc<dyn ServerAccess>) -> Answer<'static, T>,
    ) -> wasmtime::Result<Result<T, types::Error>> {
        match permission {
            Ok(()) => self.ask_server(question).await,
            Err(refusal) => self.refuse(refusal, grant),
        }
    }

    /// Counts the call against the budget and lets the server answer.
    pub(crate) async fn ask_server<T: Send + 'static>(
        &mut self,
        question: impl FnOnce(Arc<dyn ServerAccess>) -> Answer<'static, T>,
    ) -> wasmtime::Result<Result<T, types::Error>> {
        self.count_host_call()?;
        let question = question(Arc::clone(&self.access));
        Ok(self.on_server(question).await.map_err(types::Error::from))
    }

    /// Counts the call against the budget and answers that it may not be; `grant` is the one that would allow it.
    pub(crate) fn refuse<T>(
        &mut self,
        refusal: HostError,
        grant: impl FnOnce() -> String,
    ) -> wasmtime::Result<Result<T, types::Error>> {
        self.count_host_call()?;
        if matches!(refusal, HostError::Denied(_)) {
            self.denied_grant = Some(grant());
        }
        Ok(Err(refusal.into()))
    }

    /// Lets the server work on an answer. Dropping the call drops the work; a panic in it is this call's failure alone.
    pub(crate) async fn on_server<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, HostError>> + Send + 'static,
    ) -> Result<T, HostError> {
        self.turn.give_back();
        match AbortOnDropHandle::new(self.server.spawn(work)).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::error!(%error, "the server's side of a plugin's request ended without an answer");
                Err(HostError::Failed("the server could not answer because of an internal error".to_owned()))
            }
        }
    }
}

impl types::Host for Guest {}

/// What a guest is asked to do.
pub(crate) enum GuestCall {
    Describe,
    Invoke { tool: String, input: String },
}

/// What a guest did.
pub(crate) struct Ran {
    pub(crate) result: Result<String, CallError>,
    logs: Vec<LogLine>,
    dropped_log_lines: u32,
    cpu_us: u64,
    memory_peak_bytes: u64,
    tokens: Tokens,
}

impl Ran {
    fn nothing(error: CallError) -> Self {
        Self {
            result: Err(error),
            logs: Vec::new(),
            dropped_log_lines: 0,
            cpu_us: 0,
            memory_peak_bytes: 0,
            tokens: Tokens::default(),
        }
    }
}

pub(crate) async fn call(
    host: Arc<HostInner>,
    plugin: Plugin,
    tool: String,
    input: Value,
    context: CallContext,
) -> CallReport {
    let began = Instant::now();
    let meter = Arc::new(Meter::default());
    let subject = Subject::tool(&plugin.inner.manifest, &tool);
    let work = Work {
        server: caller_runtime(&host),
        host: Arc::clone(&host),
        plugin: plugin.inner,
        subject: subject.clone(),
        meter: Arc::clone(&meter),
    };
    let moving = Box::pin(work.perform(tool, input, context));
    let (result, ran) = match host.pool.run(meter, moving).await {
        Ok(finished) => finished,
        Err(error) => {
            tracing::error!(%error, %subject, "a plugin call ended inside the host");
            let error = explain::internal(&subject);
            (Err(error.clone()), Ran::nothing(error))
        }
    };
    let Ran { result: _, logs, dropped_log_lines, cpu_us, memory_peak_bytes, tokens } = ran;
    CallReport {
        result,
        logs,
        dropped_log_lines,
        duration_us: microseconds(began.elapsed()),
        cpu_us,
        memory_peak_bytes,
        tokens,
    }
}

/// Runs a guest for the host itself, outside any call.
pub(crate) async fn run_guest(host: Arc<HostInner>, ready: PluginPre<Guest>, guest: Guest, asked: GuestCall) -> Ran {
    let meter = Arc::new(Meter::default());
    let subject = Subject::unknown();
    let pool = Arc::clone(&host);
    let work = {
        let (meter, subject) = (Arc::clone(&meter), subject.clone());
        Box::pin(async move {
            let _slot = match Arc::clone(&host.slots).acquire_owned().await {
                Ok(slot) => slot,
                Err(_closed) => return Ran::nothing(explain::internal(&subject)),
            };
            run_in_store(&host, &meter, &ready, (guest, subject), asked).await
        })
    };
    match pool.pool.run(meter, work).await {
        Ok(ran) => ran,
        Err(error) => {
            tracing::error!(%error, "describing a plugin ended inside the host");
            Ran::nothing(explain::internal(&subject))
        }
    }
}

/// A call as it moves from the caller's thread to the pool.
struct Work {
    server: Handle,
    host: Arc<HostInner>,
    plugin: Arc<PluginInner>,
    subject: Subject,
    meter: Arc<Meter>,
}

impl Work {
    async fn perform(self, tool: String, input: Value, context: CallContext) -> (Result<Value, CallError>, Ran) {
        let limits = context.limits.map_or(self.host.limits, |lower| self.host.limits.lowered_by(&lower));
        let limits = context.grants.limits.under(&limits);
        let input = match self.checked_input(&tool, &input, &limits).await {
            Ok(input) => input,
            Err(error) => return (Err(error.clone()), Ran::nothing(error)),
        };
        // The guest keeps it to the end: the tenant's other calls share it for as long as anybody has it.
        let share = self.host.tenants.share(&context.tenant);
        let slots = match self.slots(&share, Duration::from_millis(limits.wall_ms)).await {
            Ok(slots) => slots,
            Err(error) => return (Err(error.clone()), Ran::nothing(error)),
        };
        let manifest = Arc::clone(&self.plugin.manifest);
        let guest = Guest::new(&self.host, Some(manifest), limits, context, (share, self.server.clone()));
        let asked = GuestCall::Invoke { tool: tool.clone(), input };
        let subject = self.subject.clone();
        let ran = run_in_store(&self.host, &self.meter, &self.plugin.ready, (guest, subject), asked).await;
        drop(slots);
        let result = match &ran.result {
            Ok(text) => self.checked_output(&tool, text, &limits).await,
            Err(error) => Err(error.clone()),
        };
        (result, ran)
    }

    async fn checked_input(&self, tool: &str, input: &Value, limits: &Limits) -> Result<String, CallError> {
        let Some(schemas) = self.plugin.tools.get(tool) else {
            return Err(explain::no_such_tool(&self.subject, self.plugin.tools.keys()));
        };
        // Never fails: its keys are texts. Display would go through a formatter, at twice the cost.
        let text = serde_json::to_string(input).unwrap_or_default();
        if text.len() as u64 > limits.input_bytes {
            return Err(explain::input_too_large(&self.subject, text.len(), limits));
        }
        if text.len() > SMALL_JSON_BYTES {
            move_to_pool(&self.meter).await;
        }
        let problems = schemas.input.problems(input, MAX_SHOWN);
        if problems.is_empty() { Ok(text) } else { Err(explain::input_does_not_fit(&self.subject, &problems)) }
    }

    async fn checked_output(&self, tool: &str, text: &str, limits: &Limits) -> Result<Value, CallError> {
        if text.len() as u64 > limits.output_bytes {
            return Err(explain::output_too_large(&self.subject, Some(text.len()), limits));
        }
        if text.len() > SMALL_JSON_BYTES {
            move_to_pool(&self.meter).await;
        }
        let value: Value = serde_json::from_str(text)
            .map_err(|error| explain::bad_output(&self.subject, &format!("it is not JSON: {error}")))?;
        let problems = self.plugin.tools.get(tool).map(|schemas| schemas.output.problems(&value, MAX_SHOWN));
        match problems {
            Some(problems) if !problems.is_empty() => Err(explain::bad_output(&self.subject, &problems.join("; "))),
            Some(_) | None => Ok(value),
        }
    }

    /// Waits for a slot of the tenant's for this plugin, one of the tenant's and one of the host's, no longer than the call
    /// itself might take. In this order: whoever waits behind his own stands in no other's way.
    async fn slots(&self, share: &Share, longest: Duration) -> Result<[OwnedSemaphorePermit; 3], CallError> {
        let all = async {
            let of_plugin = share.slots_of(&self.plugin.sha256).acquire_owned().await?;
            let of_tenant = Arc::clone(&share.slots).acquire_owned().await?;
            let of_host = Arc::clone(&self.host.slots).acquire_owned().await?;
            Ok::<_, AcquireError>([of_plugin, of_tenant, of_host])
        };
        match within(self.host.pool.handle(), longest, all).await {
            Some(Ok(slots)) => Ok(slots),
            Some(Err(_closed)) => Err(explain::internal(&self.subject)),
            None => Err(explain::no_slot(&self.subject, longest)),
        }
    }
}

/// The heart of it: one store, one instance, one export call.
async fn run_in_store(
    host: &HostInner,
    meter: &Arc<Meter>,
    ready: &PluginPre<Guest>,
    (guest, subject): (Guest, Subject),
    asked: GuestCall,
) -> Ran {
    let limits = guest.limits;
    let _running = host.clock.running();
    let mut store = Store::new(&host.engine, guest);
    store.limiter(|guest| &mut guest.growth);
    // Bounds what is copied between guest and host in one call, before it is copied.
    store.set_hostcall_fuel(usize::try_from(limits.output_bytes).unwrap_or(usize::MAX).saturating_add(PASSED_BYTES));
    let budget = limits.cpu_ms.saturating_mul(1_000_000);
    let clock = Arc::clone(meter);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |store| {
        let spent = clock.tick();
        if spent > budget {
            return Err(Stopped::Cpu.into());
        }
        // Most ticks that meet a call meet one that has only just begun and is soon over: it stays where it is.
        if spent < SHORT_CALL_NANOSECONDS {
            return Ok(UpdateDeadline::Continue(1));
        }
        clock.mark_busy();
        Ok(UpdateDeadline::YieldCustom(1, store.data().turn.next()))
    });
    meter.begin_guest();
    let ended = within(host.pool.handle(), Duration::from_millis(limits.wall_ms), async {
        let instance = ready.instantiate_async(&mut store).await?;
        let tools = instance.parlour_plugin_tools();
        match asked {
            GuestCall::Describe => tools.call_describe(&mut store).await.map(Ok),
            GuestCall::Invoke { tool, input } => tools.call_invoke(&mut store, &tool, &input).await,
        }
    })
    .await;
    let cpu_us = meter.end_guest() / 1_000;
    let guest = store.data_mut();
    guest.log.end_lines(&limits);
    let result = match ended {
        Some(Ok(Ok(text))) => Ok(text),
        Some(Ok(Err(error))) => Err(explain::reported(&subject, error, guest)),
        Some(Err(error)) => Err(explain::stopped(&subject, &error, guest)),
        None => Err(explain::out_of_time(&subject, guest)),
    };
    let (logs, dropped_log_lines) = guest.log.take();
    let (memory_peak_bytes, tokens) = (guest.growth.used(), guest.tokens);
    Ran { result, logs, dropped_log_lines, cpu_us, memory_peak_bytes, tokens }
}

/// Where whoever calls runs; looked at before the call may move to the pool.
pub(crate) fn caller_runtime(host: &HostInner) -> Handle {
    Handle::try_current().unwrap_or_else(|_outside| host.pool.handle().clone())
}

/// `None` when the time is over first. The timer belongs to the host's own runtime, so any executor may poll this.
async fn within<T>(timers: &Handle, longest: Duration, work: impl Future<Output = T>) -> Option<T> {
    let over = {
        let _entered = timers.enter();
        tokio::time::sleep(longest)
    };
    tokio::select! {
        biased;
        value = work => Some(value),
        () = over => None,
    }
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The kinds of failure a guest reports, as the caller sees them.
pub(crate) fn kind_of(error: &types::Error) -> CallErrorKind {
    match error {
        types::Error::InvalidInput(_) => CallErrorKind::InvalidInput,
        types::Error::NotFound(_) => CallErrorKind::NotFound,
        types::Error::Denied(_) => CallErrorKind::Denied,
        types::Error::RateLimited(_) => CallErrorKind::RateLimited,
        types::Error::Unavailable(_) => CallErrorKind::Unavailable,
        types::Error::Failed(_) => CallErrorKind::Failed,
    }
}
