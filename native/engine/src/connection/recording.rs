//! What the access log will say of a request, as it goes on.

use super::Connection;
use crate::access_log::Record;
use crate::address::Address;
use crate::http1::head::Request;
use crate::request_id::RequestId;
use crate::state::State;
use crate::worker::Worker;

impl Connection {
    /// Begins what the access log will say of a request; `None` stands for one that was not understood.
    pub(super) fn record<S: State>(
        &mut self,
        worker: &mut Worker<S>,
        request_id: &RequestId<'_>,
        client: &Address,
        request: Option<&Request<'_, '_>>,
        now: u64,
    ) {
        if worker.snapshot.access_log {
            let (wall, id) = (worker.wall(now), request_id.as_bytes());
            let log = &mut worker.access_log;
            self.record = Some(Record::begin(log, now, wall, client, &self.socket, id, request));
        }
    }

    /// The request goes to the instance of its exchange.
    pub(super) fn record_try(&mut self) {
        let instance = self.exchange().and_then(|exchange| exchange.instance);
        if let Some((record, instance)) = self.record.as_mut().zip(instance) {
            record.tried(instance);
        }
    }

    /// So many bytes of an answer are on their way to the client.
    pub(super) fn record_sent(&mut self, bytes: usize) {
        if let Some(record) = &mut self.record {
            record.sent(bytes);
        }
    }

    /// The final answer begins with so many bytes.
    pub(super) fn record_answer(&mut self, bytes: usize, now: u64) {
        if let Some(record) = &mut self.record {
            record.answered(now);
            record.sent(bytes);
        }
    }

    /// Writes the line of the request that ends now. `reason`: why there is no whole answer of an instance.
    pub(super) fn log<S: State>(
        &mut self,
        worker: &mut Worker<S>,
        status: u16,
        reason: Option<&str>,
        now: u64,
    ) {
        if let Some(record) = self.record.take() {
            worker.access_log.finish(record, &worker.state, Some(status), reason, now);
        }
    }
}
