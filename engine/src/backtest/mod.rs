//! Backtests: recorded history under other policies, journey by journey, with what each policy comes to.
//!
//! Whoever reads files passes columns in; results are sums. Nothing here holds Python's lock while it works, but to ask
//! a penalty table for a factor that it has not met before.

mod clock;
mod cluster;
mod columns;
mod journey;
mod rates;
mod rule;
mod split;
mod tally;

use pyo3::buffer::{Element, PyBuffer};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyIterator, PyList};

use crate::backtest::clock::Steps;
use crate::backtest::columns::{Columns, Requests};
use crate::backtest::journey::Journey;
use crate::backtest::rates::Rates;
use crate::backtest::rule::{End, Rule, NO_END};
use crate::backtest::split::{Line, Request, Splitter};
use crate::policy::Policy;

/// The clock of a log, by line.
#[pyclass(frozen, module = "journeys_engine")]
struct Clock {
    steps: Steps,
}

#[pymethods]
impl Clock {
    /// A clock of what it said at the lines, one buffer of int64 (ms) after the other.
    #[new]
    fn new(py: Python<'_>, said: &Bound<'_, PyIterator>) -> PyResult<Self> {
        let mut steps = Steps::default();
        for part in said {
            let part: Vec<i64> = taken(py, &part?)?;
            py.detach(|| {
                for at in part {
                    steps.advance(at);
                }
            });
        }
        Ok(Clock { steps })
    }

    /// The clock behind the last line; None where there is no line.
    #[getter]
    fn greatest(&self) -> Option<i64> {
        self.steps.greatest()
    }

    /// Its distinct values, ascending, as bytes of int64: at most `count` of them, `skipped` others left out before.
    fn values<'py>(&self, py: Python<'py>, skipped: usize, count: usize) -> Bound<'py, PyBytes> {
        let values: Vec<i64> = self.steps.values(skipped, count);
        bytes_of(py, &values, i64::to_le_bytes)
    }

    /// The first value of the clock that is not before an instant; None where it never came so far.
    fn first_from(&self, at: i64) -> Option<i64> {
        self.steps.first_from(at)
    }
}

/// Puts the records of a log into buckets by their journeys.
#[pyclass(module = "journeys_engine")]
struct HistorySplitter {
    splitter: Splitter,
}

/// Column of text: where each begins, and one more; all text end to end.
type Text<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>);

#[pymethods]
impl HistorySplitter {
    /// A splitter into `buckets`; `with_names` keeps the ids of journeys.
    #[new]
    fn new(buckets: usize, with_names: bool) -> Self {
        HistorySplitter {
            splitter: Splitter::new(buckets, with_names),
        }
    }

