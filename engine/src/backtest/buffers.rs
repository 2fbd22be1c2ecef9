//! Columns that Python passes in as buffers, and those that it gets back as bytes.

use pyo3::buffer::{Element, PyBuffer};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::backtest::history::{given, state_of, History, Kind, Record, Request};
use crate::rule::{OptionalI64, Outcome, State};

/// Rows that are filled at once, column by column: so many stay in the processor's cache.
const BLOCK: usize = 256;

/// Column of text: where each begins, and one more; all text end to end.
pub type Text<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>);

/// Text by row.
pub struct TextColumn {
    begins: Vec<i64>,
    text: Vec<u8>,
}

impl TextColumn {
    /// The column of its buffers.
    pub fn of(py: Python<'_>, column: &Text<'_>) -> PyResult<Self> {
        let begins: Vec<i64> = taken(py, &column.0)?;
        let text: Vec<u8> = taken(py, &column.1)?;
        let last = begins.last().copied().unwrap_or(0);
        let rises = begins.windows(2).all(|pair| pair[0] <= pair[1]);
        if begins.first().is_some_and(|first| *first < 0) || !rises || last > text.len() as i64 {
            return Err(PyValueError::new_err("a column of text whose rows lie outside of it"));
        }
        Ok(TextColumn { begins, text })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.begins.len().saturating_sub(1)
    }

    /// Text of a row.
    #[inline]
    pub fn row(&self, row: usize) -> &[u8] {
        &self.text[self.begins[row] as usize..self.begins[row + 1] as usize]
    }
}

/// A copy of a buffer of numbers.
pub fn taken<T: Element>(py: Python<'_>, buffer: &Bound<'_, PyAny>) -> PyResult<Vec<T>> {
    PyBuffer::<T>::get(buffer)?.to_vec(py)
}

/// Values of many things, as little-endian bytes.
pub fn bytes_of<'py, T, const N: usize>(
    py: Python<'py>,
    column: &[T],
    bytes: impl Fn(&T) -> [u8; N],
) -> Bound<'py, PyBytes> {
    let mut all = Vec::with_capacity(column.len() * N);
    for value in column {
        all.extend_from_slice(&bytes(value));
    }
    PyBytes::new(py, &all)
}

/// A column of numbers, read where it lies; without one, every row says the same.
enum Column<T: Element> {
    Given(PyBuffer<T>),
    All(T),
}

impl<T: Element + Copy> Column<T> {
    /// The column of a name; `missing` is what it means that there is none, where that is allowed.
    fn of(of: &Bound<'_, PyDict>, name: &str, missing: Option<T>) -> PyResult<Self> {
        match (of.get_item(name)?, missing) {
            (Some(buffer), _) => Ok(Column::Given(PyBuffer::get(&buffer)?)),
            (None, Some(all)) => Ok(Column::All(all)),
            (None, None) => Err(PyValueError::new_err(format!("{name}: no such column"))),
        }
    }

    /// Refuse a column of codes with one above the greatest.
    fn up_to(self, py: Python<'_>, name: &str, greatest: T) -> PyResult<Self>
    where
        T: PartialOrd + std::fmt::Display,
    {
        if let Column::Given(buffer) = &self {
            if buffer.as_slice(py).unwrap_or_default().iter().any(|code| code.get() > greatest) {
                return Err(PyValueError::new_err(format!("{name}: a number above {greatest}")));
            }
        }
        Ok(self)
    }

    /// Give values from the row `first` on to rows.
    fn put<R>(&self, py: Python<'_>, first: usize, rows: &mut [R], put: impl Fn(&mut R, T)) -> PyResult<()> {
        match self {
            Column::All(all) => rows.iter_mut().for_each(|row| put(row, *all)),
            Column::Given(buffer) => {
                let values = buffer.as_slice(py).unwrap_or_default();
                let Some(values) = values.get(first..first + rows.len()) else {
                    return Err(PyValueError::new_err("columns of different lengths"));
                };
                for (row, value) in rows.iter_mut().zip(values) {
                    put(row, value.get());
                }
            }
        }
        Ok(())
    }
}

/// Records of columns of numbers, by name.
pub fn history_of(
    py: Python<'_>,
    numbers: &Bound<'_, PyDict>,
    requests: Option<&Bound<'_, PyDict>>,
) -> PyResult<History> {
    let Column::Given(instants) = Column::<i64>::of(numbers, "occurred_at", None)? else {
        return Err(PyValueError::new_err("occurred_at: no such column"));
    };
    let mut history = History { records: vec![Record::default(); instants.item_count()], ..History::default() };
    let instants = Column::Given(instants);
    let behind = Column::<i64>::of(numbers, "behind_ms", Some(0))?;
    let moves = Column::<u8>::of(numbers, "clock_moves", Some(1))?;
    let repeats = Column::<u32>::of(numbers, "repeats", Some(0))?;
    let states = Column::of(numbers, "state", None)?.up_to(py, "state", State::ALL.len() as u8)?;
    let costs = Column::<i64>::of(numbers, "cost_micros", None)?;
    let probabilities = Column::<f64>::of(numbers, "conversion_probability", None)?;
    let values = Column::<i64>::of(numbers, "conversion_value_micros", None)?;
    let kinds = match requests {
        Some(requests) => Column::of(requests, "kind", None)?.up_to(py, "kind", Kind::Extend as u8)?,
        None => Column::All(0),
    };
    for (number, rows) in history.records.chunks_mut(BLOCK).enumerate() {
        let first = number * BLOCK;
        instants.put(py, first, rows, |row, at| row.occurred_at = at)?;
        behind.put(py, first, rows, |row, by| {
            row.clock = row.occurred_at.saturating_add(by);
        })?;
        moves.put(py, first, rows, |row, moves| row.clock_moves = moves != 0)?;
        repeats.put(py, first, rows, Record::set_repeats)?;
        states.put(py, first, rows, |row, code| row.state = state_of(code))?;
        costs.put(py, first, rows, |row, micros| row.cost_micros = micros)?;
        probabilities.put(py, first, rows, |row, value: f64| row.probability = value.into())?;
        values.put(py, first, rows, |row, micros| row.value_micros = given(micros))?;
        kinds.put(py, first, rows, |row, kind| row.kind = Kind::of(kind).unwrap_or_default())?;
    }
    if let Some(requests) = requests {
        history.requests = vec![Request::default(); history.records.len()];
        let rows = &mut history.requests[..];
        let reasons = Column::of(requests, "reason", None)?.up_to(py, "reason", Outcome::ManualTermination as u8)?;
        reasons.put(py, 0, rows, |row, code: u8| row.reason = Outcome::ALL[usize::from(code)])?;
        for (name, place) in [
            ("timeout_ms", (|row| &mut row.overrides.timeout_ms) as fn(&mut Request) -> &mut OptionalI64),
            ("inactivity_ms", |row| &mut row.overrides.inactivity_ms),
            ("budget_micros", |row| &mut row.overrides.budget_micros),
        ] {
            Column::of(requests, name, Some(-1))?.put(py, 0, rows, |row, value| *place(row) = given(value))?;
        }
        Column::of(requests, "extend_by_ms", Some(0))?.put(py, 0, rows, |row, by| row.extend_by_ms = by)?;
    }
    match history.fault() {
        Some(fault) => Err(PyValueError::new_err(fault)),
        None => Ok(history),
    }
}
