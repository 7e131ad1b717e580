//! A worker's lane with its engine: `gateway._native.Lane` and `Snapshot`.

use std::sync::Arc;

use headgate_engine::limit::{Charge, Claim, RETRY_WITHOUT_PLACE};
use headgate_engine::selection::{peek, Affinity, Criteria, Selection, Tried};
use headgate_engine::snapshot;
use headgate_engine::state::{Counter, Instance, State};
use headgate_engine::worker::Worker;
use headgate_shm::instance::{Address, HEALTH_UNHEALTHY};
use headgate_shm::state::Worker as SharedState;
use headgate_shm::wakes::News;
use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};
use pyo3::IntoPyObjectExt;
use rustix::time::{clock_gettime, ClockId};

use crate::clock::Nanoseconds;
use crate::cost::LastCost;
use crate::names::Names;
use crate::segment::{duplicated, Segment};

/// A compiled, immutable configuration.
#[pyclass(frozen, module = "gateway._native")]
pub(crate) struct Snapshot(Arc<snapshot::Snapshot>);

#[pymethods]
impl Snapshot {
    #[staticmethod]
    fn compile(py: Python<'_>, blob: &[u8]) -> PyResult<Self> {
        py.detach(|| snapshot::Snapshot::compile(blob))
            .map(|compiled| Self(Arc::new(compiled)))
            .map_err(|error| PyValueError::new_err(error.to_string()))
    }

    #[getter]
    fn epoch(&self) -> u64 {
        self.0.epoch
    }
}

/// One worker's stripe of the shared memory with the engine that decides on it.
#[pyclass(module = "gateway._native")]
pub(crate) struct Lane {
    pub(crate) worker: Worker<SharedState>,
    access_log_due: Option<Py<PyAny>>,
    /// Indexes of the services that `select` was asked for.
    services: Names<u32>,
    limits: Names<u32>,
    cost: LastCost,
    /// What `charge` answers almost always: (True, 0).
    allowed: Py<PyTuple>,
    clock: Option<Py<PyAny>>,
}

impl Lane {
    /// The time of the lane's clock, in nanoseconds.
    #[inline]
    pub(crate) fn now(&self, py: Python<'_>) -> PyResult<u64> {
        match &self.clock {
            None => {
                let now = clock_gettime(ClockId::Monotonic);
                Ok(now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64)
            }
            Some(clock) => clock.call0(py)?.extract(py),
        }
    }

    /// Whom to tell that the access log should be drained before the next tick; nobody, if that can wait.
    #[inline]
    pub(crate) fn due(&mut self, py: Python<'_>) -> Option<Py<PyAny>> {
        let due = self.worker.access_log.falls_due();
        due.then(|| self.access_log_due.as_ref().map(|callback| callback.clone_ref(py))).flatten()
    }
}

#[pymethods]
impl Lane {
    #[new]
    #[pyo3(signature = (segment, lane, *, random_seed, clock = None, wakes = None))]
    fn new(
        py: Python<'_>,
        segment: &Segment,
        lane: u32,
        random_seed: u64,
        clock: Option<Py<PyAny>>,
        wakes: Option<Vec<i32>>,
    ) -> PyResult<Self> {
        let wakes = duplicated(wakes)?;
        let state = SharedState::attach(segment.memory(), lane)
            .map(|state| state.waking(wakes))
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(Self {
            worker: Worker::new(state, random_seed),
            access_log_due: None,
            services: Names::default(),
            limits: Names::default(),
            cost: LastCost::default(),
            allowed: (true, 0).into_pyobject(py)?.unbind(),
            clock,
        })
    }

    fn adopt(&mut self, snapshot: &Snapshot) {
        let old = std::mem::replace(&mut self.worker.snapshot, Arc::clone(&snapshot.0));
        self.services.forget();
        self.limits.forget();
        // With 10,000 routes it takes 1 to 2 ms to free, which connections would have to wait for. Where there is no
        // thread to be had, the closure is dropped here, and that frees it as well.
        let _ = std::thread::Builder::new().spawn(move || drop(old));
    }

    #[getter]
    fn epoch(&self) -> u64 {
        self.worker.snapshot.epoch
    }

    fn drain(&mut self) {
        self.worker.draining = true;
    }

    fn tick(&mut self, now: u64, wall: u64) -> bool {
        self.worker.tick(now, wall);
        let Worker { state, snapshot, .. } = &self.worker;
        // Also of those without a budget: the next configuration may give them one.
        state.note_traffic(snapshot.services.iter().map(|service| service.slot), now);
        self.worker.state.tick(now, self.worker.snapshot.epoch)
    }

