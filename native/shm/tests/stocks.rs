//! What gateways share, over the real segment: workers take from a stock and say what they want, the keeper adds.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::thread;

use headgate_engine::limit::{Charge, Claim, Gcra};
use headgate_engine::queue::Front;
use headgate_engine::state::{Counter, State};
use headgate_engine::stock::Shared;
use headgate_shm::control::Control;
use headgate_shm::layout::Capacities;
use headgate_shm::segment::Segment;
use headgate_shm::state::Worker;
use headgate_shm::stocks::{Stocks, Terms};
use headgate_shm::view::View;
use headgate_shm::wakes::{News, Wakes};
use headgate_shm::wants::Want;

const SECOND: u64 = 1_000_000_000;
const NOW: u64 = 1_000 * SECOND;
const ROW: u32 = 2;
const CAPACITIES: Capacities =
    Capacities { lanes: 6, instances: 32, services: 4, series: 8, limits: 4, limit_keys: 100 };
const PLAIN: Terms = Terms { credit: false, quiet: false, until: NOW + 5 * SECOND };

fn claim(key: u64) -> Claim {
    let shared = Some(Shared { row: ROW, low: 1, told: false });
    Claim { key, rate: Gcra::per(100, SECOND, 200), cost: 1, must_fit: false, shared }
}

fn populated() -> (Arc<Segment>, Control, Stocks, [Worker; 2]) {
    let segment = Arc::new(Segment::create(CAPACITIES, 42).unwrap());
    let control = Control::new(Arc::clone(&segment));
    let workers = [0, 1].map(|lane| {
        control.open_lane(lane, 100 + lane).unwrap();
        Worker::attach(Arc::clone(&segment), lane).unwrap()
    });
    let stocks = Stocks::new(Arc::clone(&segment));
    assert!(stocks.set_credit(ROW, 3, false));
    (segment, control, stocks, workers)
}

fn allowed(worker: &Worker, key: u64, now: u64) -> usize {
    (0..100).take_while(|_| worker.charge(&[claim(key)], now) == Charge::Allowed).count()
}

/// The workers together use the credit once, one of them says so, and what is granted can be used by either.
#[test]
fn workers_share_one_stock() {
    let (_, _, stocks, [one, other]) = populated();
    assert_eq!(one.charge(&[claim(7)], NOW), Charge::Allowed);
    assert_eq!(allowed(&other, 7, NOW), 2);
    assert_eq!(stocks.wanted(10), [Want { key: 7, row: ROW }]);
    assert_eq!(stocks.balance(7, NOW), Some(-3));
    assert_eq!(stocks.settle(7, 3 + 5, PLAIN, NOW), Some(5));
    assert_eq!((allowed(&one, 7, NOW), stocks.wanted(10)), (5, vec![Want { key: 7, row: ROW }]));
    assert_eq!(stocks.settle(7, 4, PLAIN, NOW), Some(4));
    assert_eq!(stocks.take_back(7, NOW), 4);
    assert_eq!(allowed(&other, 7, NOW), 3, "on credit again");
}

/// Without credit a new key is refused, and its want is heard of; a limit that there is no row of has none.
#[test]
fn no_credit_no_pass() {
    let (segment, _, stocks, [worker, _]) = populated();
    assert!(stocks.set_credit(ROW, 0, false) && !stocks.set_credit(CAPACITIES.limits, 1, false));
    let refused = Charge::Refused { claim: 0, retry_after: SECOND / 100, forfeited: 0 };
    assert_eq!(worker.charge(&[claim(7)], NOW), refused);
    assert_eq!(stocks.wanted(10), [Want { key: 7, row: ROW }]);
    let nowhere = Claim { shared: Some(Shared { row: 9_999, low: 0, told: false }), ..claim(8) };
    assert_eq!(worker.charge(&[nowhere], NOW), refused);
    assert!(View::new(segment).counters()[Counter::Nonsense as usize] > 0);
}

/// What is left of a stock when its time is over is lost, and its slot another's; a debt stays while the slot does.
#[test]
fn time_ends_stocks() {
    let (_, _, stocks, [worker, _]) = populated();
    assert_eq!(allowed(&worker, 7, NOW), 3);
    stocks.settle(7, 50, PLAIN, NOW);
    let late = NOW + 8 * SECOND;
    assert_eq!(stocks.balance(7, late), Some(0));
    assert_eq!(allowed(&worker, 7, late), 3, "credit, and nothing of the 47");
    let later = late + 8 * SECOND;
    assert_eq!(stocks.balance(7, later), Some(-3));
    assert_eq!(allowed(&worker, 7, later), 0, "the credit is used up until the debt is settled");
    assert_eq!(stocks.wanted(10).len(), 3);
    assert_eq!((stocks.balance(99, NOW), stocks.settle(99, 1, PLAIN, NOW)), (None, None));
}

