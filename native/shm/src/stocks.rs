//! The keeper of the stocks: the supervisor's view of the buckets that gateways share.
//!
//! It hears what is wanted and adds to stocks what was granted. It makes no slot: who is in the table is for the workers'
//! requests to say, and a stock whose slot has gone to another key meanwhile is told as gone.

use core::sync::atomic::Ordering;
use std::sync::Arc;

use headgate_engine::stock::{Stock, MOST};

use crate::bucket::{Charger, Table};
use crate::live::LiveLanes;
use crate::segment::Segment;
use crate::wakes::{News, Wakes};
use crate::wants::Want;

/// In the word of a limit's credit: claims beyond it wait for the keeper's answer.
const WAITS: u32 = 1 << 31;
const _: () = assert!(MOST.unsigned_abs() < WAITS);

/// What the word of a limit's credit says: what a stock with credit may owe, and whether claims beyond that wait for an answer.
pub(crate) fn credit_of(word: u32) -> (u32, bool) {
    (word & !WAITS, word & WAITS != 0)
}

/// Whoever changes what is there and inserts nothing.
struct Keeper;

impl Charger for Keeper {
    fn next_mark(&self) -> u64 {
        0
    }
}

/// How a stock is left behind when something was added to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// It may come to owe its limit's credit.
    pub credit: bool,
    /// Asking for more would be in vain until its time is over.
    pub quiet: bool,
    /// Until when it is good, in nanoseconds.
    pub until: u64,
}

/// Keeps stocks. One process at a time may do that.
pub struct Stocks {
    segment: Arc<Segment>,
    wakes: Wakes,
}

impl Stocks {
    /// The stocks of a segment.
    pub fn new(segment: Arc<Segment>) -> Self {
        Self { segment, wakes: Wakes::default() }
    }

    /// By which it wakes the workers.
    #[must_use]
    pub fn waking(self, wakes: Wakes) -> Self {
        Self { wakes, ..self }
    }

    /// Wakes the workers at which anybody waits: what has changed may be an answer.
    pub fn wake(&self) {
        self.wakes.all_that_wait(&self.segment, News::Answer);
    }

    /// Up to `most` wants of each worker, those of one worker in their order. A key may come more than once.
    pub fn wanted(&self, most: usize) -> Vec<Want> {
        let mut wants = vec![];
        for ring in LiveLanes::new(self.segment.live()).filter_map(|lane| self.segment.lane_wants(lane)) {
            ring.take(most, |want| wants.push(want));
        }
        wants
    }

    /// What is left of a stock, below 0 what it owes; None where its key has no slot.
    pub fn balance(&self, key: u64, now: u64) -> Option<i32> {
        let (word, _) = self.change(key, now, |word| word)?;
        Some(counted(word, now).balance)
    }

    /// Adds tokens, or takes some away; returns what is there then. None: the key has no slot, and nothing was added.
    pub fn settle(&self, key: u64, tokens: i64, terms: Terms, now: u64) -> Option<i32> {
        let Terms { credit, quiet, until } = terms;
        let settled = |word| Stock { credit, wanted: quiet, until, ..counted(word, now).with(tokens) };
        let (_, after) = self.change(key, now, |word| settled(word).to_word())?;
        Some(Stock::of_word(after).balance)
    }

    /// Ends a stock, whose slot another key may have then; returns what was left, or what it owed.
    pub fn take_back(&self, key: u64, now: u64) -> i32 {
        let ended = Stock { balance: 0, credit: false, wanted: false, until: 0 };
        self.change(key, now, |_| ended.to_word()).map_or(0, |(before, _)| counted(before, now).balance)
    }

    /// Says what stocks with credit may owe, of the limit of this row, and whether claims beyond that wait for an answer. False:
    /// there is no such row.
    pub fn set_credit(&self, row: u32, tokens: u32, waits: bool) -> bool {
        let tokens = tokens.min(MOST.unsigned_abs()) | if waits { WAITS } else { 0 };
        let word = self.segment.credits().get(row as usize);
        word.inspect(|word| word.store(tokens, Ordering::Relaxed)).is_some()
    }

    fn change(&self, key: u64, now: u64, change: impl Fn(u64) -> u64) -> Option<(u64, u64)> {
        Table::new(self.segment.buckets(), &Keeper).change(key, now, change)
    }
}

/// The stock with this word; when its time is over, without the tokens that it had.
fn counted(word: u64, now: u64) -> Stock {
    let stock = Stock::of_word(word);
    let balance = if stock.until > now { stock.balance } else { stock.balance.min(0) };
    Stock { balance, ..stock }
}
