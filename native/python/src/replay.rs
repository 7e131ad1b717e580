//! What of a request is at hand for another try.

/// The bytes of a request as they were sent on. Without a request it takes no memory.
#[derive(Default)]
pub(crate) struct Replay {
    /// All that was sent; `None` when that is not at hand, or there is nothing.
    bytes: Option<Vec<u8>>,
    /// How much was sent, at hand or not.
    len: usize,
}

impl Replay {
    /// A request begins.
    pub(crate) fn begin(&mut self, head: &[u8]) {
        let bytes = self.bytes.get_or_insert_default();
        bytes.clear();
        bytes.extend_from_slice(head);
        self.len = head.len();
    }

    /// It goes on. Beyond so many bytes it is not kept, unless there is no connection to send it on (`None`).
    pub(crate) fn go_on(&mut self, piece: &[u8], most: Option<usize>) {
        self.len += piece.len();
        let Some(bytes) = &mut self.bytes else { return };
        if most.is_some_and(|most| self.len > most) {
            self.bytes = None;
        } else {
            bytes.extend_from_slice(piece);
        }
    }

    /// It is not sent again.
    pub(crate) fn forget(&mut self) {
        self.bytes = None;
    }

    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        self.bytes.as_deref()
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }
}