/// A quiet stock is not asked for, and a ring that is full loses no want: it is told when there is room.
#[test]
fn wants_are_told_once_and_never_lost() {
    let (_, control, stocks, [worker, other]) = populated();
    assert_eq!(allowed(&worker, 7, NOW), 3);
    stocks.wanted(10);
    stocks.settle(7, 3, Terms { quiet: true, ..PLAIN }, NOW);
    assert!(matches!(worker.charge(&[claim(7)], NOW), Charge::Refused { .. }));
    assert!(stocks.wanted(10).is_empty());
    for _ in 0..5_000 {
        stocks.settle(7, 0, PLAIN, NOW);
        worker.charge(&[claim(7)], NOW);
    }
    assert_eq!(other.charge(&[claim(8)], NOW), Charge::Allowed);
    let keys: Vec<u64> = stocks.wanted(1 << 20).iter().map(|want| want.key).collect();
    assert!(keys.len() < 5_000 && keys.ends_with(&[8]), "{}", keys.len());
    worker.charge(&[claim(7)], NOW);
    assert_eq!(stocks.wanted(10), [Want { key: 7, row: ROW }], "what found the ring full is told now");
    control.close_lane(1).unwrap();
    assert_eq!(stocks.wanted(10), []);
}

/// A request with a limit of its own gateway beside takes both tokens or leaves both.
#[test]
fn shared_and_own_limits_together() {
    let (_, _, stocks, [worker, _]) = populated();
    let own = Claim { key: 1, rate: Gcra::per(1, 3_600 * SECOND, 2), shared: None, ..claim(1) };
    for _ in 0..2 {
        assert_eq!(worker.charge(&[claim(7), own], NOW), Charge::Allowed);
    }
    assert!(matches!(worker.charge(&[claim(7), own], NOW), Charge::Refused { claim: 1, .. }));
    assert_eq!(stocks.balance(7, NOW), Some(-2));
    stocks.settle(7, 2, PLAIN, NOW);
    assert!(matches!(worker.charge(&[own, claim(7)], NOW), Charge::Refused { claim: 0, .. }));
}

/// A strict limit admits what was granted and nothing before: who comes first waits, each is told of, and the answer that there is no
/// more refuses the others.
#[test]
fn strict_claims_wait_for_tokens() {
    let (_, _, stocks, [one, other]) = populated();
    assert!(stocks.set_credit(ROW, 0, true));
    let unanswered = Charge::Unanswered { told: 1, forfeited: 0 };
    assert_eq!([&one, &other].map(|worker| worker.charge(&[claim(7)], NOW)), [unanswered; 2]);
    assert_eq!(stocks.wanted(10), [Want { key: 7, row: ROW }; 2]);
    assert_eq!(stocks.balance(7, NOW), Some(0));
    stocks.settle(7, 1, PLAIN, NOW);
    assert_eq!(one.charge(&[claim(7)], NOW), Charge::Allowed);
    assert!(matches!(other.charge(&[claim(7)], NOW), Charge::Refused { claim: 0, .. }));
    assert!(stocks.set_credit(ROW, 2, false));
    stocks.settle(7, 0, Terms { credit: true, ..PLAIN }, NOW);
    assert_eq!(allowed(&other, 7, NOW), 2, "the keeper says when nobody need wait");
}

/// Of several limits: one that refuses is heard at once, nothing is taken while an answer is awaited, and then all of it.
#[test]
fn strict_and_own_limits_together() {
    let (_, _, stocks, [worker, _]) = populated();
    assert!(stocks.set_credit(ROW, 0, true));
    let own = Claim { key: 1, rate: Gcra::per(1, 3_600 * SECOND, 1), shared: None, ..claim(1) };
    for (claims, told) in [([own, claim(7)], 2), ([claim(7), own], 1)] {
        assert_eq!(worker.charge(&claims, NOW), Charge::Unanswered { told, forfeited: 0 });
    }
    assert_eq!((worker.tat(1, NOW), stocks.wanted(10).len()), (0, 2));
    stocks.settle(7, 5, PLAIN, NOW);
    assert_eq!(worker.charge(&[own, claim(7)], NOW), Charge::Allowed);
    assert!(matches!(worker.charge(&[claim(8), own], NOW), Charge::Refused { claim: 1, .. }));
    assert_eq!((stocks.balance(7, NOW), stocks.wanted(10)), (Some(4), vec![]), "nobody asks for it in vain");
}

