//! How many connections a client has: those of one IPv4 address, or of one /64 of IPv6, at one listener.

use std::hash::Hasher;
use std::net::IpAddr;

use foldhash::quality::FoldHasher;
use foldhash::SharedSeed;

use super::{Action, Connection, Phase, Verdict};
use crate::reply::Reason;
use crate::state::{Counter, Hold, State};
use crate::worker::Worker;

impl Connection {
    /// Takes the connection in, or refuses it because its client has as many as it may have. To be called once, before
    /// anything is received. Behind a PROXY header the client is not known before that has come.
    pub fn admit<S: State>(&mut self, worker: &mut Worker<S>, now: u64) -> Verdict {
        if matches!(self.phase, Phase::Preamble) {
            return Verdict::WAIT;
        }
        let verdict = self.count_client(worker, now);
        if verdict.action == Action::Wait && self.is_passed_through(worker) {
            return self.pass_through(worker, None, now);
        }
        verdict
    }

    /// Counts the connection for its client. A trusted proxy has the connections of many clients, and is not counted.
    pub(super) fn count_client<S: State>(&mut self, worker: &mut Worker<S>, now: u64) -> Verdict {
        let client = self.peer.ip();
        let most = self.listener(worker).and_then(|listener| listener.max_connections_per_client);
        let Some(most) = most.filter(|_| !worker.snapshot.trusted_proxies.contains(client)) else {
            return Verdict::WAIT;
        };
        match worker.state.hold(key(worker.state.hash_seed(), self.listener, client), most) {
            Hold::Held { place } => self.client_hold = Some(place),
            Hold::Uncounted => {}
            Hold::Full => {
                worker.fresh_output();
                worker.state.count(Counter::ConnectionsRejected, 1);
                if self.is_passed_through(worker) {
                    return self.refuse_passing(worker, Reason::TooManyConnections, now);
                }
                return self.refuse_unread(worker, Reason::TooManyConnections, now);
            }
        }
        Verdict::WAIT
    }
}

/// What the connections of a client are counted under. `seed` is the secret of the shared memory: without it nobody
/// can aim for another client's count.
fn key(seed: u64, listener: u32, address: IpAddr) -> u64 {
    let mut hasher = FoldHasher::with_seed(seed, SharedSeed::global_fixed());
    hasher.write_u32(listener);
    match address {
        IpAddr::V4(address) => hasher.write(&address.octets()),
        // A host has a whole /64 to choose its addresses from (RFC 4291 §2.5.4).
        IpAddr::V6(address) => hasher.write(&address.octets()[..8]),
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let of = |listener, address: &str| key(7, listener, address.parse().unwrap());
        assert_eq!(of(0, "2001:db8::1"), of(0, "2001:db8::ffff:1:2:3"));
        assert_ne!(of(0, "2001:db8::1"), of(0, "2001:db8:0:1::1"));
        assert_ne!(of(0, "192.0.2.1"), of(0, "192.0.2.2"));
        assert_ne!(of(0, "192.0.2.1"), of(1, "192.0.2.1"));
        assert_ne!(of(0, "192.0.2.1"), key(8, 0, "192.0.2.1".parse().unwrap()));
    }
}
