//! The encoders of one worker: made when one is needed, used again, and bounded in what they take together.

use super::{Coding, Encoder, Grade};

/// Bytes that all encoders of a worker together may take. An answer that finds no room goes out as it came: that costs
/// bytes on the wire, never an answer.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// Encoders of one coding that are kept for later. Most answers are whole in the event that begins them, so that hardly more
/// than one is ever at work.
const KEPT: usize = 2;
/// Bytes the scratch buffer may keep between two events.
const KEPT_SCRATCH_BYTES: usize = 256 * 1024;

/// The encoders of one worker.
#[derive(Debug, Default)]
pub struct Encoders {
    idle: [Vec<Encoder>; Coding::ALL.len()],
    /// Of those that are at work, and of the idle ones.
    bytes: usize,
    /// Where a piece of a body is encoded, before it is framed.
    scratch: Vec<u8>,
}

impl Encoders {
    /// An encoder at the beginning of a body, of that length where it is known; `None`: there is no room for it. It is
    /// given back by [`Encoders::give_back`], whatever becomes of the body.
    pub fn take(&mut self, grade: Grade, length: Option<u64>) -> Option<Encoder> {
        let Grade { coding, level } = grade;
        let mut encoder = match self.idle[coding as usize].pop() {
            Some(encoder) => encoder,
            None => self.make(grade)?,
        };
        if encoder.begin(level, length).is_err() {
            self.bytes -= Encoder::bytes(coding);
            return None;
        }
        Some(encoder)
    }

    fn make(&mut self, grade: Grade) -> Option<Encoder> {
        let bytes = self.bytes + Encoder::bytes(grade.coding);
        if bytes > MOST_BYTES {
            return None;
        }
        let encoder = Encoder::new(grade)?;
        self.bytes = bytes;
        Some(encoder)
    }

    /// The body of an encoder is over, or was cut off.
    pub fn give_back(&mut self, encoder: Encoder) {
        let coding = encoder.coding();
        let idle = &mut self.idle[coding as usize];
        if idle.len() < KEPT {
            idle.push(encoder);
        } else {
            self.bytes -= Encoder::bytes(coding);
        }
    }

    /// Bytes that its encoders may take now, those at rest included.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// An empty buffer, to be put back by [`Encoders::put_scratch`].
    pub(crate) fn take_scratch(&mut self) -> Vec<u8> {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        scratch
    }

    pub(crate) fn put_scratch(&mut self, mut scratch: Vec<u8>) {
        scratch.clear();
        scratch.shrink_to(KEPT_SCRATCH_BYTES);
        self.scratch = scratch;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GZIP: Grade = Grade { coding: Coding::Gzip, level: 1 };
    const ZSTD: Grade = Grade { coding: Coding::Zstd, level: 1 };

    #[test]
    fn encoders_are_used_again_and_few_are_kept() {
        let mut encoders = Encoders::default();
        for coding in Coding::ALL {
            let grade = Grade { coding, level: 2 };
            let taken: Vec<_> = (0..5).map(|_| encoders.take(grade, None).unwrap()).collect();
            assert_eq!(encoders.bytes(), 5 * Encoder::bytes(coding));
            for encoder in taken {
                encoders.give_back(encoder);
            }
            assert_eq!(encoders.bytes(), KEPT * Encoder::bytes(coding));
            for grade in [grade, Grade { coding, level: 5 }] {
                let again = encoders.take(grade, Some(1)).unwrap();
                assert_eq!(encoders.bytes(), KEPT * Encoder::bytes(coding), "none was made");
                encoders.give_back(again);
            }
            encoders = Encoders::default();
        }
    }

    #[test]
    fn together_they_are_bounded() {
        let mut encoders = Encoders::default();
        let mut taken = Vec::new();
        while let Some(encoder) = encoders.take(GZIP, None) {
            taken.push(encoder);
        }
        assert_eq!(taken.len(), MOST_BYTES / Encoder::bytes(Coding::Gzip));
        assert!(encoders.take(ZSTD, None).is_none());
        for encoder in taken {
            encoders.give_back(encoder);
        }
        assert!(encoders.take(ZSTD, None).is_some());
    }

    #[test]
    fn the_scratch_buffer_is_empty_when_it_is_taken_and_small_at_rest() {
        let mut encoders = Encoders::default();
        for length in [KEPT_SCRATCH_BYTES / 2, 2 * KEPT_SCRATCH_BYTES] {
            encoders.put_scratch(vec![0; length]);
            let scratch = encoders.take_scratch();
            assert!(scratch.is_empty(), "{length}");
            assert!(scratch.capacity() >= length.min(KEPT_SCRATCH_BYTES), "{length}: used again");
            assert!(scratch.capacity() <= KEPT_SCRATCH_BYTES, "{length}: {}", scratch.capacity());
        }
    }
}
