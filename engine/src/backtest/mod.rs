//! Backtests: recorded history under other policies, journey by journey, with what each policy comes to.
//!
//! Whoever reads files passes columns in; results are sums. Nothing here holds Python's lock while it works, but to ask
//! a penalty table for a factor that it has not met before.

mod book;
mod buffers;
mod clock;
mod cluster;
mod detection;
mod history;
mod log_clock;
mod split;
mod tally;
mod trial;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use crate::backtest::book::Book;
use crate::backtest::buffers::{bytes_of, history_of, taken, Text, TextColumn};
use crate::backtest::detection::End;
use crate::backtest::history::{code_of, number_of, History, Kind, Record, Request};
use crate::backtest::log_clock::Clock;
use crate::backtest::split::{Line, Splitter};
use crate::backtest::trial::Trial;
use crate::rule::{Journey, OptionalI64, Rule, UNKNOWN};

/// Puts the records of a log into buckets by their journeys.
#[pyclass(module = "journeys_engine")]
struct HistorySplitter {
    splitter: Splitter,
}

#[pymethods]
impl HistorySplitter {
    /// A splitter into `buckets`; `with_names` keeps the ids of journeys.
    #[new]
    fn new(buckets: usize, with_names: bool) -> Self {
        HistorySplitter { splitter: Splitter::new(buckets, with_names) }
    }

    /// Take lines of a log, given as buffers by column; gives what they add to each bucket.
    ///
    /// `requests` holds kind, reason, timeout_ms, inactivity_ms, budget_micros and extend_by_ms; `segments` has empty
    /// text for a line without one.
    #[pyo3(signature = (journey_ids, ids, numbers, requests=None, segments=None))]
    fn add<'py>(
        &mut self,
        py: Python<'py>,
        journey_ids: Text<'py>,
        ids: Text<'py>,
        numbers: &Bound<'py, PyDict>,
        requests: Option<&Bound<'py, PyDict>>,
        segments: Option<Text<'py>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let segments = segments.map(|segments| TextColumn::of(py, &segments)).transpose()?;
        let journey_ids = TextColumn::of(py, &journey_ids)?;
        let ids = TextColumn::of(py, &ids)?;
        let history = history_of(py, numbers, requests)?;
        let rows = history.records.len();
        if journey_ids.len() != rows || ids.len() != rows || segments.as_ref().is_some_and(|of| of.len() != rows) {
            return Err(PyValueError::new_err(format!(
                "ids of {} and {} rows, where {rows} are right",
                journey_ids.len(),
                ids.len()
            )));
        }
        let splitter = &mut self.splitter;
        py.detach(|| {
            for (row, record) in history.records.iter().enumerate() {
                splitter.add(&Line {
                    journey_id: journey_ids.row(row),
                    id: ids.row(row),
                    record: *record,
                    request: history.requests.get(row).copied().unwrap_or_default(),
                    segment: segments.as_ref().map_or(&[], |segments| segments.row(row)),
                });
            }
        });
        self.take(py)
    }

    /// End the log; gives what its last line adds to each bucket.
    fn finish<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.splitter.finish();
        self.take(py)
    }

    /// The clock of the lines so far, taken out of the splitter.
    fn take_clock(&mut self) -> Clock {
        let mut steps = std::mem::take(&mut self.splitter.clock);
        steps.close();
        Clock { steps }
    }
}

impl HistorySplitter {
    fn take<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let taken = PyList::empty(py);
        for bucket in &mut self.splitter.buckets {
            taken.append(PyBytes::new(py, bucket))?;
            bucket.clear();
        }
        Ok(taken)
    }
}

/// Records of some journeys, those of each together.
#[pyclass(frozen, module = "journeys_engine")]
struct Journeys {
    history: History,
    names: Option<cluster::Names>,
}

