//! What comes before the first request on listeners that ask for it: the PROXY header, which says who the client is.
//!
//! Only a trusted proxy may send one. Whoever else connects there, or sends anything else, is not answered: nobody knows
//! whom an answer would reach.

use super::{Action, Connection, Phase, Verdict, Waiting};
use crate::proxy_protocol::{self, Header};
use crate::state::{Counter, State};
use crate::worker::Worker;

impl Connection {
    /// The connection was accepted: the header has as much time as the head of a request, of a trusted peer.
    pub(super) fn await_preamble<S: State>(&mut self, worker: &mut Worker<S>, timeout: u64, now: u64) {
        self.phase = Phase::Preamble;
        let timeout = if self.may_name_clients(worker) { timeout } else { 0 };
        self.arm(worker, Waiting::Preamble, now, timeout);
    }

    /// Bytes of the header, and perhaps of requests behind it.
    pub(super) fn receive_preamble<S: State>(
        &mut self,
        worker: &mut Worker<S>,
        data: &[u8],
        now: u64,
    ) -> Verdict {
        if !self.may_name_clients(worker) {
            return self.refuse_preamble(worker, now);
        }
        self.inbound.extend_from_slice(data);
        match proxy_protocol::read(&self.inbound) {
            Ok(None) => Verdict::WAIT,
            Ok(Some(header @ Header { length, .. })) => {
                self.peer = header.client().map_or(self.socket, Into::into);
                let mut following = std::mem::take(&mut self.inbound);
                self.await_request(worker, now);
                let verdict = self.count_client(worker, now);
                if verdict.action != Action::Wait {
                    return verdict;
                }
                if self.is_passed_through(worker) {
                    following.drain(..length);
                    self.inbound = following;
                    return self.pass_through(worker, header.ends, now);
                }
                self.passed = None;
                self.receive(worker, &following[length..], now)
            }
            Err(proxy_protocol::Malformed) => self.refuse_preamble(worker, now),
        }
    }

    /// No header, a late one, or one from whoever has no right to send it. A peer that had left before it was accepted, as
    /// checks of the port do, has no address any more, and nobody needs to hear of it.
    pub(super) fn refuse_preamble<S: State>(&mut self, worker: &mut Worker<S>, now: u64) -> Verdict {
        if !self.socket.ip().is_unspecified() {
            worker.state.count(Counter::ProxyHeadersRefused, 1);
        }
        self.inbound = Vec::new();
        self.leave(worker, now)
    }

    fn may_name_clients<S>(&self, worker: &Worker<S>) -> bool {
        worker.snapshot.trusted_proxies.contains(self.socket.ip())
    }
}
