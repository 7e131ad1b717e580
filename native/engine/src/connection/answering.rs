//! Answers that a route gives itself, in the place of instances.

use super::ending::Refusal;
use super::{Connection, Verdict};
use crate::answer::{Answer, Closing, NoHost};
use crate::http1::head::Request;
use crate::reply::Reason;
use crate::rewrite::Client;
use crate::state::State;
use crate::worker::Worker;

impl Connection {
    /// Answers a request as its route says. `row`: the row of the request table that counts it.
    pub(super) fn answer<S: State>(
        &mut self,
        worker: &mut Worker<S>,
        answer: &Answer,
        row: Option<u32>,
        request: &Request<'_, '_>,
        client: &Client<'_>,
        now: u64,
    ) -> Verdict {
        let close = self.closes_after_reply(worker, now);
        let Worker { output, date, .. } = worker;
        let closing = Closing { date, close, confirm_keep_alive: self.minor_version == 0 };
        output.clear();
        if answer.put(output, request, &client.words(request), &self.cors, closing) == Err(NoHost) {
            let to_head = request.method == b"HEAD";
            return self.refuse(worker, &Refusal::because(Reason::BadHost, row), to_head, now);
        }
        self.replied(worker, row, answer.status, None, close, now)
    }
}
