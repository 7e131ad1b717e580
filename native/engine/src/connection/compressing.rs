//! Puts the body of an answer into a content coding on its way to the client.
//!
//! The law: what has come from the instance goes out in the same event, so a body flows as its instance sends it; only one
//! that is complete gets the end of its coding, and it stands before the last chunk.

use std::sync::Arc;

use super::Exchange;
use crate::compression::{Change, Compression, Encoder, EncoderFault, Encoders, Wish};
use crate::http1::chunked::{write_chunk, write_end, ChunkFault};
use crate::http1::framing::Framing;
use crate::http1::head::{Request, Response};
use crate::http1::trailers::Trailers;
use crate::state::{Counter, State};
use crate::worker::Worker;

/// What an exchange knows of the coding of its answer, where its route compresses.
#[derive(Debug)]
pub(super) struct Compressing {
    wish: Wish,
    /// At work from the answer's head on, if that is encoded and has a body.
    encoder: Option<Encoder>,
}

impl Compressing {
    pub(super) fn begin(rules: &Arc<Compression>, request: &Request<'_, '_>) -> Self {
        Self { wish: Wish::of(rules, request), encoder: None }
    }
}

/// Why a body cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyFault {
    /// The instance breaks the chunked coding.
    Malformed,
    /// The encoder cannot go on.
    Encoder,
}

impl From<ChunkFault> for BodyFault {
    fn from(ChunkFault: ChunkFault) -> Self {
        Self::Malformed
    }
}

impl From<EncoderFault> for BodyFault {
    fn from(EncoderFault: EncoderFault) -> Self {
        Self::Encoder
    }
}

impl Exchange {
    /// Is the body of the answer being encoded?
    #[inline]
    pub(super) fn is_encoding(&self) -> bool {
        self.compressing.as_ref().is_some_and(|compressing| compressing.encoder.is_some())
    }

    /// Decides about a final answer, and gets an encoder for its body. An answer to HEAD has none; its head says what GET
    /// would have got.
    pub(super) fn compress<S: State>(
        &mut self,
        worker: &mut Worker<S>,
        response: &Response<'_, '_>,
    ) -> Change {
        let Some(compressing) = &mut self.compressing else { return Change::Nothing };
        let change = compressing.wish.judge(response);
        let Change::Encodes(grade) = change else { return change };
        if self.onward == Framing::Empty {
            return change;
        }
        let Some(encoder) = worker.encoders.take(grade, response.fields.content_length()) else {
            worker.state.count(Counter::CompressionsSkipped, 1);
            return Change::Varies;
        };
        worker.state.count(Counter::ResponsesCompressed, 1);
        compressing.encoder = Some(encoder);
        self.onward = Framing::Chunked;
        change
    }

    /// Reads body bytes and appends what they come to, as one chunk, to the output.
    pub(super) fn encode_body<S: State>(
        &mut self,
        worker: &mut Worker<S>,
        bytes: &[u8],
    ) -> Result<usize, BodyFault> {
        let Some(encoder) = self.compressing.as_mut().and_then(|it| it.encoder.as_mut()) else {
            return Err(BodyFault::Encoder);
        };
        let mut scratch = worker.encoders.take_scratch();
        let mut outcome = Ok(());
        let used = self.response_body.read(bytes, |data| {
            if outcome.is_ok() {
                outcome = encoder.push(data, &mut scratch);
            }
        })?;
        outcome?;
        let is_complete = self.response_body.is_complete();
        if is_complete {
            encoder.finish(&mut scratch)?;
        } else {
            encoder.flush(&mut scratch)?;
        }
        put_encoded(worker, encoder, scratch);
        if is_complete {
            let trailers = Trailers { is_recoded: true, ..self.response_body.trailers() };
            write_end(&mut worker.output, trailers);
        }
        Ok(used)
    }

    /// The instance has closed at the end of a body that lasts until then: appends the end of its coding.
    pub(super) fn end_encoding<S: State>(&mut self, worker: &mut Worker<S>) -> Result<(), EncoderFault> {
        let Some(encoder) = self.compressing.as_mut().and_then(|it| it.encoder.as_mut()) else {
            return Ok(());
        };
        let mut scratch = worker.encoders.take_scratch();
        encoder.finish(&mut scratch)?;
        put_encoded(worker, encoder, scratch);
        Ok(())
    }

    /// Gives the encoder back, whether it has come to its end or not.
    #[cold]
    pub(super) fn stop_compressing(&mut self, encoders: &mut Encoders) {
        if let Some(encoder) = self.compressing.take().and_then(|compressing| compressing.encoder) {
            encoders.give_back(encoder);
        }
    }
}

/// Appends a chunk of what was encoded, if there is anything: an empty one would be the last.
fn put_encoded<S: State>(worker: &mut Worker<S>, encoder: &mut Encoder, encoded: Vec<u8>) {
    if !encoded.is_empty() {
        write_chunk(&mut worker.output, &encoded);
    }
    worker.encoders.put_scratch(encoded);
    let (taken, written) = encoder.take_counts();
    worker.state.count(Counter::CompressionInputBytes, taken);
    worker.state.count(Counter::CompressionOutputBytes, written);
}
