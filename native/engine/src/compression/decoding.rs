//! Decodes what was encoded, for tests.

use flate2::{Decompress, FlushDecompress, Status};
use zstd_safe::{DCtx, InBuffer, OutBuffer};

use super::Coding;

/// What these bytes decode to, of a body that need not be complete; and whether it is.
pub(crate) fn decode(coding: Coding, encoded: &[u8]) -> (Vec<u8>, bool) {
    let mut out = Vec::with_capacity(1 << 20);
    let is_complete = match coding {
        Coding::Gzip => {
            let mut gzip = Decompress::new_gzip(15);
            gzip.decompress_vec(encoded, &mut out, FlushDecompress::Sync).unwrap() == Status::StreamEnd
        }
        Coding::Zstd => {
            let (mut context, mut input, mut left) = (DCtx::create(), InBuffer::around(encoded), 1);
            while input.pos() < encoded.len() {
                let written = out.len();
                let mut room = OutBuffer::around_pos(&mut out, written);
                left = context.decompress_stream(&mut room, &mut input).unwrap();
            }
            left == 0
        }
    };
    assert!(out.len() < out.capacity(), "more than there is room for");
    (out, is_complete)
}
