//! The hot path of the journey rule, compiled: touchpoints and punctuations in, rows and outputs out.
//!
//! `rule` states the rule for one journey. `live` applies it to the rows of a partition (`Engine`), `backtest` to recorded
//! history, journey by journey (`Backtest`). `wire` reads and writes bytes. No I/O, no clock.
//!
//! The Python rule in `streams` is the reference, and decides all that is rare in a live partition: whatever the engine
//! does not take, it leaves to that one.

#![allow(missing_docs)] // fields say what they are; types and functions are documented

mod backtest;
mod live;
mod rule;
mod wire;

use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Fingerprints of the schemas that the engine reads and writes, as `journeys.schemas.catalog` makes them.
const SCHEMAS: [(&str, u32); 5] = [
    ("Touchpoint", 1_194_114_644),
    ("Punctuation", 1_727_689_279),
    ("JourneyRow", 1_840_407_694),
    ("JourneyAbandoned", 1_816_665_790),
    ("JourneyLifecycle", 1_040_380_536),
];

/// The engine.
#[pymodule(name = "engine")]
fn journeys_engine(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let schemas = PyDict::new(module.py());
    for (name, fingerprint) in SCHEMAS {
        schemas.set_item(name, fingerprint)?;
    }
    module.add("SCHEMAS", schemas)?;
    module.add_class::<live::Engine>()?;
    module.add_class::<wire::messages::Messages>()?;
    module.add_class::<live::Progress>()?;
    module.add_class::<wire::records::Records>()?;
    backtest::add_to(module)
}
