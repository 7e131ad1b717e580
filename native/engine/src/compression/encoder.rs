//! Puts one body into a coding, piece by piece: gzip by `flate2` over zlib-rs, zstd by `zstd-safe`.
//!
//! The laws: what was pushed before a flush can be decoded by whoever has all up to it; only [`Encoder::finish`] writes the
//! end of the coding. Nothing that comes in makes an encoder larger than [`Encoder::bytes`].

use core::fmt;

use flate2::{Compress, Compression as Level, FlushCompress, Status};
use zstd_safe::zstd_sys::ZSTD_EndDirective as End;
use zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer, ResetDirective};

use super::{Coding, Grade};

/// The window of gzip as a power of two: the largest, which all decoders must have.
const GZIP_WINDOW_BITS: u8 = 15;
/// The window of zstd: RFC 9659 lets every decoder have 8 MiB, but the encoder needs its memory twice over as well, and
/// 128 KiB cost 3 % of the size.
const ZSTD_WINDOW_LOG: u32 = 17;
/// Tables beyond the window's size find little more in it. Unbounded, those of level 9 have 10 MiB.
const ZSTD_HASH_LOG: u32 = 16;
/// See [`ZSTD_HASH_LOG`].
const ZSTD_CHAIN_LOG: u32 = 15;
/// Room that output gets at a time.
const ROOM: usize = 4 * 1024;

/// An encoder could not go on, for want of memory; what it has written is no whole answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncoderFault;

/// Encodes one body after the other.
pub struct Encoder {
    state: State,
    level: u8,
    /// Something was pushed since the last flush.
    pending: bool,
    taken: u64,
    written: u64,
}

enum State {
    Gzip(Compress),
    Zstd(CCtx<'static>),
}

impl fmt::Debug for Encoder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Encoder({}, level {})", self.coding().name(), self.level)
    }
}

impl Encoder {
    /// An encoder for one body; `None` when there is no memory for it.
    pub fn new(Grade { coding, level }: Grade) -> Option<Self> {
        let state = match coding {
            Coding::Gzip => State::Gzip(Compress::new_gzip(Level::new(level.into()), GZIP_WINDOW_BITS)),
            Coding::Zstd => State::Zstd(zstd(level)?),
        };
        Some(Self { state, level, pending: false, taken: 0, written: 0 })
    }

    /// Bytes of memory that an encoder of a coding has at the most, whatever its level.
    pub const fn bytes(coding: Coding) -> usize {
        match coding {
            Coding::Gzip => 384 * 1024,
            Coding::Zstd => 1536 * 1024,
        }
    }

    /// Its coding.
    pub fn coding(&self) -> Coding {
        match self.state {
            State::Gzip(_) => Coding::Gzip,
            State::Zstd(_) => Coding::Zstd,
        }
    }

    /// Forgets what it was at, and begins another body at this level, whose length may be known. An error leaves it of no
    /// further use.
    pub fn begin(&mut self, level: u8, length: Option<u64>) -> Result<(), EncoderFault> {
        let is_same = self.level == level;
        match &mut self.state {
            State::Gzip(gzip) => {
                gzip.reset();
                if !is_same {
                    gzip.set_level(Level::new(level.into())).map_err(|_| EncoderFault)?;
                }
            }
            State::Zstd(zstd) => {
                zstd.reset(ResetDirective::SessionOnly).map_err(|_| EncoderFault)?;
                if !is_same {
                    zstd.set_parameter(CParameter::CompressionLevel(level.into()))
                        .map_err(|_| EncoderFault)?;
                }
                // It stands in the frame then, as decoders in one step need it, and what is short takes less memory.
                zstd.set_pledged_src_size(length).map_err(|_| EncoderFault)?;
            }
        }
        (self.level, self.pending, self.taken, self.written) = (level, false, 0, 0);
        Ok(())
    }

    /// More of the body. What that leads to is appended to the output, now or later.
    pub fn push(&mut self, data: &[u8], output: &mut Vec<u8>) -> Result<(), EncoderFault> {
        if data.is_empty() {
            return Ok(());
        }
        self.pending = true;
        self.taken += data.len() as u64;
        self.run(data, FlushCompress::None, End::ZSTD_e_continue, output)
    }

    /// Appends all that was pushed before and is held back; nothing where nothing is.
    pub fn flush(&mut self, output: &mut Vec<u8>) -> Result<(), EncoderFault> {
        if !std::mem::take(&mut self.pending) {
            return Ok(());
        }
        self.run(b"", FlushCompress::Sync, End::ZSTD_e_flush, output)
    }

    /// Appends all that is held back, and the end of the coding.
    pub fn finish(&mut self, output: &mut Vec<u8>) -> Result<(), EncoderFault> {
        self.run(b"", FlushCompress::Finish, End::ZSTD_e_end, output)
    }

    /// How many bytes it was given and has written since it was asked last.
    pub fn take_counts(&mut self) -> (u64, u64) {
        (std::mem::take(&mut self.taken), std::mem::take(&mut self.written))
    }

    fn run(
        &mut self,
        data: &[u8],
        flush: FlushCompress,
        end: End,
        output: &mut Vec<u8>,
    ) -> Result<(), EncoderFault> {
        let before = output.len();
        match &mut self.state {
            State::Gzip(gzip) => run_gzip(gzip, data, flush, output)?,
            State::Zstd(zstd) => run_zstd(zstd, data, end, output)?,
        }
        self.written += (output.len() - before) as u64;
        Ok(())
    }
}

fn zstd(level: u8) -> Option<CCtx<'static>> {
    let mut context = CCtx::try_create()?;
    for parameter in [
        CParameter::CompressionLevel(level.into()),
        CParameter::WindowLog(ZSTD_WINDOW_LOG),
        CParameter::HashLog(ZSTD_HASH_LOG),
        CParameter::ChainLog(ZSTD_CHAIN_LOG),
    ] {
        context.set_parameter(parameter).ok()?;
    }
    Some(context)
}

/// A call that leaves room has taken all and written all that it had to (zlib's own rule).
fn run_gzip(
    gzip: &mut Compress,
    mut data: &[u8],
    flush: FlushCompress,
    output: &mut Vec<u8>,
) -> Result<(), EncoderFault> {
    loop {
        output.reserve(ROOM);
        let before = gzip.total_in();
        let status = gzip.compress_vec(data, output, flush).map_err(|_| EncoderFault)?;
        let taken = usize::try_from(gzip.total_in() - before).map_err(|_| EncoderFault)?;
        data = data.get(taken..).ok_or(EncoderFault)?;
        let is_done = match flush {
            FlushCompress::Finish => status == Status::StreamEnd,
            _ => data.is_empty() && output.len() < output.capacity(),
        };
        if is_done {
            return Ok(());
        }
    }
}

/// A call says how much it still has to write; one that only takes data is done when that is taken.
fn run_zstd(
    zstd: &mut CCtx<'static>,
    data: &[u8],
    end: End,
    output: &mut Vec<u8>,
) -> Result<(), EncoderFault> {
    let mut input = InBuffer::around(data);
    loop {
        output.reserve(ROOM);
        let written = output.len();
        let mut room = OutBuffer::around_pos(output, written);
        let left = zstd.compress_stream2(&mut room, &mut input, end).map_err(|_| EncoderFault)?;
        let is_done = match end {
            End::ZSTD_e_continue => input.pos() == data.len(),
            End::ZSTD_e_flush | End::ZSTD_e_end => left == 0,
        };
        if is_done {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests;
