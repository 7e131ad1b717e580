//! What a gateway holds of a bucket that it shares with other gateways: tokens taken from the common bucket ahead of need.
//!
//! The common bucket lies elsewhere, and no request waits for it. A *stock* is the number of tokens that this gateway may
//! hand out; whoever keeps the stocks adds what the common bucket grants. A stock may come to owe, which the common bucket
//! is told afterwards: by what a request was found to cost, and, where the common bucket was plentiful when it was last
//! heard of, by its limit's *credit*, so that a client's first requests need not be refused before anybody has asked.
//!
//! Of a *strict* limit no stock owes what was not granted: a request that finds none waits until the common bucket has answered.
//!
//! A stock is good until a time. What is left of it then is lost, and never what it owes: so too little may be admitted
//! of what was granted, never too much.

use crate::limit::{Claim, Denial, Gcra, MAX_TAT};

/// The most that a stock can hold, and the most that it can owe.
pub const MOST: i32 = (1 << (BALANCE_BITS - 1)) - 1;
/// For how long a stock is good that nobody has answered for yet, in nanoseconds: an answer takes some milliseconds.
pub const UNANSWERED_NS: u64 = 2_000_000_000;

/// The time is kept in units of 2³⁰ ns, so that the word, read as a number, grows with it.
const TIME_SHIFT: u32 = 30;
const BALANCE_BITS: u32 = 28;
const BALANCE: u64 = (1 << BALANCE_BITS) - 1;
const CREDIT: u64 = 1 << BALANCE_BITS;
const WANTED: u64 = 1 << (BALANCE_BITS + 1);
const _: () = assert!(BALANCE_BITS + 2 == TIME_SHIFT);

/// Marks a claim on a bucket that gateways share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shared {
    /// The row of its limit, by which the keeper of the stocks knows it.
    pub row: u32,
    /// More is wanted when a stock comes down to this.
    pub low: u32,
    /// The claim waits for an answer already, and the keeper was told of it.
    pub told: bool,
}

/// What is in a stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stock {
    /// Tokens; below 0 they are owed.
    pub balance: i32,
    /// The common bucket was not short: the stock may come to owe its limit's credit, and where claims wait for answers they wait for
    /// one. Without it the last answer stands, and what is not in the stock is refused.
    pub credit: bool,
    /// The keeper knows that more is wanted, and need not be told again.
    pub wanted: bool,
    /// Until when it is good, in nanoseconds; kept to the next second or so.
    pub until: u64,
}

impl Stock {
    /// Of a key that nobody has asked for lately.
    fn unanswered(owed: i32, now: u64) -> Self {
        Self { balance: owed, credit: true, wanted: false, until: now.saturating_add(UNANSWERED_NS) }
    }

    /// The word that a table keeps, 63 bits long: `until | wanted | credit | balance`.
    pub fn to_word(self) -> u64 {
        let time = self.until.min(MAX_TAT).div_ceil(1 << TIME_SHIFT).min(MAX_TAT >> TIME_SHIFT);
        let flags = (u64::from(self.credit) * CREDIT) | (u64::from(self.wanted) * WANTED);
        time << TIME_SHIFT | flags | u64::from(u32::from_ne_bytes(self.balance.to_ne_bytes())) & BALANCE
    }

    /// What a word says, whatever it holds.
    pub fn of_word(word: u64) -> Self {
        let shift = u32::BITS - BALANCE_BITS;
        Self {
            balance: i32::from_ne_bytes(((word as u32) << shift).to_ne_bytes()) >> shift,
            credit: word & CREDIT != 0,
            wanted: word & WANTED != 0,
            until: (word & MAX_TAT) >> TIME_SHIFT << TIME_SHIFT,
        }
    }

