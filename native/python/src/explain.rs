//! What the engine would do, for whoever writes a configuration: `gateway._native.Explainer` and `check_pattern`.

use std::net::IpAddr;

use headgate_engine::compression::Coding;
use headgate_engine::explain;
use headgate_engine::pattern::Pattern;
use headgate_engine::routing::Unmet;
use headgate_engine::snapshot::Misfit;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// A configuration whose decisions can be asked for.
#[pyclass(frozen, module = "gateway._native")]
pub(crate) struct Explainer(explain::Explainer);

/// Client, host, path, route, status and words of a refusal, the service that is named, status and location of the route's own
/// answer, the coding of instances' answers and whether only public ones get it, whether it is a preflight and its page is allowed, and
/// of every other route what does not fit and its name.
type Explanation = (
    String,
    String,
    String,
    Option<u32>,
    Option<(u16, &'static str)>,
    Option<u32>,
    Option<(u16, Option<String>)>,
    Option<(Option<&'static str>, bool)>,
    Option<(bool, bool)>,
    Vec<(u32, &'static str, String)>,
);

#[pymethods]
impl Explainer {
    #[new]
    fn new(py: Python<'_>, blob: &[u8]) -> PyResult<Self> {
        py.detach(|| explain::Explainer::compile(blob)).map(Self).map_err(|error| wrong(&error))
    }

    fn explain(&self, py: Python<'_>, head: &[u8], listener: u32, peer: &str) -> PyResult<Explanation> {
        let peer: IpAddr = peer.parse().map_err(|error| wrong(&error))?;
        let told = py.detach(|| self.0.explain(head, listener, peer));
        let others = told.others.iter().map(|&(route, misfit)| {
            let (what, name) = words(misfit);
            (route, what, name.to_string())
        });
        let others = others.collect();
        let refusal = told.refusal.map(|reason| (reason.status(), reason.details()));
        let answer = told.answer.map(|answer| (answer.status, answer.location));
        let compressed = told.compressed.map(|it| (it.coding.map(Coding::name), it.public_only));
        let cross_origin = told.cross_origin.map(|it| (it.is_preflight, it.is_allowed));
        let client = told.client.to_string();
        let explain::Explanation { host, path, route, service, .. } = told;
        Ok((client, host, path, route, refusal, service, answer, compressed, cross_origin, others))
    }
}

/// What does not fit, and its name, if it has one.
fn words(misfit: Option<Misfit<'_>>) -> (&'static str, &str) {
    match misfit {
        None => ("precedence", ""),
        Some(Misfit::Host) => ("host", ""),
        Some(Misfit::Path) => ("path", ""),
        Some(Misfit::Method) => ("method", ""),
        Some(Misfit::Condition(Unmet::Listener)) => ("listener", ""),
        Some(Misfit::Condition(Unmet::Client)) => ("client", ""),
        Some(Misfit::Condition(Unmet::Header(name))) => ("header", name),
        Some(Misfit::Condition(Unmet::Cookie(name))) => ("cookie", name),
        Some(Misfit::Condition(Unmet::Query(name))) => ("query", name),
    }
}

#[pyfunction]
fn check_pattern(text: &str) -> PyResult<()> {
    Pattern::parse(text).map(drop).map_err(|error| wrong(&error))
}

fn wrong(error: &impl ToString) -> PyErr {
    PyValueError::new_err(error.to_string())
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Explainer>()?;
    module.add_function(wrap_pyfunction!(check_pattern, module)?)
}
