//! Reads a body of any framing and knows where it ends.

use super::chunked::{ChunkFault, Chunked};
use super::framing::Framing;
use super::trailers::Trailers;

/// The rest of one body.
#[derive(Clone, Debug)]
pub enum Body {
    /// So many bytes are still to come; 0 is a complete body.
    Length(u64),
    /// A chunked body.
    Chunked(Chunked),
    /// Everything until the sender closes.
    UntilClose,
}

impl Default for Body {
    fn default() -> Self {
        Self::Length(0)
    }
}

impl From<Framing> for Body {
    fn from(framing: Framing) -> Self {
        match framing {
            Framing::Empty => Self::Length(0),
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(Chunked::default()),
            Framing::UntilClose => Self::UntilClose,
        }
    }
}

impl Body {
    /// The body of a message whose `Connection` names these fields.
    pub fn nominating(framing: Framing, nominated: &[&[u8]]) -> Self {
        match framing {
            Framing::Chunked => Self::Chunked(Chunked::nominating(nominated)),
            Framing::Empty | Framing::Length(_) | Framing::UntilClose => framing.into(),
        }
    }

    /// Has the body ended by its own framing?
    pub fn is_complete(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunked) => chunked.is_done(),
            Self::UntilClose => false,
        }
    }

    /// What came behind a chunked body.
    pub fn trailers(&self) -> Trailers<'_> {
        match self {
            Self::Chunked(chunked) => chunked.trailers(),
            Self::Length(_) | Self::UntilClose => Trailers::default(),
        }
    }

    /// Reads on, hands the data to `data`, and returns how many bytes of `input` belong to the body.
    pub fn read(&mut self, input: &[u8], mut data: impl FnMut(&[u8])) -> Result<usize, ChunkFault> {
        match self {
            Self::Length(left) => {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                *left -= take as u64;
                if take > 0 {
                    data(&input[..take]);
                }
                Ok(take)
            }
            Self::Chunked(chunked) => chunked.read(input, data),
            Self::UntilClose => {
                if !input.is_empty() {
                    data(input);
                }
                Ok(input.len())
            }
        }
    }

    /// Is all of `input` plain data of this body, so that it can be passed on as it is?
    pub fn is_all_data(&self, input: &[u8]) -> bool {
        match self {
            Self::Length(left) => *left >= input.len() as u64,
            Self::Chunked(_) => false,
            Self::UntilClose => true,
        }
    }
}