    /// What a word says now; 0 is that of a key without one. None: its time is over, or none that anybody can have given.
    pub fn in_force(word: u64, now: u64, rate: Gcra) -> Option<Self> {
        let stock = Self::of_word(word);
        let longest = rate.tolerance.saturating_add(rate.interval).saturating_mul(2);
        let latest = now.saturating_add(longest).saturating_add(4 * UNANSWERED_NS);
        (stock.until > now && stock.until <= latest).then_some(stock)
    }

    /// With tokens more, or less, as far as it can hold or owe them.
    #[must_use]
    pub fn with(self, tokens: i64) -> Self {
        let most = i64::from(MOST);
        let balance = i64::from(self.balance).saturating_add(tokens).clamp(-most, most);
        Self { balance: balance as i32, ..self }
    }
}

/// What the memory says of a claim's limit and of the way to its keeper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What a stock with credit may owe; [`MOST`] is for all stocks, and means that nobody is refused.
    pub credit: u32,
    /// A claim beyond that waits for the keeper's answer.
    pub waits: bool,
    /// The keeper can be told that more is wanted.
    pub reachable: bool,
}

/// What a claim makes of a stock, or of the bucket that a gateway has for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The word that comes in place of the one there; None where it stays.
    pub word: Option<u64>,
    /// The word that comes says that the keeper knows of the want, and it is to be told.
    pub announce: bool,
    /// Is the claim met; if not, why?
    pub verdict: Result<(), Denial>,
}

/// Takes what a request costs from the stock with this word. The unit of a stock is what one request takes: a stock of three
/// lets three requests pass, whatever each costs in tokens of the limit. A claim of nothing passes while nothing is owed.
pub fn take(word: u64, claim: &Claim, shared: Shared, terms: Terms, now: u64) -> Decision {
    let before = current(word, claim, now);
    let credit = i64::from(terms.credit);
    let open = credit >= i64::from(MOST);
    let floor = if before.credit { -credit } else { 0 };
    let met = open || i64::from(before.balance) > floor;
    let after = if met && claim.cost > 0 { before.with(-1) } else { before };
    let verdict = match met {
        true => Ok(()),
        false if terms.waits && before.credit => Err(Denial::Unanswered { told: shared.told }),
        false => Err(Denial::Empty(wait(before, claim, now))),
    };
    told(word, after, shared, terms, verdict)
}

/// Takes so many tokens as the claim costs, which nobody can refuse any more.
pub fn owe(word: u64, claim: &Claim, shared: Shared, terms: Terms, now: u64) -> Decision {
    let after = current(word, claim, now).with(-i64::from(claim.cost));
    told(word, after, shared, terms, Ok(()))
}

/// The stock with this word as it counts now.
fn current(word: u64, claim: &Claim, now: u64) -> Stock {
    let owed = || Stock::of_word(word).balance.min(0);
    Stock::in_force(word, now, claim.rate).unwrap_or_else(|| Stock::unanswered(owed(), now))
}

/// A stock that has come to its mark is wanted, once; so is one that nobody has answered for. Each claim that begins to wait
/// is told of, so that the keeper asks for all of them at once.
fn told(word: u64, stock: Stock, shared: Shared, terms: Terms, verdict: Result<(), Denial>) -> Decision {
    let low = i64::from(stock.balance) <= i64::from(shared.low);
    let begins_to_wait = verdict == Err(Denial::Unanswered { told: false });
    let announce = low && (!stock.wanted || begins_to_wait) && terms.reachable;
    let new = Stock { wanted: stock.wanted || announce, ..stock }.to_word();
    // A refusal is worth a write only where it tells something.
    let word = (new != word && (verdict.is_ok() || announce)).then_some(new);
    let verdict = verdict.map_err(|denial| match denial {
        Denial::Unanswered { told } => Denial::Unanswered { told: told || announce },
        Denial::Empty(wait) => Denial::Empty(wait),
    });
    Decision { word, announce, verdict }
}

