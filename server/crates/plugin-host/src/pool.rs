//! Where guests compute. A call begins on the thread of whoever made it, because most are over in microseconds; a guest
//! that has computed for a millisecond when an epoch tick passes moves to this pool and stays there. So a guest can hold one
//! of the server's async workers for at most that and one tick, and busy guests share the pool's threads in turns, one tick
//! each.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;

use crate::meter::Meter;

#[derive(Debug)]
pub(crate) struct Pool {
    /// `None` only while dropping.
    runtime: Option<Runtime>,
    handle: Handle,
}

impl Pool {
    pub(crate) fn new(threads: usize) -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name("plugin")
            .on_thread_start(step_back)
            .enable_time()
            .build()?;
        let handle = runtime.handle().clone();
        Ok(Self { runtime: Some(runtime), handle })
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Runs a call; [`Meter::mark_busy`] before it gives way moves it here. Dropping the returned future drops the call, at
    /// the latest when the guest next gives way. Fails only if the call panicked after it moved.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        meter: Arc<Meter>,
        call: BoxFuture<'static, T>,
    ) -> Result<T, JoinError> {
        let mut metered = Metered { meter: Arc::clone(&meter), call };
        let finished = poll_fn(|context| match Pin::new(&mut metered).poll(context) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if meter.is_busy() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await;
        match finished {
            Some(value) => Ok(value),
            None => AbortOnDropHandle::new(self.handle.spawn(metered)).await,
        }
    }
}

/// What is here computes for long, and the server's own threads are done in a moment: they go first.
#[cfg(target_os = "linux")]
fn step_back() {
    /// A tenth of the weight of an ordinary thread: enough to be taken off the processor for one, and never starved.
    const NICENESS: i32 = 10;
    // On Linux a priority is a thread's, and none stands for the calling one.
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "guests that compute have the priority of the server's own threads");
    }
}

#[cfg(not(target_os = "linux"))]
fn step_back() {}

impl Drop for Pool {
    fn drop(&mut self) {
        // A runtime may not be dropped on an async worker, because that waits; this does not.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Tells the meter when the guest runs.
struct Metered<T> {
    meter: Arc<Meter>,
    call: BoxFuture<'static, T>,
}

impl<T> Future for Metered<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        self.meter.begin_slice();
        let polled = self.call.as_mut().poll(context);
        self.meter.end_slice();
        polled
    }
}

/// Moves the rest of the call to the pool, for work that would hold a worker too long.
pub(crate) async fn move_to_pool(meter: &Meter) {
    if meter.is_busy() {
        return;
    }
    meter.mark_busy();
    give_way().await;
}

/// Ends this poll, and asks for the next one at once.
pub(crate) async fn give_way() {
    let mut given_way = false;
    poll_fn(|context| {
        if given_way {
            return Poll::Ready(());
        }
        given_way = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
