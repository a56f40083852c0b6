//! Processor time of one guest. Epochs are wall time, so they only say when to look; what counts is the time the thread
//! really computed while it ran the guest, whatever else the machine is doing and however long the host takes to answer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Shared between the future that runs the guest (begins and ends slices) and the store's epoch callback (reads). Reading a
/// thread's clock is a system call, so it is read only while there is a guest.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Nanoseconds of the guest's finished slices. Written by whoever polls the guest, one thread at a time.
    spent: AtomicU64,
    /// The thread's clock when the running slice began.
    slice_began: AtomicU64,
    /// Between [`Meter::begin_guest`] and [`Meter::end_guest`]; checking input and output is not billed to the guest.
    running: AtomicBool,
    /// Set when the guest gave way because a tick passed, or when heavy work is about to start.
    busy: AtomicBool,
}

impl Meter {
    pub(crate) fn begin_slice(&self) {
        if self.running.load(Ordering::Relaxed) {
            self.slice_began.store(thread_nanoseconds(), Ordering::Relaxed);
        }
    }

    pub(crate) fn end_slice(&self) {
        if self.running.load(Ordering::Relaxed) {
            self.spent.store(self.guest_nanoseconds(), Ordering::Relaxed);
        }
    }

    /// Called inside a slice.
    pub(crate) fn begin_guest(&self) {
        self.slice_began.store(thread_nanoseconds(), Ordering::Relaxed);
        self.running.store(true, Ordering::Relaxed);
    }

    /// Called inside a slice; gives the guest's nanoseconds.
    pub(crate) fn end_guest(&self) -> u64 {
        self.running.store(false, Ordering::Relaxed);
        self.guest_nanoseconds()
    }

    /// Nanoseconds since [`Meter::begin_guest`]. Only meaningful inside a slice.
    pub(crate) fn guest_nanoseconds(&self) -> u64 {
        let slice = thread_nanoseconds().saturating_sub(self.slice_began.load(Ordering::Relaxed));
        self.spent.load(Ordering::Relaxed).saturating_add(slice)
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
