//! The mapped segment: one sealed memfd, and every array in it as a slice of atomic words.

use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;

use portable_atomic::AtomicU128;
use rustix::fs::{fcntl_add_seals, fcntl_get_seals, fstat, ftruncate, memfd_create, MemfdFlags, SealFlags};
use rustix::io::Errno;
use rustix::mm::{mmap, munmap, MapFlags, ProtFlags};

use crate::budget::BUDGET_WORDS;
use crate::column::Column;
use crate::descriptor::duplicate;
use crate::holds::Table;
use crate::layout::{
    AddressRecord, Array, Capacities, CapacityError, Header, LaneHeader, LaneLayout, Layout, Turn,
    LAYOUT_HASH, MAGIC,
};
use crate::live::LiveLanes;
use crate::retire::{Lane, Retired};
use crate::wants::Wants;

/// Why there is no segment.
#[derive(Debug)]
pub enum SegmentError {
    /// A capacity is out of range.
    Capacity(CapacityError),
    /// The memory is not a segment of this build; the text says what differs.
    Foreign(&'static str),
    /// This machine has no 128-bit compare-and-exchange, and the token buckets cannot do with less.
    NoWideExchange,
    /// The system refused.
    System(Errno),
}

impl fmt::Display for SegmentError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capacity(error) => error.fmt(out),
            Self::Foreign(what) => write!(out, "not a shared memory of this build: {what}"),
            Self::NoWideExchange => {
                write!(out, "this processor has no lock-free 128-bit compare-and-exchange")
            }
            Self::System(error) => error.fmt(out),
        }
    }
}

impl core::error::Error for SegmentError {}

impl From<CapacityError> for SegmentError {
    fn from(error: CapacityError) -> Self {
        Self::Capacity(error)
    }
}

impl From<Errno> for SegmentError {
    fn from(error: Errno) -> Self {
        Self::System(error)
    }
}

/// A type that any bytes are a valid value of and that is only ever changed through shared references.
///
/// # Safety
/// The type must consist of atomic integers alone (padding allowed).
unsafe trait Shared {}

// SAFETY: an atomic integer.
unsafe impl Shared for AtomicU32 {}
// SAFETY: an atomic integer.
unsafe impl Shared for AtomicU64 {}
// SAFETY: an atomic integer; `Segment::map` has made sure that it is one without a lock.
unsafe impl Shared for AtomicU128 {}
// SAFETY: atomic integers and padding.
unsafe impl Shared for Header {}
// SAFETY: atomic integers and padding.
unsafe impl Shared for LaneHeader {}
// SAFETY: atomic integers and padding.
unsafe impl Shared for AddressRecord {}
// SAFETY: an atomic integer and padding.
unsafe impl Shared for Turn {}

/// The shared memory of a gateway.
pub struct Segment {
    base: NonNull<u8>,
    layout: Layout,
    hash_seed: u64,
    fd: OwnedFd,
}

// SAFETY: the mapping belongs to this value until it is dropped, and is only read and written through atomics.
unsafe impl Send for Segment {}
// SAFETY: as above; every access through a shared reference is atomic.
unsafe impl Sync for Segment {}

impl fmt::Debug for Segment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Segment({} bytes, {:?})", self.layout.size, self.layout.capacities)
    }
}

impl Segment {
    /// Bytes of address space that a segment of these capacities takes; memory is taken only where it is touched.
    pub fn size_for(capacities: Capacities) -> Result<usize, CapacityError> {
        Layout::new(capacities).map(|layout| layout.size)
    }

    /// Makes a fresh segment. `hash_seed` should be random: it keeps clients from choosing colliding keys.
    pub fn create(capacities: Capacities, hash_seed: u64) -> Result<Self, SegmentError> {
        let layout = Layout::new(capacities)?;
        let fd = memfd_create("headgate", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&fd, layout.size as u64)?;
        fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        let segment = Self::map(fd, &layout, hash_seed)?;
        segment.write_header();
        Ok(segment)
    }

