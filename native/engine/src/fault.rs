//! Faults that a route injects into some of its requests on purpose, so that a set-up can be tried: a delay, or an answer in
//! place of an instance's.

use std::sync::Arc;

use crate::answer::Answer;
use crate::random::Random;
use crate::split::WHOLE;

/// What a route injects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// How many of [`WHOLE`] requests are answered so.
    pub abort: Option<(u32, Arc<Answer>)>,
    /// How many of the others wait, for so many nanoseconds.
    pub delay: Option<(u32, u64)>,
}

/// What is injected into one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Injected<'a> {
    /// It goes no further.
    Abort(&'a Arc<Answer>),
    /// It goes on after so many nanoseconds.
    Delay(u64),
}

impl Fault {
    /// Draws what is injected into a request; an answer before a delay.
    pub fn draw(&self, random: &mut Random) -> Option<Injected<'_>> {
        let mut hits = |share: u32| random.below(WHOLE) < share;
        if let Some((share, answer)) = &self.abort {
            if hits(*share) {
                return Some(Injected::Abort(answer));
            }
        }
        let (share, nanos) = self.delay?;
        hits(share).then_some(Injected::Delay(nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Content;
    use crate::edits::FieldEdits;

    const DRAWS: u32 = 100_000;

    /// Each share is kept within one part in a hundred of all requests, that of delays among those that are not answered.
    #[test]
    fn shares_are_kept() {
        let content = Content::Fixed { content_type: "a/b".into(), body: Box::default() };
        let answer = Arc::new(Answer { status: 503, content, fields: FieldEdits::default() });
        for (abort, delay) in
            [(None, Some(10)), (Some(5), None), (Some(20), Some(50)), (Some(100), Some(100))]
        {
            let fault = Fault {
                abort: abort.map(|share| (share, Arc::clone(&answer))),
                delay: delay.map(|share| (share, 7)),
            };
            let (mut random, mut aborts, mut delays) = (Random::new(3), 0_u32, 0_u32);
            for _ in 0..DRAWS {
                match fault.draw(&mut random) {
                    Some(Injected::Abort(_)) => aborts += 1,
                    Some(Injected::Delay(nanos)) => delays += u32::from(nanos == 7),
                    None => {}
                }
            }
            let aborted = DRAWS / WHOLE * abort.unwrap_or(0);
            let delayed = (DRAWS - aborted) / WHOLE * delay.unwrap_or(0);
            assert!(aborts.abs_diff(aborted) <= DRAWS / 100, "{aborts} of {abort:?}");
            assert!(delays.abs_diff(delayed) <= DRAWS / 100, "{delays} of {delay:?}");
        }
    }
}
