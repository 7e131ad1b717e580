//! `Control`: the supervisor's pen.

use std::sync::{Mutex, MutexGuard, PoisonError};

use headgate_shm::control::{Control as Pen, ControlError, InstanceWords};
use headgate_shm::instance::{
    Address, AddressError, HEALTH_DISABLED, HEALTH_EJECTED, HEALTH_HEALTHY, HEALTH_UNHEALTHY, HEALTH_UNKNOWN,
};
use pyo3::exceptions::{PyIndexError, PyMemoryError, PyValueError};
use pyo3::prelude::*;

use crate::segment::Segment;

/// The only writer of instances, members and the set of live lanes.
#[pyclass(frozen, module = "gateway._native")]
pub(crate) struct Control {
    // Python may call from any thread, and the book of free extents has one owner at a time.
    pen: Mutex<Pen>,
}

impl Control {
    /// A panic left the book as it was before or after one whole step, so its owner's death does not spoil it.
    fn pen(&self) -> MutexGuard<'_, Pen> {
        self.pen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Control {
    #[new]
    fn new(segment: &Segment) -> Self {
        Self { pen: Mutex::new(Pen::new(segment.memory())) }
    }

    #[pyo3(signature = (slot, generation, address, *, weight, health, capacity=None, max_in_flight=0, backup=false,
                        elsewhere=false, started=0))]
    #[allow(clippy::too_many_arguments, reason = "Python names them")]
    fn write_instance(
        &self,
        slot: u32,
        generation: u32,
        address: &str,
        weight: u32,
        health: u32,
        capacity: Option<u32>,
        max_in_flight: u32,
        backup: bool,
        elsewhere: bool,
        started: u64,
    ) -> PyResult<()> {
        let address: Address = address
            .parse()
            .map_err(|error: AddressError| PyValueError::new_err(format!("{address:?}: {error}")))?;
        let capacity = capacity.unwrap_or(weight);
        let words = InstanceWords {
            generation,
            address,
            weight,
            capacity,
            max_in_flight,
            backup,
            elsewhere,
            started,
            health,
        };
        self.pen().write_instance(slot, &words).map_err(to_python)
    }

    fn set_health(&self, slot: u32, health: u32) -> PyResult<()> {
        self.pen().set_health(slot, health).map_err(to_python)
    }

    fn health(&self, slot: u32) -> PyResult<u32> {
        self.pen().health(slot).map_err(to_python)
    }

    fn set_started(&self, slot: u32, started: u64) -> PyResult<()> {
        self.pen().set_started(slot, started).map_err(to_python)
    }

    fn clear_failures(&self, slot: u32) -> PyResult<()> {
        self.pen().clear_failures(slot).map_err(to_python)
    }

    #[expect(clippy::needless_pass_by_value, reason = "PyO3 takes no slice of numbers")]
    #[pyo3(signature = (row, slots, *, panic_percent=0, now=0))]
    fn publish_members(
        &self,
        row: u32,
        slots: Vec<u32>,
        panic_percent: u8,
        now: u64,
    ) -> PyResult<(u64, bool)> {
        let published = self.pen().publish_members(row, &slots, panic_percent, now).map_err(to_python)?;
        Ok((published.epoch, published.panicking))
    }

    #[expect(clippy::needless_pass_by_value, reason = "PyO3 takes no slice of numbers")]
    #[pyo3(signature = (row, slots, *, index))]
    fn publish_ring(&self, py: Python<'_>, row: u32, slots: Vec<u32>, index: bool) -> PyResult<u64> {
        py.detach(|| self.pen().publish_ring(row, &slots, index)).map_err(to_python)
    }

    fn open_lane(&self, lane: u32, pid: u32) -> PyResult<()> {
        self.pen().open_lane(lane, pid).map_err(to_python)
    }

    fn set_lane_pid(&self, lane: u32, pid: u32) -> PyResult<()> {
        self.pen().set_lane_pid(lane, pid).map_err(to_python)
    }

    fn close_lane(&self, lane: u32) -> PyResult<()> {
        self.pen().close_lane(lane).map_err(to_python)
    }
}

fn to_python(error: ControlError) -> PyErr {
    let message = error.to_string();
    match error {
        ControlError::OutOfRange { .. } => PyIndexError::new_err(message),
        ControlError::ArenaFull(_) => PyMemoryError::new_err(message),
        ControlError::Health(_) | ControlError::LaneInUse(_) | ControlError::LaneNotOpen(_) => {
            PyValueError::new_err(message)
        }
    }
}

/// Adds the class and the health words to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("HEALTH_UNKNOWN", HEALTH_UNKNOWN)?;
    module.add("HEALTH_HEALTHY", HEALTH_HEALTHY)?;
    module.add("HEALTH_UNHEALTHY", HEALTH_UNHEALTHY)?;
    module.add("HEALTH_DISABLED", HEALTH_DISABLED)?;
    module.add("HEALTH_EJECTED", HEALTH_EJECTED)?;
    module.add_class::<Control>()
}