    /// Maps an inherited segment, if it is one of this build. The descriptor is duplicated, so the caller's may be
    /// closed afterwards.
    pub fn attach(fd: RawFd) -> Result<Self, SegmentError> {
        let fd = duplicate(fd)?;
        let sealed = SealFlags::SHRINK | SealFlags::GROW;
        if !fcntl_get_seals(&fd).is_ok_and(|seals| seals.contains(sealed)) {
            return Err(SegmentError::Foreign("it is not sealed against a change of its size"));
        }
        let size = u64::try_from(fstat(&fd)?.st_size).unwrap_or(0);
        let (layout, hash_seed) = read_header(&fd)?;
        if layout.size as u64 != size {
            return Err(SegmentError::Foreign("its size does not follow from its capacities"));
        }
        Self::map(fd, &layout, hash_seed)
    }

    fn map(fd: OwnedFd, layout: &Layout, hash_seed: u64) -> Result<Self, SegmentError> {
        if !AtomicU128::is_lock_free() {
            return Err(SegmentError::NoWideExchange);
        }
        // SAFETY: a new mapping at an address of the kernel's choice; it aliases nothing of this process.
        let base = unsafe {
            mmap(
                core::ptr::null_mut(),
                layout.size,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                &fd,
                0,
            )
        }?;
        let base = NonNull::new(base.cast()).ok_or(SegmentError::System(Errno::NOMEM))?;
        Ok(Self { base, layout: *layout, hash_seed, fd })
    }

    fn write_header(&self) {
        let Some(header) = self.header() else { return };
        header.layout.store(LAYOUT_HASH, Ordering::Relaxed);
        for (word, (_, value)) in header.capacities.iter().zip(self.layout.capacities.named()) {
            word.store(u64::from(value), Ordering::Relaxed);
        }
        header.hash_seed.store(self.hash_seed, Ordering::Relaxed);
        header.magic.store(MAGIC, Ordering::Release);
    }

    /// The descriptor, for a child process to inherit.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Bytes of address space.
    pub fn size(&self) -> usize {
        self.layout.size
    }

    /// What the segment has room for.
    pub fn capacities(&self) -> Capacities {
        self.layout.capacities
    }