    /// Take lines of a log, given as buffers by column; gives what they add to each bucket.
    ///
    /// `requests` holds kind, reason, timeout_ms, inactivity_ms, budget_micros and extend_by_ms.
    #[pyo3(signature = (journey_ids, ids, numbers, requests=None))]
    fn add<'py>(
        &mut self,
        py: Python<'py>,
        journey_ids: Text<'py>,
        ids: Text<'py>,
        numbers: &Bound<'py, PyDict>,
        requests: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let journey_ids = TextColumn::of(py, &journey_ids)?;
        let ids = TextColumn::of(py, &ids)?;
        let columns = columns_of(py, numbers, requests)?;
        let rows = columns.occurred_at.len();
        if journey_ids.len() != rows || ids.len() != rows {
            return Err(PyValueError::new_err(format!(
                "ids of {} and {} rows, where {rows} are right",
                journey_ids.len(),
                ids.len()
            )));
        }
        let splitter = &mut self.splitter;
        py.detach(|| {
            let requests = &columns.requests;
            for row in 0..rows {
                let kind = requests.kind.get(row).copied().unwrap_or(0);
                let request = if kind == 0 {
                    Request::default()
                } else {
                    Request {
                        reason: requests.reason[row],
                        timeout_ms: requests.timeout_ms[row],
                        inactivity_ms: requests.inactivity_ms[row],
                        budget_micros: requests.budget_micros[row],
                        extend_by_ms: requests.extend_by_ms[row],
                    }
                };
                splitter.add(&Line {
                    journey_id: journey_ids.row(row),
                    id: ids.row(row),
                    occurred_at: columns.occurred_at[row],
                    kind,
                    state: columns.state[row],
                    cost_micros: columns.cost_micros[row],
                    probability: columns.probability[row],
                    value_micros: columns.value_micros[row],
                    request,
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
        Clock {
            steps: std::mem::take(&mut self.splitter.clock),
        }
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
    columns: Columns,
    names: Option<cluster::Names>,
}

#[pymethods]
impl Journeys {
    /// Journeys of columns of a packed file; a new one begins where `journey_no` changes.
    #[staticmethod]
    #[pyo3(signature = (journey_no, numbers, requests=None))]
    fn of_columns(
        py: Python<'_>,
        journey_no: &Bound<'_, PyAny>,
        numbers: &Bound<'_, PyDict>,
        requests: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let journey_no: Vec<u32> = taken(py, journey_no)?;
        let mut columns = columns_of(py, numbers, requests)?;
        if journey_no.len() != columns.occurred_at.len() {
            return Err(PyValueError::new_err("journey_no: another number of rows"));
        }
        py.detach(|| columns.begin_by(&journey_no));
        Ok(Journeys {
            columns,
            names: None,
        })
    }

    /// Journeys of a bucket, as a splitter has filled it.
    #[staticmethod]
    fn of_bucket(py: Python<'_>, bucket: &[u8]) -> PyResult<Self> {
        match py.detach(|| cluster::cluster(bucket)) {
            Some((columns, names)) => Ok(Journeys {
                columns,
                names: Some(names),
            }),
            None => Err(PyValueError::new_err(
                "bucket: bytes that no splitter has made",
            )),
        }
    }

    /// Number of journeys.
    fn __len__(&self) -> usize {
        self.columns.begins.len() - 1
    }

    /// Columns as bytes: `begins` of each journey and the end, `journey_no` from `first_number` on, the numbers, and
    /// those of requests, empty where there are none.
    fn columns<'py>(&self, py: Python<'py>, first_number: u32) -> PyResult<Bound<'py, PyDict>> {
        let said = PyDict::new(py);
        let columns = &self.columns;
        let requests = &columns.requests;
        said.set_item("begins", bytes_of(py, &columns.begins, u32::to_le_bytes))?;
        let mut numbers = Vec::with_capacity(columns.occurred_at.len());
        for (journey, rows) in columns.begins.windows(2).enumerate() {
            numbers.resize(rows[1] as usize, first_number.wrapping_add(journey as u32));
        }
        said.set_item("journey_no", bytes_of(py, &numbers, u32::to_le_bytes))?;
        said.set_item("repeats", bytes_of(py, &columns.repeats, u32::to_le_bytes))?;
        said.set_item(
            "conversion_probability",
            bytes_of(py, &columns.probability, f64::to_le_bytes),
        )?;
        for (name, column) in [
            ("occurred_at", &columns.occurred_at),
            ("behind_ms", &columns.behind_ms),
            ("cost_micros", &columns.cost_micros),
            ("conversion_value_micros", &columns.value_micros),
            ("timeout_ms", &requests.timeout_ms),
            ("inactivity_ms", &requests.inactivity_ms),
            ("budget_micros", &requests.budget_micros),
            ("extend_by_ms", &requests.extend_by_ms),
        ] {
            said.set_item(name, bytes_of(py, column, i64::to_le_bytes))?;
        }
        for (name, column) in [
            ("clock_moves", &columns.clock_moves),
            ("state", &columns.state),
            ("kind", &requests.kind),
            ("reason", &requests.reason),
        ] {
            said.set_item(name, PyBytes::new(py, column))?;
        }
        Ok(said)
    }

    /// Ids of the journeys, where they were kept: where each begins, and the text end to end.
    fn names<'py>(&self, py: Python<'py>) -> Option<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        let names = self.names.as_ref()?;
        Some((
            bytes_of(py, &names.begins, i64::to_le_bytes),
            PyBytes::new(py, &names.text),
        ))
    }
}

/// Policies at work on one thread's share of the journeys.
#[pyclass(module = "journeys_engine")]
struct Backtest {
    rules: Vec<Rule>,
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
        let end = End {
            last_clock: last_clock.unwrap_or(NO_END),
            behind_all,
        };
        let mut rules = Vec::new();
        for (policy, penalties) in policies {
            let rates = Rates::of(policy.py(), penalties.clone_ref(policy.py()))?;
            let policy = Policy::of(&policy, penalties)?;
            rules.push(Rule::new(policy, rates, end, keeps_abandonments));
        }
        Ok(Backtest {
            rules,
            journey: Journey::new(),
        })
    }

    /// Run all policies over journeys.
    fn run(
        &mut self,
        py: Python<'_>,
        journeys: &Bound<'_, Journeys>,
        clock: &Bound<'_, Clock>,
    ) -> PyResult<()> {
        let (journeys, clock) = (journeys.get(), clock.get());
        let Backtest { rules, journey } = self;
        py.detach(|| {
            for number in 0..journeys.columns.begins.len() - 1 {
                for rule in rules.iter_mut() {
                    rule.run(&journeys.columns, number, &clock.steps, journey)?;
                }
            }
            Ok(())
        })
    }

