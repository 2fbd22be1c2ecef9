//! How far `apply` has come through a batch of the log.

use pyo3::prelude::*;

/// Where it stopped, what holds there, and records by what became of them.
#[pyclass(module = "journeys_engine", frozen)]
pub struct Progress {
    /// Index of the record that is the reference's; behind the last one where none is.
    #[pyo3(get)]
    pub index: usize,
    #[pyo3(get)]
    pub applied_offset: i64,
    /// Greatest punctuation read, in ms.
    #[pyo3(get)]
    pub clock: Option<i64>,
    #[pyo3(get)]
    pub time_source: Option<String>,
    #[pyo3(get)]
    pub applied: u64,
    #[pyo3(get)]
    pub duplicate: u64,
    #[pyo3(get)]
    pub late: u64,
    /// Those that were applied before a restart.
    #[pyo3(get)]
    pub skipped: u64,
    #[pyo3(get)]
    pub punctuations: u64,
}

impl Progress {
    /// Nothing yet, in front of the record at `index`.
    pub fn before(index: usize, applied_offset: i64) -> Self {
        Progress {
            index,
            applied_offset,
            clock: None,
            time_source: None,
            applied: 0,
            duplicate: 0,
            late: 0,
            skipped: 0,
            punctuations: 0,
        }
    }
}
