//! A record of the log as Python's consumer has it.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::touchpoint::{read, Touchpoint};

/// Kafka's code for a timestamp that the broker set when it appended the record.
const LOG_APPEND_TIME: i64 = 1;

/// The parts of a record that decide about a touchpoint.
pub struct Value<'py> {
    pub offset: i64,
    key: Bound<'py, PyBytes>,
    value: Bound<'py, PyBytes>,
    /// Latest instant that a touchpoint may have, in ms.
    latest_at: i64,
}

impl<'py> Value<'py> {
    /// Parts of a record; None where it can be no touchpoint.
    pub fn of(record: &Bound<'py, PyAny>, offset: i64, skew_ms: Option<i64>) -> PyResult<Option<Self>> {
        let py = record.py();
        let key = record.getattr(intern!(py, "key"))?.downcast_into::<PyBytes>();
        let value = record.getattr(intern!(py, "value"))?.downcast_into::<PyBytes>();
        let (Ok(key), Ok(value)) = (key, value) else { return Ok(None) };
        let mut latest_at = i64::MAX;
        if let Some(skew_ms) = skew_ms {
            let timestamp_type: Option<i64> = record.getattr(intern!(py, "timestamp_type"))?.extract()?;
            if timestamp_type == Some(LOG_APPEND_TIME) {
                let append_time: i64 = record.getattr(intern!(py, "timestamp"))?.extract()?;
                latest_at = append_time.saturating_add(skew_ms);
            }
        }
        Ok(Some(Value { offset, key, value, latest_at }))
    }

    /// All of its value.
    pub fn bytes(&self) -> &[u8] {
        self.value.as_bytes()
    }

    /// The touchpoint, if it is valid and under its own key; None where the reference has to look at it.
    pub fn touchpoint(&self) -> Option<Touchpoint<'_>> {
        let touchpoint = read(self.bytes())?;
        let is_its_key = self.key.as_bytes() == touchpoint.journey_id.as_bytes();
        (is_its_key && touchpoint.occurred_at <= self.latest_at).then_some(touchpoint)
    }
}
