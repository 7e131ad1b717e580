//! Faults that a route injects into some of its requests on purpose, so that a set-up can be tried: a delay, or an answer in
//! place of an instance's.

use crate::random::Random;
use crate::split::WHOLE;

/// What a route injects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// So many of [`WHOLE`] requests are answered with this status.
    pub abort: Option<(u32, u16)>,
    /// So many of the others wait, for so many nanoseconds.
    pub delay: Option<(u32, u64)>,
}

/// What is injected into one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Injected {
    /// It goes no further, and is answered with this status.
    Abort(u16),
    /// It goes on after so many nanoseconds.
    Delay(u64),
}

impl Fault {
    /// Draws what is injected into a request; an answer before a delay.
    pub fn draw(&self, random: &mut Random) -> Option<Injected> {
        let mut hits = |share: u32| random.below(WHOLE) < share;
        if let Some((share, status)) = self.abort {
            if hits(share) {
                return Some(Injected::Abort(status));
            }
        }
        let (share, nanos) = self.delay?;
        hits(share).then_some(Injected::Delay(nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: u32 = 100_000;

    /// Each share is kept within one part in a hundred of all requests, that of delays among those that are not answered.
    #[test]
    fn shares_are_kept() {
        for (abort, delay) in
            [(None, Some(10)), (Some(5), None), (Some(20), Some(50)), (Some(100), Some(100))]
        {
            let fault =
                Fault { abort: abort.map(|share| (share, 503)), delay: delay.map(|share| (share, 7)) };
            let (mut random, mut aborts, mut delays) = (Random::new(3), 0_u32, 0_u32);
            for _ in 0..DRAWS {
                match fault.draw(&mut random) {
                    Some(Injected::Abort(503)) => aborts += 1,
                    Some(Injected::Delay(7)) => delays += 1,
                    None => {}
                    other => panic!("{other:?}"),
                }
            }
            let aborted = DRAWS / WHOLE * abort.unwrap_or(0);
            let delayed = (DRAWS - aborted) / WHOLE * delay.unwrap_or(0);
            assert!(aborts.abs_diff(aborted) <= DRAWS / 100, "{aborts} of {abort:?}");
            assert!(delays.abs_diff(delayed) <= DRAWS / 100, "{delays} of {delay:?}");
        }
    }
}
