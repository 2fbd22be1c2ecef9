//! The clock of a log, as Python has it.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyIterator};

use crate::backtest::buffers::{bytes_of, taken};
use crate::backtest::clock::Steps;

/// The clock of a log, by line.
#[pyclass(frozen, module = "journeys_engine")]
pub struct Clock {
    pub steps: Steps,
}

#[pymethods]
impl Clock {
    /// A clock of its instants at the lines, one buffer of int64 (ms) after the other.
    #[new]
    fn new(py: Python<'_>, instants: &Bound<'_, PyIterator>) -> PyResult<Self> {
        let mut steps = Steps::default();
        for part in instants {
            let part: Vec<i64> = taken(py, &part?)?;
            py.detach(|| {
                for at in part {
                    steps.advance(at);
                }
            });
        }
        steps.close();
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
        bytes_of(py, &values, |at| at.to_le_bytes())
    }

    /// The first value of the clock that is not before an instant; None where it never came so far.
    fn first_from(&self, at: i64) -> Option<i64> {
        self.steps.first_from(at)
    }
}
