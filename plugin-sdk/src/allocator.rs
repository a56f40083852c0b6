//! The guest's memory. An instance lives for one call, so what counts is its first allocations: they come out of memory that
//! is there when the call begins, where the standard library's allocator would first ask the host for more. Each such request
//! moves a border of protected memory in the host, there and back, which takes a third of a small call's time.

use core::alloc::Layout;
use core::arch::wasm32::memory_grow;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use talc::base::Talc;
use talc::base::binning::Binning;
use talc::cell::TalcSyncCell;
use talc::source::Source;
use talc::wasm::WasmBinning;

const PAGE_BYTES: usize = 64 << 10;
/// All zeros, so it takes no room in the file, and no memory until it is touched.
const ARENA_BYTES: usize = 512 << 10;
/// What is asked for at once when the arena is used up: as much again.
const GROWTH_BYTES: usize = ARENA_BYTES;
/// More than the allocator's own bookkeeping in a new piece.
const OVERHEAD_BYTES: usize = 1 << 10;

static mut ARENA: [MaybeUninit<u8>; ARENA_BYTES] = [MaybeUninit::uninit(); ARENA_BYTES];

#[global_allocator]
static ALLOCATOR: TalcSyncCell<ArenaThenGrowth, WasmBinning> = TalcSyncCell::new_wasm(ArenaThenGrowth::Begins);

/// Where the next memory comes from.
#[derive(Debug)]
enum ArenaThenGrowth {
    Begins,
    /// The host, with the end of what it gave last, so that what it gives next makes one piece with it.
    Grows(Option<NonNull<u8>>),
}

// SAFETY: it allocates nothing itself. Each piece is given once: the arena at the first request, then what the host adds.
unsafe impl Source for ArenaThenGrowth {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        let Self::Grows(end) = talc.source else {
            talc.source = Self::Grows(None);
            // SAFETY: nobody else names the arena.
            return unsafe { talc.claim((&raw mut ARENA).cast(), ARENA_BYTES) }.map(|_| ()).ok_or(());
        };
        let needed = layout.size().saturating_add(layout.align()).saturating_add(OVERHEAD_BYTES);
        // The memory's limit may leave room for what is needed and no more.
        let (base, bytes) = grown(needed.max(GROWTH_BYTES)).or_else(|| grown(needed)).ok_or(())?;
        // SAFETY: the host has just added these pages, and nobody else asks for any.
        let end = unsafe {
            match end {
                Some(end) if end.as_ptr() == base => Some(talc.extend(end, base.wrapping_add(bytes))),
                Some(_) | None => talc.claim(base, bytes),
            }
        };
        talc.source = Self::Grows(end);
        end.map(|_| ()).ok_or(())
    }
}

/// Where new pages for so many bytes begin, and how many bytes they have.
fn grown(bytes: usize) -> Option<(*mut u8, usize)> {
    let pages = bytes.div_ceil(PAGE_BYTES);
    let before = memory_grow::<0>(pages);
    (before != usize::MAX).then(|| ((before * PAGE_BYTES) as *mut u8, pages * PAGE_BYTES))
}
