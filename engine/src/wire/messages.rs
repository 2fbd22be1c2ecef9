//! Messages for Kafka: their bytes one behind the other, until they leave as finished record batches.

use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyTuple};

use crate::wire::record_batch::BatchWriter;

/// Where a message ends: its key, and its value behind that.
struct Ends {
    key: usize,
    value: usize,
}

/// Messages in order; a tuple is made only of one that somebody asks for.
#[pyclass(module = "journeys_engine", sequence)]
#[derive(Default)]
pub struct Messages {
    bytes: Vec<u8>,
    ends: Vec<Ends>,
    /// Input offset that each stands for, of rows; without any for outputs.
    offsets: Vec<i64>,
}

impl Messages {
    /// Add an output; `key` and `value` are behind one another.
    pub fn push(&mut self, key: &[u8], value: &[u8]) {
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
        self.ends.push(Ends { key: self.bytes.len() - value.len(), value: self.bytes.len() });
    }

    /// Add a row that stands for an input offset.
    pub fn push_row(&mut self, key: &[u8], value: &[u8], offset: i64) {
        self.push(key, value);
        self.offsets.push(offset);
    }

    fn parts(&self, index: usize) -> Option<(&[u8], &[u8])> {
        let Ends { key, value } = self.ends.get(index)?;
        let begin = if index == 0 { 0 } else { self.ends[index - 1].value };
        Some((&self.bytes[begin..*key], &self.bytes[*key..*value]))
    }
}

#[pymethods]
impl Messages {
    /// A finished record batch, but for producer and checksum, of as many messages from `begin` on as fit into
    /// `most_bytes`, at least one; and the index behind the last of them.
    fn record_batch<'py>(
        &self,
        py: Python<'py>,
        begin: usize,
        most_bytes: usize,
        timestamp: i64,
    ) -> PyResult<(Bound<'py, PyByteArray>, usize)> {
        let mut batch = BatchWriter::new(timestamp);
        let mut end = begin;
        while let Some((key, value)) = self.parts(end) {
            if !batch.add(key, value, most_bytes) {
                break;
            }
            end += 1;
        }
        if end == begin {
            return Err(PyValueError::new_err(format!("there is no message {begin}")));
        }
        Ok((PyByteArray::new(py, &batch.finish()), end))
    }

    fn __len__(&self) -> usize {
        self.ends.len()
    }

    /// Key and value; of a row its offset, too.
    fn __getitem__<'py>(&self, py: Python<'py>, index: isize) -> PyResult<Bound<'py, PyTuple>> {
        let index = if index < 0 { index.wrapping_add_unsigned(self.ends.len()) } else { index };
        let found = usize::try_from(index).ok().and_then(|index| Some((index, self.parts(index)?)));
        let Some((index, (key, value))) = found else {
            return Err(PyIndexError::new_err("there are not so many messages"));
        };
        let (key, value) = (PyBytes::new(py, key), PyBytes::new(py, value));
        match self.offsets.get(index) {
            Some(offset) => (key, value, offset).into_pyobject(py),
            None => (key, value).into_pyobject(py),
        }
    }
}