#[pymethods]
impl Journeys {
    /// Journeys of columns of a packed file; a new one begins where `journey_no` changes.
    #[staticmethod]
    ///
    /// `segments` holds of each row the place of its segment in a list plus one, or 0, and that list.
    #[pyo3(signature = (journey_no, numbers, requests=None, segments=None))]
    fn of_columns(
        py: Python<'_>,
        journey_no: &Bound<'_, PyAny>,
        numbers: &Bound<'_, PyDict>,
        requests: Option<&Bound<'_, PyDict>>,
        segments: Option<(Bound<'_, PyAny>, Vec<String>)>,
    ) -> PyResult<Self> {
        let journey_no: Vec<u32> = taken(py, journey_no)?;
        let mut history = history_of(py, numbers, requests)?;
        if let Some((numbers, names)) = segments {
            history.segment_of = taken(py, &numbers)?;
            history.segments = names.into_iter().map(Into::into).collect();
        }
        let rows = history.records.len();
        if journey_no.len() != rows || !(history.segment_of.is_empty() || history.segment_of.len() == rows) {
            return Err(PyValueError::new_err("journey_no, segment: another number of rows"));
        }
        py.detach(|| history.begin_by(&journey_no));
        Ok(Journeys { history, names: None })
    }

    /// Journeys of a bucket, as a splitter has filled it.
    #[staticmethod]
    fn of_bucket(py: Python<'_>, bucket: &[u8]) -> PyResult<Self> {
        match py.detach(|| cluster::cluster(bucket)) {
            Some((history, names)) => Ok(Journeys { history, names: Some(names) }),
            None => Err(PyValueError::new_err("bucket: bytes that no splitter has made")),
        }
    }

    /// Number of journeys.
    fn __len__(&self) -> usize {
        self.history.journeys()
    }

    /// Columns as bytes: `journey_no` from `first_number` on, the numbers, and those of requests, empty where there
    /// are none.
    fn columns<'py>(&self, py: Python<'py>, first_number: u32) -> PyResult<Bound<'py, PyDict>> {
        let columns = PyDict::new(py);
        let History { begins, records, requests, segment_of, .. } = &self.history;
        let mut numbers = Vec::with_capacity(records.len());
        for (journey, rows) in begins.windows(2).enumerate() {
            numbers.resize(rows[1] as usize, first_number.wrapping_add(journey as u32));
        }
        columns.set_item("journey_no", bytes_of(py, &numbers, |no| no.to_le_bytes()))?;
        columns.set_item("repeats", bytes_of(py, records, |of| of.repeats_or_no_id().to_le_bytes()))?;
        columns.set_item(
            "conversion_probability",
            bytes_of(py, records, |of| of.probability.get().unwrap_or(f64::NAN).to_le_bytes()),
        )?;
        for (name, value) in [
            ("occurred_at", (|of| of.occurred_at) as fn(&Record) -> i64),
            ("behind_ms", |of| of.clock - of.occurred_at),
            ("cost_micros", |of| of.cost_micros),
            ("conversion_value_micros", |of| number_of(of.value_micros)),
        ] {
            columns.set_item(name, bytes_of(py, records, |of| value(of).to_le_bytes()))?;
        }
        for (name, value) in
            [("clock_moves", (|of| u8::from(of.clock_moves)) as fn(&Record) -> u8), ("state", |of| code_of(of.state))]
        {
            columns.set_item(name, bytes_of(py, records, |of| [value(of)]))?;
        }
        let with_requests = if requests.is_empty() { &[] } else { &records[..] };
        columns.set_item("kind", bytes_of(py, with_requests, |of| [of.kind as u8]))?;
        columns.set_item("reason", bytes_of(py, requests, |of| [of.reason as u8]))?;
        let requests: Vec<(&Record, &Request)> = records.iter().zip(requests).collect();
        for (name, value) in [
            ("timeout_ms", (|of| of.overrides.timeout_ms) as fn(&Request) -> OptionalI64),
            ("inactivity_ms", |of| of.overrides.inactivity_ms),
            ("budget_micros", |of| of.overrides.budget_micros),
        ] {
            // A touchpoint, which overrides nothing, says 0.
            let number = |(record, request): &(&Record, &Request)| match record.kind {
                Kind::Touchpoint => 0,
                _ => number_of(value(request)),
            };
            columns.set_item(name, bytes_of(py, &requests, |of| number(of).to_le_bytes()))?;
        }
        columns.set_item("segment", bytes_of(py, segment_of, |number| number.to_le_bytes()))?;
        columns.set_item("extend_by_ms", bytes_of(py, &requests, |(_, of)| of.extend_by_ms.to_le_bytes()))?;
        Ok(columns)
    }

    /// Segments that the records name, by the numbers in the column `segment` less one.
    fn segments(&self) -> Vec<&str> {
        self.history.segments.iter().map(|name| &**name).collect()
    }

    /// Ids of the journeys, where they were kept: where each begins, and the text end to end.
    fn names<'py>(&self, py: Python<'py>) -> Option<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        let names = self.names.as_ref()?;
        Some((bytes_of(py, &names.begins, |at| at.to_le_bytes()), PyBytes::new(py, &names.text)))
    }
}

/// Policies at work on one thread's share of the journeys.
#[pyclass(module = "journeys_engine")]
struct Backtest {
    trials: Vec<Trial>,
    journey: Journey,
}

#[pymethods]
impl Backtest {
    /// Policies, each with its penalty table; the greatest clock (ms) that a line may have, None for any; the clock of
    /// the punctuation behind all lines; whether abandonments are kept.
    #[new]
    fn new(
        policies: Vec<(Bound<'_, PyAny>, Py<PyAny>)>,
        last_clock: Option<i64>,
        behind_all: i64,
        keeps_abandonments: bool,
    ) -> PyResult<Self> {
        let end = End { last_clock: last_clock.unwrap_or(i64::MAX), behind_all };
        let trial = |(policy, penalties): (Bound<'_, PyAny>, Py<PyAny>)| {
            Ok(Trial { rule: Rule::of(&policy, penalties)?, book: Book::new(end, keeps_abandonments) })
        };
        let trials = policies.into_iter().map(trial).collect::<PyResult<_>>()?;
        Ok(Backtest { trials, journey: UNKNOWN.clone() })
    }

    /// Run all policies over journeys.
    fn run(&mut self, py: Python<'_>, journeys: &Bound<'_, Journeys>, clock: &Bound<'_, Clock>) -> PyResult<()> {
        let (journeys, clock) = (journeys.get(), clock.get());
        let Backtest { trials, journey } = self;
        py.detach(|| {
            for number in 0..journeys.history.journeys() {
                for trial in trials.iter_mut() {
                    trial.run(&journeys.history, number, &clock.steps, journey)?;
                }
            }
            for trial in trials.iter_mut() {
                trial.book.notice(&clock.steps);
            }
            Ok(())
        })
    }

    /// What each policy has come to so far, by name.
    fn tallies<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        self.trials.iter().map(|trial| trial.book.tally.as_dict(py)).collect()
    }

    /// Abandonments of each policy since the last call, as columns of bytes; `journey` counts within what was run.
    fn take_abandonments<'py>(&mut self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let mut found = Vec::new();
        for trial in &mut self.trials {
            let kept = trial.book.abandonments.as_mut().map(std::mem::take);
            found.push(tally::columns(py, &kept.unwrap_or_default())?);
        }
        Ok(found)
    }
}

/// Put the classes into the module.
pub fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Clock>()?;
    module.add_class::<HistorySplitter>()?;
    module.add_class::<Journeys>()?;
    module.add_class::<Backtest>()
}