    /// The secret that seeds the hash of bucket keys.
    pub fn hash_seed(&self) -> u64 {
        self.hash_seed
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    #[inline]
    fn array<T: Shared>(&self, array: Array<T>) -> &[T] {
        // SAFETY: only `Layout` makes arrays, aligned for `T` from the start of the mapping and within its size
        // (`size` is what was mapped, and the seals keep the file from shrinking under it). `Shared` types take any
        // bytes and are changed through atomics only. The slice borrows `self`, which unmaps when dropped.
        unsafe { core::slice::from_raw_parts(self.base.add(array.offset()).cast().as_ptr(), array.len()) }
    }

    pub(crate) fn header(&self) -> Option<&Header> {
        self.array(self.layout.header).first()
    }

    #[inline]
    pub(crate) fn live(&self) -> &[AtomicU64] {
        self.array(self.layout.live)
    }

    pub(crate) fn health(&self) -> &[AtomicU32] {
        self.array(self.layout.health)
    }

    pub(crate) fn weights(&self) -> &[AtomicU32] {
        self.array(self.layout.weights)
    }

    pub(crate) fn caps(&self) -> &[AtomicU32] {
        self.array(self.layout.caps)
    }

    #[inline]
    pub(crate) fn room(&self) -> &[AtomicU32] {
        self.array(self.layout.room)
    }

    pub(crate) fn tiers(&self) -> &[AtomicU32] {
        self.array(self.layout.tiers)
    }

    #[inline]
    pub(crate) fn starts(&self) -> &[AtomicU64] {
        self.array(self.layout.starts)
    }

    #[inline]
    pub(crate) fn latencies(&self) -> &[AtomicU64] {
        self.array(self.layout.latencies)
    }

    pub(crate) fn generations(&self) -> &[AtomicU32] {
        self.array(self.layout.generations)
    }

    pub(crate) fn addresses(&self) -> &[AddressRecord] {
        self.array(self.layout.addresses)
    }

    #[inline]
    pub(crate) fn failures(&self) -> &[AtomicU32] {
        self.array(self.layout.failures)
    }

    #[inline]
    pub(crate) fn identities(&self) -> &[AtomicU64] {
        self.array(self.layout.identities)
    }

    pub(crate) fn banks(&self) -> &[AtomicU64] {
        self.array(self.layout.banks)
    }

    pub(crate) fn turns(&self) -> &[Turn] {
        self.array(self.layout.turns)
    }

    pub(crate) fn arena(&self) -> &[AtomicU32] {
        self.array(self.layout.arena)
    }

    pub(crate) fn rings(&self) -> &[AtomicU64] {
        self.array(self.layout.rings)
    }

    pub(crate) fn ring_arena(&self) -> &[AtomicU32] {
        self.array(self.layout.ring_arena)
    }

    /// By row of the limit table: what a stock with credit may owe, and whether claims wait for an answer.
    #[inline]
    pub(crate) fn credits(&self) -> &[AtomicU32] {
        self.array(self.layout.credits)
    }

    pub(crate) fn buckets(&self) -> &[AtomicU128] {
        self.array(self.layout.buckets)
    }

    pub(crate) fn bucket_bytes(&self) -> (u64, usize) {
        (self.layout.buckets.offset() as u64, self.layout.buckets.len())
    }

    pub(crate) fn lane_header(&self, lane: u32) -> Option<&LaneHeader> {
        self.array(self.layout.lane(lane).header).first()
    }

    #[inline]
    pub(crate) fn lane_in_flight(&self, lane: u32) -> &[AtomicU32] {
        self.array(self.layout.lane(lane).in_flight)
    }

    #[inline]
    pub(crate) fn lane_counters(&self, lane: u32) -> &[AtomicU64] {
        self.array(self.layout.lane(lane).counters)
    }

    #[inline]
    pub(crate) fn lane_budget(&self, lane: u32, service: u32) -> &[AtomicU32] {
        let start = service as usize * BUDGET_WORDS;
        self.array(self.layout.lane(lane).budgets).get(start..start + BUDGET_WORDS).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn lane_waiting(&self, lane: u32) -> &[AtomicU32] {
        self.array(self.layout.lane(lane).waiting)
    }

    #[inline]
    pub(crate) fn lane_fronts(&self, lane: u32) -> &[AtomicU64] {
        self.array(self.layout.lane(lane).fronts)
    }

    /// Those who wait for a service in the live lanes, a word for each.
    #[inline]
    pub(crate) fn waiting(&self, service: u32) -> impl Iterator<Item = &AtomicU32> + Clone {
        LiveLanes::new(self.live()).filter_map(move |lane| self.lane_waiting(lane).get(service as usize))
    }

    /// The live lanes, each with the front of its line for a service.
    #[inline]
    pub(crate) fn fronts(&self, service: u32) -> impl Iterator<Item = (u32, &AtomicU64)> {
        LiveLanes::new(self.live())
            .filter_map(move |lane| Some((lane, self.lane_fronts(lane).get(service as usize)?)))
    }

    pub(crate) fn lane_budgets(&self, lane: u32) -> &[AtomicU32] {
        self.array(self.layout.lane(lane).budgets)
    }

    #[inline]
    pub(crate) fn lane_holds(&self, lane: u32) -> Option<Table<'_, AtomicU64>> {
        let LaneLayout { header, holds, .. } = self.layout.lane(lane);
        Some(Table { reach: &self.array(header).first()?.seen.0.reach, slots: self.array(holds) })
    }

    #[inline]
    pub(crate) fn lane_wants(&self, lane: u32) -> Option<Wants<'_, AtomicU64>> {
        let LaneLayout { header, wants, .. } = self.layout.lane(lane);
        Some(wants_of(self.array(header).first()?, self.array(wants)))
    }

