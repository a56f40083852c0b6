//! Processor time of one guest. Epochs are wall time, so they only say when to look; what counts is the time the thread
//! really computed while it ran the guest, whatever else the machine is doing and however long the host takes to answer.
//!
//! Asking the system for a thread's time costs a microsecond, a good part of a small call. So up to the first tick that meets
//! the guest computing, the wall clock stands in: a slice contains no waiting, and of one that no tick has met hardly more
//! than a tick can have been computed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use crate::engine::TICK;

/// The most that is counted for a slice by the wall clock: the clock that ticks may be late itself.
const MOST_UNTIL_A_TICK: u64 = 2 * TICK.as_nanos() as u64;

/// Shared between the future that runs the guest (begins and ends slices) and the store's epoch callback (reads).
#[derive(Debug)]
pub(crate) struct Meter {
    /// What the wall clock is read against.
    made: Instant,
    /// Nanoseconds of the guest's finished slices. Written by whoever polls the guest, one thread at a time.
    spent: AtomicU64,
    /// The clock when the running slice began: the thread's own if `exact`, else the wall clock.
    slice_began: AtomicU64,
    /// A tick has met the guest.
    exact: AtomicBool,
    /// Between [`Meter::begin_guest`] and [`Meter::end_guest`]; checking input and output is not billed to the guest.
    running: AtomicBool,
    /// Set when the guest gave way because a tick passed, or when heavy work is about to start.
    busy: AtomicBool,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            made: Instant::now(),
            spent: AtomicU64::default(),
            slice_began: AtomicU64::default(),
            exact: AtomicBool::default(),
            running: AtomicBool::default(),
            busy: AtomicBool::default(),
        }
    }
}

impl Meter {
    pub(crate) fn begin_slice(&self) {
        if self.running.load(Ordering::Relaxed) {
            self.slice_began.store(self.now(), Ordering::Relaxed);
        }
    }

    pub(crate) fn end_slice(&self) {
        if self.running.load(Ordering::Relaxed) {
            self.spent.store(self.guest_nanoseconds(), Ordering::Relaxed);
        }
    }

    /// Called inside a slice.
    pub(crate) fn begin_guest(&self) {
        self.slice_began.store(self.now(), Ordering::Relaxed);
        self.running.store(true, Ordering::Relaxed);
    }

    /// Called inside a slice; gives the guest's nanoseconds.
    pub(crate) fn end_guest(&self) -> u64 {
        self.running.store(false, Ordering::Relaxed);
        self.guest_nanoseconds()
    }

    /// A tick has met the guest computing; gives its nanoseconds so far. Called inside a slice.
    pub(crate) fn tick(&self) -> u64 {
        let spent = self.guest_nanoseconds();
        if !self.exact.swap(true, Ordering::Relaxed) {
            self.spent.store(spent, Ordering::Relaxed);
            self.slice_began.store(self.now(), Ordering::Relaxed);
        }
        spent
    }

    /// Nanoseconds since [`Meter::begin_guest`]. Only meaningful inside a slice.
    fn guest_nanoseconds(&self) -> u64 {
        let slice = self.now().saturating_sub(self.slice_began.load(Ordering::Relaxed));
        let slice = if self.exact.load(Ordering::Relaxed) { slice } else { slice.min(MOST_UNTIL_A_TICK) };
        self.spent.load(Ordering::Relaxed).saturating_add(slice)
    }

    fn now(&self) -> u64 {
        if self.exact.load(Ordering::Relaxed) {
            return thread_nanoseconds();
        }
        u64::try_from(self.made.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    pub(crate) fn mark_busy(&self) {
        self.busy.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed)
    }
}

#[cfg(unix)]
fn thread_nanoseconds() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or_default();
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}

/// Elsewhere wall time stands in: a slice contains no waiting, so it can only count too much, never too little.
#[cfg(not(unix))]
fn thread_nanoseconds() -> u64 {
    use std::sync::OnceLock;
    use std::time::Instant;
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    u64::try_from(BEGAN.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_pause_counts_two_ticks_at_most_before_the_first_tick_and_nothing_after_it() {
        let meter = Meter::default();
        meter.begin_guest();
        std::thread::sleep(Duration::from_millis(60));
        let before = meter.tick();
        assert_eq!(before, MOST_UNTIL_A_TICK);
        std::thread::sleep(Duration::from_millis(60));
        let after = meter.tick();
        // On systems without a clock of the thread's own the wall clock stands in.
        #[cfg(unix)]
        assert!(after - before < 30_000_000, "{before} {after}");
        meter.end_slice();
        assert!(meter.end_guest() >= after);
    }
}