    /// What each policy has come to so far, by name.
    fn tallies<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        self.rules.iter().map(|rule| rule.tally.said(py)).collect()
    }

    /// Abandonments of each policy since the last call, as columns of bytes; `journey` counts within what was run.
    fn take_abandonments<'py>(&mut self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let mut found = Vec::new();
        for rule in &mut self.rules {
            let kept = rule.abandonments.as_mut().map(std::mem::take);
            found.push(tally::columns(py, &kept.unwrap_or_default())?);
        }
        Ok(found)
    }
}

/// Text by row.
struct TextColumn {
    begins: Vec<i64>,
    text: Vec<u8>,
}

impl TextColumn {
    fn of(py: Python<'_>, column: &Text<'_>) -> PyResult<Self> {
        let begins: Vec<i64> = taken(py, &column.0)?;
        let text: Vec<u8> = taken(py, &column.1)?;
        let last = begins.last().copied().unwrap_or(0);
        let rises = begins.windows(2).all(|pair| pair[0] <= pair[1]);
        if begins.first().is_some_and(|first| *first < 0) || !rises || last > text.len() as i64 {
            return Err(PyValueError::new_err(
                "a column of text whose rows lie outside of it",
            ));
        }
        Ok(TextColumn { begins, text })
    }

    fn len(&self) -> usize {
        self.begins.len().saturating_sub(1)
    }

    #[inline]
    fn row(&self, row: usize) -> &[u8] {
        &self.text[self.begins[row] as usize..self.begins[row + 1] as usize]
    }
}

fn taken<T: Element>(py: Python<'_>, buffer: &Bound<'_, PyAny>) -> PyResult<Vec<T>> {
    PyBuffer::<T>::get(buffer)?.to_vec(py)
}

fn bytes_of<'py, T: Copy, const N: usize>(
    py: Python<'py>,
    column: &[T],
    bytes: impl Fn(T) -> [u8; N],
) -> Bound<'py, PyBytes> {
    let all: Vec<u8> = column.iter().flat_map(|value| bytes(*value)).collect();
    PyBytes::new(py, &all)
}

fn columns_of(
    py: Python<'_>,
    numbers: &Bound<'_, PyDict>,
    requests: Option<&Bound<'_, PyDict>>,
) -> PyResult<Columns> {
    fn column<T: Element>(py: Python<'_>, of: &Bound<'_, PyDict>, name: &str) -> PyResult<Vec<T>> {
        match of.get_item(name)? {
            Some(buffer) => taken(py, &buffer),
            None => Err(PyValueError::new_err(format!("{name}: no such column"))),
        }
    }
    /// A column that is left out says the same in every row.
    fn or_all<T: Element + Copy>(
        py: Python<'_>,
        of: &Bound<'_, PyDict>,
        name: &str,
        all: T,
        rows: usize,
    ) -> PyResult<Vec<T>> {
        match of.get_item(name)? {
            Some(buffer) => taken(py, &buffer),
            None => Ok(vec![all; rows]),
        }
    }
    let occurred_at: Vec<i64> = column(py, numbers, "occurred_at")?;
    let rows = occurred_at.len();
    let columns = Columns {
        begins: vec![0],
        behind_ms: or_all(py, numbers, "behind_ms", 0, rows)?,
        clock_moves: or_all(py, numbers, "clock_moves", 1, rows)?,
        state: column(py, numbers, "state")?,
        cost_micros: column(py, numbers, "cost_micros")?,
        probability: column(py, numbers, "conversion_probability")?,
        value_micros: column(py, numbers, "conversion_value_micros")?,
        repeats: or_all(py, numbers, "repeats", 0, rows)?,
        requests: match requests {
            None => Requests::default(),
            Some(of) => Requests {
                kind: column(py, of, "kind")?,
                reason: column(py, of, "reason")?,
                timeout_ms: column(py, of, "timeout_ms")?,
                inactivity_ms: column(py, of, "inactivity_ms")?,
                budget_micros: column(py, of, "budget_micros")?,
                extend_by_ms: column(py, of, "extend_by_ms")?,
            },
        },
        occurred_at,
    };
    match columns.fault() {
        Some(fault) => Err(PyValueError::new_err(fault)),
        None => Ok(columns),
    }
}

/// Put the classes into the module.
pub fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Clock>()?;
    module.add_class::<HistorySplitter>()?;
    module.add_class::<Journeys>()?;
    module.add_class::<Backtest>()
}
