//! One connection in front of two instances, with every event as a method and every verdict as plain values.

use serde_json::{json, Value};

use crate::connection::{Action, Connection, Payload, Verdict};
use crate::http1::body::Body;
use crate::snapshot::Snapshot;
use crate::state::fake::FakeState;
use crate::state::{Instance, State};
use crate::worker::Worker;

/// One second, and one millisecond, in nanoseconds.
pub(super) const SECOND: u64 = 1_000_000_000;
pub(super) const MILLI: u64 = 1_000_000;

/// The row of the request table for requests without a route, and the one of the route.
pub(super) const UNROUTED: u32 = 0;
pub(super) const ROUTED: u32 = 1;
/// The row of the limit of the route `/limited`.
pub(super) const LIMITED: u32 = 3;
const SERVICE: u32 = 0;
/// What every instance holds before the scene begins: a reservation given back twice would show below it.
const HELD_BY_OTHERS: u32 = 10;

/// The configuration of the scene. Each time-out is another one, so that a deadline tells what it stands for.
pub(super) fn document() -> Value {
    json!({
        "epoch": 1,
        "listeners": [{"name": "127.0.0.1:80", "scheme": "http", "row": UNROUTED,
            "header_timeout_ms": 10_000, "body_idle_timeout_ms": 30_000, "keepalive_timeout_ms": 75_000,
            "write_timeout_ms": 61_000, "min_bytes_per_second": 0, "max_head_bytes": 32_768, "max_line_bytes": 8_192, "max_fields": 100,
            "max_target_bytes": 8_192, "max_body_bytes": 1_000, "max_requests": null, "max_age_ms": null,
            "max_connections_per_client": null}],
        "services": [{"name": "api", "slot": SERVICE, "balance": {"p2c": {"choices": 2}}, "slow_start_ms": 0, "connect_timeout_ms": 2_000,
            "first_byte_timeout_ms": 31_000, "idle_timeout_ms": 60_000, "tunnel_timeout_ms": 3_600_000}],
        "routes": [
            {"name": "limited", "host": "a", "path": "/limited", "methods": [], "service": 0, "subset": null, "tries": 2,
             "rows": [ROUTED], "limits": [
                {"name": "one", "row": LIMITED, "tokens": 1, "period_ns": 2_500_000_000_u64, "burst": 1, "key": ["client_ip"]}]},
            {"name": "all", "host": "a", "path": null, "methods": [], "service": 0, "subset": null, "tries": 2, "rows": [ROUTED],
             "limits": []}]
    })
}

/// What a verdict says, with the payload as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) action: Action,
    pub(super) argument: u64,
    pub(super) payload: Vec<u8>,
}

impl Told {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }

    /// The status code at the beginning of the payload.
    pub(super) fn status(&self) -> u16 {
        self.text().get(9..12).and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    /// Action and status of an answer.
    pub(super) fn answer(&self) -> (Action, u16) {
        (self.action, self.status())
    }

    /// What follows the head in the payload.
    pub(super) fn body(&self) -> String {
        self.text().split_once("\r\n\r\n").map(|(_, body)| body.to_string()).unwrap_or_default()
    }
}

/// One connection and its worker.
pub(super) struct Scene {
    pub(super) worker: Worker<FakeState>,
    pub(super) connection: Connection,
    pub(super) now: u64,
}

impl Scene {
    pub(super) fn new() -> Self {
        Self::with(|_| ())
    }

    /// A scene whose configuration was changed.
    pub(super) fn with(change: impl FnOnce(&mut Value)) -> Self {
        let mut document = document();
        change(&mut document);
        let mut worker = Worker::new(FakeState::new(), 1);
        worker.snapshot = Snapshot::compile(document.to_string().as_bytes()).unwrap().into();
        worker.state.set_members(SERVICE, &[0, 1]);
        for slot in [0, 1] {
            worker.state.set_in_flight(slot, HELD_BY_OTHERS);
        }
        let now = 1_000 * SECOND;
        let connection = Connection::open(&mut worker, 0, "192.0.2.1".parse().unwrap(), now);
        Self { worker, connection, now }
    }

    /// A scene in which a whole request was forwarded.
    pub(super) fn forwarded(request: &str) -> Self {
        let mut scene = Self::new();
        assert_eq!(scene.receive(request).action, Action::Forward, "{request:?}");
        scene
    }

    pub(super) fn receive(&mut self, data: impl AsRef<[u8]>) -> Told {
        let data = data.as_ref();
        let verdict = self.connection.receive(&mut self.worker, data, self.now);
        self.told(verdict, data)
    }

    pub(super) fn respond(&mut self, data: impl AsRef<[u8]>) -> Told {
        let data = data.as_ref();
        let verdict = self.connection.respond(&mut self.worker, data, self.now);
        self.told(verdict, data)
    }

    pub(super) fn client_eof(&mut self) -> Told {
        let verdict = self.connection.client_eof(&mut self.worker, self.now);
        self.told(verdict, b"")
    }

    /// The instance's connection ends; the request was written, and the shell could write it again.
    pub(super) fn lost(&mut self, clean: bool) -> Told {
        self.lost_after(clean, true, true)
    }

    pub(super) fn lost_after(&mut self, clean: bool, written: bool, replayable: bool) -> Told {
        let verdict = self.connection.upstream_lost(&mut self.worker, clean, written, replayable, self.now);
        self.told(verdict, b"")
    }