/// When a refused claim may be met: tokens come at the limit's rate, and no later than the stock is good for.
fn wait(stock: Stock, claim: &Claim, now: u64) -> u64 {
    let refill = u64::from(claim.cost.max(1)).saturating_mul(claim.rate.interval);
    refill.min(stock.until.saturating_sub(now)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000_000;
    const NOW: u64 = 1_000 * SECOND;
    const SHARED: Shared = Shared { row: 3, low: 2, told: false };

    fn claim(cost: u32) -> Claim {
        Claim { key: 7, rate: Gcra::per(100, SECOND, 200), cost, must_fit: false, shared: Some(SHARED) }
    }

    fn terms(credit: u32) -> Terms {
        Terms { credit, waits: false, reachable: true }
    }

    fn stock(balance: i32) -> Stock {
        Stock { balance, credit: false, wanted: false, until: NOW + 2 * SECOND }
    }

    /// A key that nobody knows passes on credit, is announced with the first request, and refused when the credit is used up.
    #[test]
    fn credit_first() {
        let (mut word, mut announced) = (0, 0);
        for _ in 0..3 {
            let decision = take(word, &claim(1), SHARED, terms(3), NOW);
            assert_eq!(decision.verdict, Ok(()));
            announced += u32::from(decision.announce);
            word = decision.word.unwrap();
        }
        assert_eq!(announced, 1);
        assert_eq!(Stock::of_word(word).balance, -3);
        let refused = take(word, &claim(1), SHARED, terms(3), NOW);
        assert_eq!((refused.verdict, refused.word), (Err(Denial::Empty(SECOND / 100)), None));
        let nothing = take(0, &claim(1), SHARED, terms(0), NOW);
        assert_eq!(nothing.verdict, Err(Denial::Empty(SECOND / 100)));
    }

    /// Where nobody is refused, no stock is too small.
    #[test]
    fn open_to_all() {
        let open = terms(u32::try_from(MOST).unwrap());
        for balance in [0, -5, -MOST] {
            assert!(take(stock(balance).to_word(), &claim(1), SHARED, open, NOW).verdict.is_ok());
        }
    }

    /// A stock without credit gives what it has, and says once that it runs low.
    #[test]
    fn stock_runs_low_once() {
        let (mut word, mut announced) = (stock(4).to_word(), vec![]);
        for _ in 0..4 {
            let decision = take(word, &claim(25), SHARED, terms(9), NOW);
            assert_eq!(decision.verdict, Ok(()), "a request takes one, whatever it costs");
            announced.push(decision.announce);
            word = decision.word.unwrap();
        }
        assert_eq!(announced, [false, true, false, false]);
        assert_eq!(take(word, &claim(25), SHARED, terms(9), NOW).verdict, Err(Denial::Empty(SECOND / 4)));
    }

    /// Where nobody can be told, nobody counts as told.
    #[test]
    fn unreachable_keeper_is_told_later() {
        let lost = Terms { reachable: false, ..terms(9) };
        let word = take(0, &claim(1), SHARED, lost, NOW).word.unwrap();
        assert!(!Stock::of_word(word).wanted);
        let refusal = take(stock(0).to_word(), &claim(1), SHARED, terms(0), NOW);
        assert!(refusal.announce && refusal.verdict.is_err() && refusal.word.is_some());
    }

    /// Who finds no stock of a strict limit waits, and each is told of once; when the answer is that there is none they are refused.
    #[test]
    fn strict_claims_wait_for_the_answer() {
        let strict = Terms { waits: true, ..terms(0) };
        let told = Shared { told: true, ..SHARED };
        let unanswered = Err(Denial::Unanswered { told: true });
        let first = take(0, &claim(1), SHARED, strict, NOW);
        assert_eq!((first.verdict, first.announce), (unanswered, true));
        let asked = first.word.unwrap();
        assert_eq!(Stock::of_word(asked).balance, 0, "nothing is owed");
        let second = take(asked, &claim(1), SHARED, strict, NOW);
        assert_eq!((second.verdict, second.announce, second.word), (unanswered, true, None));
        let same = take(asked, &claim(1), told, strict, NOW);
        assert_eq!((same.verdict, same.announce, same.word), (unanswered, false, None));
        let lost = Terms { reachable: false, ..strict };
        let unheard = take(asked, &claim(1), SHARED, lost, NOW);
        assert_eq!((unheard.verdict, unheard.announce), (Err(Denial::Unanswered { told: false }), false));
        let forgotten = Stock { credit: true, ..stock(0) }.to_word();
        assert!(take(forgotten, &claim(1), told, strict, NOW).announce, "the answer was for others");
        let granted = Stock { credit: true, ..stock(1) }.to_word();
        assert_eq!(take(granted, &claim(1), told, strict, NOW).verdict, Ok(()));
        let none = take(stock(0).to_word(), &claim(1), told, strict, NOW);
        assert_eq!(none.verdict, Err(Denial::Empty(SECOND / 100)));
    }

    /// When the time is over, tokens are lost and debts are not.
    #[test]
    fn time_takes_tokens_and_leaves_debts() {
        for (balance, then) in [(50, -1), (0, -1), (-2, -3)] {
            let late = stock(balance).until + 2 * SECOND;
            let decision = take(stock(balance).to_word(), &claim(1), SHARED, terms(5), late);
            assert_eq!(Stock::of_word(decision.word.unwrap()).balance, then);
        }
        let endless = Stock { until: MAX_TAT, ..stock(50) }.to_word();
        assert_eq!(Stock::in_force(endless, NOW, claim(1).rate), None);
    }

    /// A claim of nothing passes while nothing is owed, and what is owed is taken whatever is there.
    #[test]
    fn debts_come_first() {
        let decision = owe(stock(5).to_word(), &claim(8), SHARED, terms(0), NOW);
        let word = decision.word.unwrap();
        assert_eq!(Stock::of_word(word).balance, -3);
        assert!(take(word, &claim(0), SHARED, terms(0), NOW).verdict.is_err());
        assert!(take(stock(1).to_word(), &claim(0), SHARED, terms(0), NOW).verdict.is_ok());
        let most = owe(word, &claim(u32::MAX), SHARED, terms(0), NOW).word.unwrap();
        assert_eq!(Stock::of_word(most).balance, -MOST);
    }

    proptest! {
        /// A word says what was written, its time rounded up by less than its unit.
        #[test]
        fn words_keep_what_they_are_given(balance in -MOST..=MOST, credit: bool, wanted: bool,
                                          until in 0..MAX_TAT >> 1) {
            let stock = Stock { balance, credit, wanted, until };
            let word = stock.to_word();
            let read = Stock::of_word(word);
            prop_assert!(word <= MAX_TAT);
            prop_assert_eq!(Stock { until, ..read }, stock);
            prop_assert!(read.until >= until && read.until - until < 1 << TIME_SHIFT);
        }

        /// No word, claim or time overflows; what is met takes one, and no more than credit is ever owed for it.
        #[test]
        fn total_over_all_words(word: u64, cost: u32, credit: u32, now: u64, tokens: u64, burst: u64,
                                waits: bool, reachable: bool) {
            let claim = Claim { rate: Gcra::per(tokens, SECOND, burst), ..claim(cost) };
            let terms = Terms { credit, waits, reachable };
            let decision = take(word & MAX_TAT, &claim, SHARED, terms, now);
            if let (Ok(()), Some(new)) = (decision.verdict, decision.word) {
                let balance = Stock::of_word(new).balance;
                prop_assert!(new <= MAX_TAT && i64::from(balance) >= -i64::from(credit.min(MOST.unsigned_abs())));
            }
            let owing = owe(word & MAX_TAT, &claim, SHARED, terms, now);
            prop_assert!(owing.word.is_none_or(|word| word <= MAX_TAT));
        }
    }
}
