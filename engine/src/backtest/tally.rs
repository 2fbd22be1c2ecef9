//! What a backtest under one policy comes to.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::backtest::history::number_of;
use crate::rule::{OptionalI64, REASONS};

/// Counts and sums. Amounts in micros, times in ms; lists are by reason.
#[derive(Default)]
pub struct Tally {
    pub journeys: u64,
    pub applied: u64,
    pub duplicates: u64,
    pub late: u64,
    pub refused: u64,
    pub episodes: u64,
    pub open: u64,
    pub conversions: u64,
    pub returns: u64,
    pub returns_converted: u64,
    pub returned_penalty_micros: i128,
    pub abandonments: [u64; REASONS],
    pub penalty_micros: [i128; REASONS],
    pub opportunity_micros: [i128; REASONS],
    /// Of the opportunity costs, those in which a default of the policy stood for probability or value.
    pub assumed_micros: [i128; REASONS],
    pub detection_ms: i128,
    pub detection_ms_most: i64,
    pub silence_ms: i128,
}

impl Tally {
    /// All of it, by name.
    pub fn as_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let columns = PyDict::new(py);
        for (name, count) in [
            ("journeys", self.journeys),
            ("applied", self.applied),
            ("duplicates", self.duplicates),
            ("late", self.late),
            ("refused", self.refused),
            ("episodes", self.episodes),
            ("open", self.open),
            ("conversions", self.conversions),
            ("returns", self.returns),
            ("returns_converted", self.returns_converted),
        ] {
            columns.set_item(name, count)?;
        }
        columns.set_item("returned_penalty_micros", self.returned_penalty_micros)?;
        columns.set_item("abandonments", self.abandonments)?;
        columns.set_item("penalty_micros", self.penalty_micros)?;
        columns.set_item("opportunity_micros", self.opportunity_micros)?;
        columns.set_item("assumed_micros", self.assumed_micros)?;
        columns.set_item("detection_ms", self.detection_ms)?;
        columns.set_item("detection_ms_most", self.detection_ms_most)?;
        columns.set_item("silence_ms", self.silence_ms)?;
        Ok(columns)
    }
}

/// One abandonment, as far as a backtest tells of it.
pub struct Abandonment {
    pub journey: u32,
    pub reason: u8,
    pub state: u8,
    pub started_at: i64,
    pub last_touchpoint_at: OptionalI64,
    pub abandoned_at: i64,
    pub detected_at: i64,
    pub touchpoint_count: i64,
    pub total_cost_micros: i64,
    pub penalty_amount_micros: i64,
    pub opportunity_cost_micros: i64,
    pub probability_assumed: bool,
    pub value_assumed: bool,
}

/// Abandonments as columns of little-endian bytes.
pub fn columns<'py>(py: Python<'py>, of: &[Abandonment]) -> PyResult<Bound<'py, PyDict>> {
    let columns = PyDict::new(py);
    let mut bytes = Vec::with_capacity(of.len() * 8);
    bytes.extend(of.iter().flat_map(|one| one.journey.to_le_bytes()));
    columns.set_item("journey", PyBytes::new(py, &bytes))?;
    for (name, value) in [
        ("reason", (|one| one.reason) as fn(&Abandonment) -> u8),
        ("state", |one| one.state),
        ("probability_assumed", |one| one.probability_assumed.into()),
        ("value_assumed", |one| one.value_assumed.into()),
    ] {
        let bytes: Vec<u8> = of.iter().map(value).collect();
        columns.set_item(name, PyBytes::new(py, &bytes))?;
    }
    for (name, value) in [
        ("started_at", (|one| one.started_at) as fn(&Abandonment) -> i64),
        ("last_touchpoint_at", |one| number_of(one.last_touchpoint_at)),
        ("abandoned_at", |one| one.abandoned_at),
        ("detected_at", |one| one.detected_at),
        ("touchpoint_count", |one| one.touchpoint_count),
        ("total_cost_micros", |one| one.total_cost_micros),
        ("penalty_amount_micros", |one| one.penalty_amount_micros),
        ("opportunity_cost_micros", |one| one.opportunity_cost_micros),
    ] {
        bytes.clear();
        bytes.extend(of.iter().flat_map(|one| value(one).to_le_bytes()));
        columns.set_item(name, PyBytes::new(py, &bytes))?;
    }
    Ok(columns)
}