    pub(super) fn connect_failed(&mut self) -> Told {
        let verdict = self.connection.upstream_failed(&mut self.worker, true, self.now);
        self.told(verdict, b"")
    }

    pub(super) fn try_again(&mut self) -> Told {
        let verdict = self.connection.try_again(&mut self.worker, self.now);
        self.told(verdict, b"")
    }

    pub(super) fn take_turn(&mut self) -> Told {
        let verdict = self.connection.take_turn(&mut self.worker, self.now);
        self.told(verdict, b"")
    }

    pub(super) fn admit(&mut self) -> Told {
        let verdict = self.connection.admit(&mut self.worker, self.now);
        self.told(verdict, b"")
    }

    pub(super) fn crowded(&mut self) -> Told {
        let verdict = self.connection.crowded(&mut self.worker, self.now);
        self.told(verdict, b"")
    }

    pub(super) fn evict(&mut self) -> Told {
        let verdict = self.connection.evict(&mut self.worker, self.now);
        self.told(verdict, b"")
    }

    pub(super) fn connecting(&mut self) {
        self.connection.connecting(&mut self.worker, self.now);
    }

    pub(super) fn connected(&mut self) -> Told {
        let verdict = self.connection.connected(&mut self.worker, self.now);
        self.told(verdict, b"")
    }

    pub(super) fn stalled(&mut self, client: bool) {
        self.connection.stalled(&mut self.worker, client, self.now);
    }

    pub(super) fn flowing(&mut self) {
        self.connection.flowing(&mut self.worker, self.now);
    }

    /// Turns the clock forward.
    pub(super) fn pass(&mut self, nanos: u64) {
        self.now += nanos;
    }

    /// Turns the clock to the connection's deadline, which must be exactly `nanos` away, and tells it.
    pub(super) fn expire_after(&mut self, nanos: u64) -> Told {
        self.expire_after_taking(0, nanos)
    }

    /// As `expire_after`; whoever was stalled has taken so many bytes by the end. It may be looked at before.
    pub(super) fn expire_after_taking(&mut self, taken: u64, nanos: u64) -> Told {
        let (index, end) = (self.connection.index(), self.now + nanos);
        while self.worker.deadlines.at(index) < end {
            self.now = self.worker.deadlines.at(index);
            assert_eq!(self.expire(index, 0).action, Action::Wait, "the deadline is too early");
        }
        assert_eq!(self.worker.deadlines.at(index), end, "the deadline is too late");
        self.now = end;
        self.expire(index, taken)
    }

    fn expire(&mut self, index: u32, taken: u64) -> Told {
        assert_eq!(self.worker.deadlines.expired(self.now, 2), [index]);
        let verdict = self.connection.expire(&mut self.worker, taken, self.now);
        self.told(verdict, b"")
    }

    pub(super) fn close(&mut self) {
        self.connection.close(&mut self.worker, self.now);
    }

    /// Exchanges that this connection holds on the instances together.
    pub(super) fn held(&self) -> u32 {
        [0, 1].iter().map(|&slot| self.worker.state.in_flight(slot)).sum::<u32>() - 2 * HELD_BY_OTHERS
    }

    /// Another connection of the same worker.
    pub(super) fn reopen(&mut self) {
        self.connection = Connection::open(&mut self.worker, 0, "192.0.2.1".parse().unwrap(), self.now);
    }

    /// What was counted for requests with a route.
    pub(super) fn counted(&self) -> Vec<(u16, u64)> {
        self.worker.state.requests(ROUTED)
    }

    /// What was counted for requests without one.
    pub(super) fn counted_unrouted(&self) -> Vec<(u16, u64)> {
        self.worker.state.requests(UNROUTED)
    }

    pub(super) fn durations(&self) -> Vec<u64> {
        self.worker.state.durations(SERVICE)
    }

    /// Closes, and checks that one request with a route was counted, with this code, and that nothing is held.
    pub(super) fn ends_as(mut self, code: u16) {
        self.close();
        assert_eq!((self.counted(), self.durations().len(), self.held()), (vec![(code, 1)], 1, 0));
    }

    /// What a verdict says; and of every answer after which the connection lives on, that it tells of what is pipelined.
    fn told(&self, verdict: Verdict, input: &[u8]) -> Told {
        let Verdict { action, argument, payload } = verdict;
        if matches!(action, Action::Reply | Action::Finish | Action::FinishDrop) {
            assert_eq!(argument != 0, !self.connection.inbound.is_empty(), "{action:?}");
        }
        let payload = match payload {
            Payload::Nothing => vec![],
            Payload::Input => input.to_vec(),
            Payload::Output => self.worker.output.clone(),
        };
        Told { action, argument, payload }
    }
}

/// The slot of the instance that a `Forward` names.
pub(super) fn slot(told: &Told) -> u32 {
    assert_eq!(told.action, Action::Forward);
    Instance::from_key(told.argument).slot
}

/// Has the connection nothing left to read of the request's body?
pub(super) fn body_is_read(scene: &Scene) -> bool {
    matches!(scene.connection.request_body, Body::Length(0))
}

pub(super) const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
pub(super) const GET_1_0: &str = "GET / HTTP/1.0\r\nHost: a\r\n\r\n";
pub(super) const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
pub(super) const POST_BEGUN: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc";
pub(super) const CHUNKED_BEGUN: &str =
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
pub(super) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
