//! `View`: sums over the lanes, for status and metrics.

use headgate_engine::pass_through::End;
use headgate_engine::queue::WaitEnd;
use headgate_engine::state::{Counter, LimitDecision};
use headgate_shm::metrics::DURATION_BOUNDS_NS;
use headgate_shm::view::{LimitTable, PassedStatus, QueueStatus, View as Reader};
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::clock::Nanoseconds;
use crate::segment::Segment;

/// Reads everything, writes nothing.
#[pyclass(frozen, module = "gateway._native")]
pub(crate) struct View {
    reader: Reader,
}

#[pymethods]
impl View {
    #[new]
    fn new(segment: &Segment) -> Self {
        Self { reader: Reader::new(segment.memory()) }
    }

    fn lanes(&self) -> Vec<(u32, u64, u64, u64)> {
        self.reader.lanes().map(|lane| (lane.lane, lane.pid, lane.snapshot, lane.heartbeat)).collect()
    }

    fn membership_epochs(&self) -> Vec<u64> {
        self.reader.lanes().map(|lane| lane.membership).collect()
    }

    fn in_flight(&self, slot: u32) -> u32 {
        self.reader.in_flight(slot)
    }

    fn health(&self, slot: u32) -> PyResult<u32> {
        there(self.reader.health(slot), "instance slot", slot)
    }

    fn failing(&self, slots: u32) -> Vec<(u32, u32)> {
        self.reader.failing(slots).collect()
    }

    fn requests(&self, row: u32) -> PyResult<Vec<(u16, u64)>> {
        there(self.reader.requests(row), "row of the request table", row)
    }

    fn passed(&self, row: u32) -> PyResult<(u64, u64, u64, Vec<u64>)> {
        let PassedStatus { connections, received, sent, ends } =
            there(self.reader.passed(row), "row of the request table", row)?;
        Ok((connections, received, sent, ends))
    }

    fn durations(&self, service: u32) -> PyResult<(Vec<u64>, u64)> {
        there(self.reader.durations(service), "service", service)
    }

    fn limit_decisions(&self, row: u32) -> PyResult<Vec<u64>> {
        there(self.reader.limit_decisions(row), "row of the limit table", row)
    }

    fn queue(&self, service: u32) -> PyResult<(u32, Vec<u64>, u64)> {
        let QueueStatus { waiting, ends, waited } = there(self.reader.queue(service), "service", service)?;
        Ok((waiting, ends, waited))
    }

    fn counters(&self) -> Vec<u64> {
        self.reader.counters()
    }

    fn connections(&self) -> u64 {
        self.reader.connections()
    }

    /// Reads megabytes, so it lets the other threads run meanwhile.
    fn limit_table(&self, py: Python<'_>, now: Nanoseconds) -> PyResult<(usize, usize, usize)> {
        let LimitTable { slots, keys, busy } =
            py.detach(|| self.reader.limit_table(now.0)).map_err(std::io::Error::from)?;
        Ok((slots, keys, busy))
    }
}

fn there<T>(value: Option<T>, what: &str, number: u32) -> PyResult<T> {
    value.ok_or_else(|| PyIndexError::new_err(format!("{what} {number} does not exist")))
}

/// Adds the class, the names of the counters, decisions and ends of waits, and the bounds of the histogram to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let seconds = DURATION_BOUNDS_NS.map(|nanos| nanos as f64 / 1e9);
    module.add("COUNTERS", PyTuple::new(py, Counter::NAMES)?)?;
    module.add("LIMIT_DECISIONS", PyTuple::new(py, LimitDecision::NAMES)?)?;
    module.add("PASS_ENDS", PyTuple::new(py, End::NAMES)?)?;
    module.add("WAIT_ENDS", PyTuple::new(py, WaitEnd::NAMES)?)?;
    module.add("DURATION_BOUNDS", PyTuple::new(py, seconds)?)?;
    module.add_class::<View>()
}