    fn expired(&mut self, now: u64, most: usize) -> Vec<u32> {
        self.worker.deadlines.expired(now, most)
    }

    #[getter]
    fn has_waiting(&self) -> bool {
        !(self.worker.lines.is_empty() && self.worker.askers.is_empty())
    }

    #[pyo3(signature = (news = None))]
    fn begin_round(&mut self, news: Option<u64>) {
        let may_be = |which: News| news.is_none_or(|sum| which.is_in(sum));
        if may_be(News::Place) {
            self.worker.lines.begin_round();
        }
        if may_be(News::Answer) {
            self.worker.askers.begin_round();
        }
    }

    fn next_turn(&mut self, now: u64) -> Option<u32> {
        self.worker.next_turn(now)
    }

    fn spared(&self, now: u64, most: usize) -> Vec<u32> {
        self.worker.rests.spared(now, most)
    }

    fn address<'py>(&self, py: Python<'py>, instance: u64) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Instance { slot, generation } = Instance::from_key(instance);
        match self.worker.state.address(slot, generation) {
            Some(Address::Ip(address)) => {
                (address.ip().to_string(), address.port()).into_bound_py_any(py).map(Some)
            }
            Some(Address::Unix(path)) => path.into_bound_py_any(py).map(Some),
            None => Ok(None),
        }
    }

    #[pyo3(signature = (service, key = None, now = None))]
    fn select(
        &mut self,
        service: &Bound<'_, PyString>,
        key: Option<&[u8]>,
        now: Option<Nanoseconds>,
    ) -> PyResult<Option<u64>> {
        let now = now.map_or_else(|| self.now(service.py()), |now| Ok(now.0))?;
        let Worker { snapshot, state, random, .. } = &mut self.worker;
        let index = self.services.resolve(service, |name| snapshot.find_service(name))?;
        let found = snapshot.services.get(index as usize);
        let found = found.ok_or_else(|| PyKeyError::new_err(service.clone().unbind()))?;
        let affinity = key.map_or(Affinity::None, |key| found.reading.value(key));
        let criteria = Criteria { policy: found.usage.policy, tried: &Tried::default(), affinity, now };
        Ok(match peek(state, &criteria, random) {
            Selection::Instance(instance) => Some(instance.key()),
            _ => None,
        })
    }

    fn charge<'py>(
        &mut self,
        limit: &Bound<'py, PyString>,
        key: &Bound<'py, PyBytes>,
        cost: &Bound<'py, PyAny>,
        now: Nanoseconds,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let py = limit.py();
        let Worker { snapshot, state, .. } = &mut self.worker;
        let index = self.limits.resolve(limit, |name| snapshot.find_limit(name))?;
        let limit = snapshot.limit(index).ok_or_else(|| PyKeyError::new_err(limit.clone().unbind()))?;
        let cost = self.cost.read(cost)?;
        let key = limit.rule.count_key_of(state.hash_seed(), key.as_bytes());
        match state.charge(&[Claim { cost, ..limit.claim(key) }], now.0) {
            Charge::Refused { retry_after, .. } => (false, retry_after).into_pyobject(py),
            // Who asks here does not wait; a request would.
            Charge::NoPlace { .. } | Charge::Unanswered { .. } => {
                (false, RETRY_WITHOUT_PLACE).into_pyobject(py)
            }
            Charge::Allowed | Charge::Overflow { .. } => Ok(self.allowed.bind(py).clone()),
        }
    }

    fn health(&self, instance: u64) -> u32 {
        let Instance { slot, generation } = Instance::from_key(instance);
        self.worker.state.health(slot, generation).unwrap_or(HEALTH_UNHEALTHY)
    }

    fn take_access_log<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let lines = PyBytes::new(py, self.worker.access_log.lines());
        self.worker.access_log.drained();
        lines
    }

    fn on_access_log_due(&mut self, callback: Option<Py<PyAny>>) {
        self.access_log_due = callback;
    }

    fn count_dropped_lines(&mut self, lines: u64) {
        self.worker.state.count(Counter::AccessLogLinesDropped, lines);
    }

    fn count_upstreams_evicted(&mut self, connections: u64) {
        self.worker.state.count(Counter::UpstreamsEvicted, connections);
    }

    fn count_accept_pause(&mut self) {
        self.worker.state.count(Counter::AcceptPauses, 1);
    }

    fn count_accept_failure(&mut self) {
        self.worker.state.count(Counter::AcceptFailures, 1);
    }

    fn count_fault(&mut self) {
        self.worker.state.count(Counter::Faults, 1);
    }
}