    /// The tables of holds of the live lanes other than `own`.
    #[inline]
    pub(crate) fn holds_of_others(&self, own: u32) -> impl Iterator<Item = Table<'_, AtomicU64>> {
        self.lanes_of_others(own).filter_map(|lane| self.lane_holds(lane))
    }

    /// The live lanes other than `own`.
    #[inline]
    pub(crate) fn lanes_of_others(&self, own: u32) -> impl Iterator<Item = u32> + Clone + '_ {
        LiveLanes::new(self.live()).filter(move |&lane| lane != own)
    }

    /// The words of one instance in the live lanes.
    #[inline]
    pub(crate) fn in_flight(&self, slot: u32) -> impl Iterator<Item = &AtomicU32> + Clone {
        let words = self.in_flight_column(slot);
        LiveLanes::new(self.live()).filter_map(move |lane| words?.of_lane(lane))
    }

    /// The words of one instance in all lanes; None of one beyond the last.
    #[inline]
    pub(crate) fn in_flight_column(&self, slot: u32) -> Option<Column<'_, AtomicU32>> {
        let Layout { first_lane: LaneLayout { in_flight, .. }, lane_size, capacities, .. } = self.layout;
        if slot as usize >= in_flight.len() {
            return None;
        }
        // SAFETY: `Layout` places the same parts in each of so many lanes, all of one size, within the mapping: what is there in
        // lane 0 is so in all. The words borrow `self`, which unmaps when dropped.
        Some(unsafe {
            let first = self.base.add(in_flight.offset()).cast::<AtomicU32>().add(slot as usize);
            Column::new(first, lane_size, capacities.lanes)
        })
    }

    /// The lane as the folding of totals sees it.
    pub(crate) fn lane(&self, number: u32) -> Option<Lane<'_, AtomicU64>> {
        let generation = &self.lane_header(number)?.generation;
        Some(Lane { number, generation, counters: self.lane_counters(number) })
    }

    pub(crate) fn retired(&self) -> Option<Retired<'_, AtomicU64>> {
        let banks = self.layout.retired.map(|bank| self.array(bank));
        Some(Retired { flip: &self.header()?.flip.0, banks })
    }

    pub(crate) fn membership(&self) -> Option<&AtomicU64> {
        Some(&self.header()?.membership.0)
    }
}

/// A lane with the places of its parts, worked out once: its worker looks at them several times with every request.
pub(crate) struct OwnLane {
    segment: Arc<Segment>,
    number: u32,
    /// Of this segment's layout, as [`Segment::array`] asks for.
    places: LaneLayout,
}

impl OwnLane {
    pub(crate) fn of(segment: Arc<Segment>, number: u32) -> Self {
        let places = segment.layout.lane(number);
        Self { segment, number, places }
    }

    #[inline]
    pub(crate) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    #[inline]
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    #[inline]
    pub(crate) fn header(&self) -> Option<&LaneHeader> {
        self.segment.array(self.places.header).first()
    }

    #[inline]
    pub(crate) fn in_flight(&self) -> &[AtomicU32] {
        self.segment.array(self.places.in_flight)
    }

    #[inline]
    pub(crate) fn counters(&self) -> &[AtomicU64] {
        self.segment.array(self.places.counters)
    }

    #[inline]
    pub(crate) fn holds(&self) -> Option<Table<'_, AtomicU64>> {
        let reach = &self.header()?.seen.0.reach;
        Some(Table { reach, slots: self.segment.array(self.places.holds) })
    }

    #[inline]
    pub(crate) fn wants(&self) -> Option<Wants<'_, AtomicU64>> {
        Some(wants_of(self.header()?, self.segment.array(self.places.wants)))
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `map` with this size, and every slice of it borrowed `self`.
        // Nothing can be done about a refusal, and nothing is lost: the process keeps some address space.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.layout.size) };
    }
}

/// The ring of wants of the lane with this header.
#[inline]
fn wants_of<'a>(header: &'a LaneHeader, words: &'a [AtomicU64]) -> Wants<'a, AtomicU64> {
    Wants { read: &header.wants_read, written: &header.seen.0.wants_written, words }
}

/// Reads and checks the first row of the header, from the file: nothing is mapped before its size is known to be right.
fn read_header(fd: &OwnedFd) -> Result<(Layout, u64), SegmentError> {
    let mut bytes = [0; 9 * 8];
    if rustix::io::pread(fd, &mut bytes[..], 0)? != bytes.len() {
        return Err(SegmentError::Foreign("it is too short"));
    }
    let mut words = [0; 9];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = bytes.try_into().map_or(0, u64::from_ne_bytes);
    }
    let [magic, hash, capacities @ .., hash_seed] = words;
    if magic != MAGIC {
        return Err(SegmentError::Foreign("its first word is not the magic number"));
    }
    if hash != LAYOUT_HASH {
        return Err(SegmentError::Foreign("its layout differs"));
    }
    let layout = Capacities::from_words(capacities).and_then(|capacities| Layout::new(capacities).ok());
    layout.map(|layout| (layout, hash_seed)).ok_or(SegmentError::Foreign("a capacity is out of range"))
}