/// Of several strict limits all are asked at once, each once by each that waits; nothing is taken from one that has answered before
/// the other.
#[test]
fn strict_limits_are_asked_together() {
    let (_, _, stocks, [worker, _]) = populated();
    assert!(stocks.set_credit(ROW, 0, true));
    let claims = [claim(7), claim(8)];
    let told = |claim: Claim| Claim { shared: claim.shared.map(|it| Shared { told: true, ..it }), ..claim };
    let keys = |wanted: Vec<Want>| wanted.iter().map(|want| want.key).collect::<Vec<_>>();
    for _ in 0..3 {
        assert_eq!(worker.charge(&claims, NOW), Charge::Unanswered { told: 3, forfeited: 0 });
    }
    assert_eq!(keys(stocks.wanted(10)), [7, 8, 7, 8, 7, 8]);
    assert_eq!(worker.charge(&claims.map(told), NOW), Charge::Unanswered { told: 3, forfeited: 0 });
    assert!(stocks.wanted(10).is_empty());
    stocks.settle(7, 3, Terms { credit: true, ..PLAIN }, NOW);
    assert_eq!(worker.charge(&claims.map(told), NOW), Charge::Unanswered { told: 2, forfeited: 0 });
    assert_eq!(stocks.balance(7, NOW), Some(3));
    stocks.settle(8, 3, Terms { credit: true, ..PLAIN }, NOW);
    assert_eq!([(); 3].map(|()| worker.charge(&claims, NOW)), [Charge::Allowed; 3]);
    assert_eq!(worker.charge(&[told(claim(7)), claim(8)], NOW), Charge::Unanswered { told: 3, forfeited: 0 });
    assert_eq!([7, 8].map(|key| stocks.balance(key, NOW)), [Some(0); 2]);
}

/// Whoever waits is woken by the keeper, the keeper by whoever begins to wait, and nobody else.
#[test]
fn those_who_wait_and_the_keeper_wake_each_other() {
    let eventfds: Vec<OwnedFd> = (0..=CAPACITIES.lanes)
        .map(|_| rustix::event::eventfd(0, rustix::event::EventfdFlags::NONBLOCK).unwrap())
        .collect();
    let wakes = || Wakes::new(eventfds.iter().map(|eventfd| eventfd.try_clone().unwrap()).collect());
    let heard = || {
        [0, 1, CAPACITIES.lanes].map(|index| {
            let mut sum = [0; 8];
            let is_woken = rustix::io::read(&eventfds[index as usize], &mut sum).is_ok();
            is_woken.then(|| [News::Place, News::Answer].map(|news| news.is_in(u64::from_ne_bytes(sum))))
        })
    };
    let (place, answer) = (Some([true, false]), Some([false, true]));
    let (_, _, stocks, [one, other]) = populated();
    let (stocks, one, other) = (stocks.waking(wakes()), one.waking(wakes()), other.waking(wakes()));
    stocks.wake();
    assert_eq!(heard(), [None; 3]);
    assert!(one.enter_queue(0, 10) && stocks.set_credit(ROW, 1, true));
    assert_eq!(one.charge(&[claim(7)], NOW), Charge::Allowed);
    assert_eq!(heard(), [None; 3], "that more is wanted has time");
    assert!(matches!(one.charge(&[claim(7)], NOW), Charge::Unanswered { .. }));
    assert_eq!(heard(), [None, None, answer]);
    stocks.wake();
    assert_eq!(heard(), [answer, None, None]);
    one.leave_queue(0);
    assert!(other.enter_queue(1, 10) && other.tick(NOW, 0));
    stocks.wake();
    assert_eq!(heard(), [None, answer, None]);
    other.publish_front(1, Some(Front { since: NOW, newest_first: false }));
    one.wake_next(1, NOW);
    assert_eq!(heard(), [None, place, None], "which is no answer");
}

/// What an answer is found to cost is owed, and settled first.
#[test]
fn answers_are_owed() {
    let (_, _, stocks, [worker, _]) = populated();
    assert_eq!(worker.charge(&[Claim { cost: 0, ..claim(7) }], NOW), Charge::Allowed);
    assert!(worker.owe(&Claim { cost: 500, ..claim(7) }, NOW));
    assert!(matches!(worker.charge(&[Claim { cost: 0, ..claim(7) }], NOW), Charge::Refused { .. }));
    assert_eq!(stocks.settle(7, 501, PLAIN, NOW), Some(1));
    assert_eq!(worker.charge(&[Claim { cost: 0, ..claim(7) }], NOW), Charge::Allowed);
}

/// Threads take while the keeper adds: not one token is lost or made.
#[test]
fn every_token_is_used_once() {
    let (segment, control, stocks, _) = populated();
    stocks.set_credit(ROW, 0, false);
    let (granted, rounds) = (AtomicU64::new(0), 20_000);
    let admitted: usize = thread::scope(|scope| {
        let workers: Vec<_> = (2..5)
            .map(|lane| {
                control.open_lane(lane, 1).unwrap();
                let worker = Worker::attach(Arc::clone(&segment), lane).unwrap();
                scope.spawn(move || {
                    (0..rounds).filter(|_| worker.charge(&[claim(7)], NOW) == Charge::Allowed).count()
                })
            })
            .collect();
        while !workers.iter().all(thread::ScopedJoinHandle::is_finished) {
            stocks.wanted(1_000);
            if stocks.settle(7, 2, PLAIN, NOW).is_some() {
                granted.fetch_add(2, Ordering::SeqCst);
            }
        }
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    let left = stocks.take_back(7, NOW);
    assert!(admitted > 0 && left >= 0);
    assert_eq!(admitted as u64 + left as u64, granted.into_inner());
}
