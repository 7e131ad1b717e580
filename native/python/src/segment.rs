//! `Segment`: the shared memory as an object that Python passes around.

use std::os::fd::AsRawFd;
use std::sync::Arc;

use headgate_shm::descriptor::duplicate;
use headgate_shm::layout::{Capacities, LAYOUT_HASH};
use headgate_shm::segment::{Segment as Memory, SegmentError};
use headgate_shm::wakes::Wakes;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// The shared memory: one sealed memfd, created by the supervisor and inherited by every worker.
#[pyclass(frozen, module = "gateway._native")]
pub(crate) struct Segment {
    memory: Arc<Memory>,
}

impl Segment {
    /// The memory itself, for the other classes to hold.
    pub(crate) fn memory(&self) -> Arc<Memory> {
        Arc::clone(&self.memory)
    }
}

/// The eventfds by which processes wake each other, as duplicates.
pub(crate) fn duplicated(wakes: Option<Vec<i32>>) -> PyResult<Wakes> {
    let eventfds = wakes.unwrap_or_default().into_iter().map(duplicate).collect::<Result<_, _>>();
    Ok(Wakes::new(eventfds.map_err(std::io::Error::from)?))
}

#[pymethods]
impl Segment {
    /// Creates the memory.
    #[staticmethod]
    #[pyo3(signature = (*, lanes, instances, services, series, limits, limit_keys, hash_seed))]
    fn create(
        lanes: i64,
        instances: i64,
        services: i64,
        series: i64,
        limits: i64,
        limit_keys: i64,
        hash_seed: u64,
    ) -> PyResult<Self> {
        let capacities = capacities(lanes, instances, services, series, limits, limit_keys)?;
        let memory = Memory::create(capacities, hash_seed).map_err(|error| to_python(&error))?;
        Ok(Self { memory: Arc::new(memory) })
    }

    /// Maps an inherited segment.
    #[staticmethod]
    fn attach(fd: i32) -> PyResult<Self> {
        let memory = Memory::attach(fd).map_err(|error| to_python(&error))?;
        Ok(Self { memory: Arc::new(memory) })
    }

    /// Bytes of address space that `create` would take.
    #[staticmethod]
    #[pyo3(signature = (*, lanes, instances, services, series, limits, limit_keys))]
    fn size_for(
        lanes: i64,
        instances: i64,
        services: i64,
        series: i64,
        limits: i64,
        limit_keys: i64,
    ) -> PyResult<usize> {
        let capacities = capacities(lanes, instances, services, series, limits, limit_keys)?;
        Memory::size_for(capacities).map_err(|error| to_python(&error.into()))
    }

    fn fileno(&self) -> i32 {
        self.memory.fd().as_raw_fd()
    }

    #[getter]
    fn size(&self) -> usize {
        self.memory.size()
    }

    #[getter]
    fn capacities<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let named = PyDict::new(py);
        for (name, value) in self.memory.capacities().named() {
            named.set_item(name, value)?;
        }
        Ok(named)
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.memory)
    }
}

/// Numbers that no capacity can hold are refused here, those out of range where the segment is laid out.
fn capacities(
    lanes: i64,
    instances: i64,
    services: i64,
    series: i64,
    limits: i64,
    limit_keys: i64,
) -> PyResult<Capacities> {
    let fit = |name: &str, value: i64| {
        u32::try_from(value)
            .map_err(|_| PyValueError::new_err(format!("capacity {name} is {value}: out of range")))
    };
    Ok(Capacities {
        lanes: fit("lanes", lanes)?,
        instances: fit("instances", instances)?,
        services: fit("services", services)?,
        series: fit("series", series)?,
        limits: fit("limits", limits)?,
        limit_keys: fit("limit_keys", limit_keys)?,
    })
}

fn to_python(error: &SegmentError) -> PyErr {
    match error {
        SegmentError::System(errno) => std::io::Error::from(*errno).into(),
        SegmentError::NoWideExchange => {
            std::io::Error::new(std::io::ErrorKind::Unsupported, error.to_string()).into()
        }
        SegmentError::Capacity(_) | SegmentError::Foreign(_) => PyValueError::new_err(error.to_string()),
    }
}

/// Adds the class and the version of the layout to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("layout_version", format!("{LAYOUT_HASH:016x}"))?;
    module.add_class::<Segment>()
}
