//! What the kernel has not taken yet of what was written to a connection.

/// Unsent bytes above which the sender is paused.
pub const HIGH_WATER_BYTES: usize = 64 * 1024;
/// Unsent bytes at which it may go on.
pub const LOW_WATER_BYTES: usize = 16 * 1024;

/// Bytes in the order in which they were written. An empty one takes no memory but a pointer's.
///
/// The sender is paused above the high-water mark, and after a piece larger than that as long as any of it is left:
/// another one of its kind shall not come on top. So the memory for a peer that takes nothing is bounded by the mark and
/// one piece.
#[derive(Debug, Default)]
pub(crate) struct Backlog(Option<Box<Kept>>);

/// Bytes of which some are unsent.
#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    sent: usize,
    paused: bool,
    large: bool,
}

impl Backlog {
    pub(crate) fn len(&self) -> usize {
        self.unsent().len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn unsent(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |kept| &kept.bytes[kept.sent..])
    }

    /// Keeps what is left, not nothing, of a piece of that many bytes. True: the sender is to be paused now.
    pub(crate) fn keep(&mut self, left: &[u8], piece: usize) -> bool {
        self.0.get_or_insert_default().append(left, piece)
    }

    /// The kernel has taken so many more. True: the sender may go on from now on.
    pub(crate) fn taken(&mut self, count: usize) -> bool {
        let Some(kept) = &mut self.0 else { return false };
        let resume = kept.taken(count);
        if kept.len() == 0 {
            self.0 = None;
        }
        resume
    }
}

impl Kept {
    fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    fn append(&mut self, left: &[u8], piece: usize) -> bool {
        if self.sent > self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
        self.large |= piece > HIGH_WATER_BYTES;
        if self.large {
            self.bytes.reserve_exact(left.len()); // nothing more comes
        }
        self.bytes.extend_from_slice(left);
        let pause = !self.paused && (self.large || self.len() > HIGH_WATER_BYTES);
        self.paused |= pause;
        pause
    }

    fn taken(&mut self, count: usize) -> bool {
        self.sent += count;
        let mark = if self.large { 0 } else { LOW_WATER_BYTES };
        let resume = self.paused && self.len() <= mark;
        self.paused &= !resume;
        resume
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marks_pause_and_resume_once() {
        let mut backlog = Backlog::default();
        let piece = vec![0; HIGH_WATER_BYTES];
        assert!(!backlog.keep(&piece, piece.len()));
        assert!(backlog.keep(b"x", 1));
        assert!(!backlog.keep(b"x", 1));
        assert!(!backlog.taken(HIGH_WATER_BYTES + 1 - LOW_WATER_BYTES));
        assert!(backlog.taken(1));
        assert!(!backlog.taken(1));
    }

    #[test]
    fn of_a_large_piece_all_must_be_taken() {
        let mut backlog = Backlog::default();
        assert!(backlog.keep(b"ab", HIGH_WATER_BYTES + 1));
        assert!(!backlog.taken(1));
        assert!(backlog.taken(1));
        assert!(!backlog.keep(b"c", 1));
    }

    #[test]
    fn bytes_stay_in_their_order_and_an_empty_one_takes_no_memory() {
        let mut backlog = Backlog::default();
        let mut rest = Vec::new();
        for byte in 0..200 {
            backlog.keep(&[byte; 3], 3);
            rest.extend_from_slice(&[byte; 3]);
            backlog.taken(2);
            rest.drain(..2);
            assert_eq!(backlog.unsent(), rest);
        }
        backlog.taken(rest.len());
        assert!(backlog.is_empty());
        assert!(backlog.0.is_none());
    }
}
