//! A record of the log, as far as it may be a touchpoint.

use pyo3::prelude::*;

use crate::records::Records;
use crate::touchpoint::{read, Touchpoint};

/// Records that are decoded and looked up together: few enough that their rows stay in the processor's cache.
const AT_ONCE: usize = 128;

/// How far `apply` came, and records by what became of them: next index, applied offset, applied, duplicate, late,
/// skipped.
pub type Progress = (usize, i64, u64, u64, u64, u64);

/// The parts of a record that decide about a touchpoint.
pub struct Value<'a> {
    pub offset: i64,
    key: &'a [u8],
    value: &'a [u8],
    /// Latest instant that a touchpoint may have, in ms.
    latest_at: i64,
}

impl<'a> Value<'a> {
    /// Parts of a record; None where it can be no touchpoint.
    #[inline]
    pub fn of(py: Python<'a>, records: &'a Records, index: usize, skew_ms: Option<i64>) -> Option<Self> {
        let (key, value) = (records.key(py, index)?, records.value(py, index)?);
        let latest_at = match (skew_ms, records.append_time(index)) {
            (Some(skew_ms), Some(append_time)) => append_time.saturating_add(skew_ms),
            _ => i64::MAX,
        };
        Some(Value { offset: records.offset(index), key, value, latest_at })
    }

    /// All of its value.
    pub fn bytes(&self) -> &[u8] {
        self.value
    }

    /// The touchpoint, if it is valid and under its own key; None where the reference has to look at it.
    pub fn touchpoint(&self) -> Option<Touchpoint<'a>> {
        let touchpoint = read(self.value)?;
        let is_its_key = self.key == touchpoint.journey_id.as_bytes();
        (is_its_key && touchpoint.occurred_at <= self.latest_at).then_some(touchpoint)
    }
}

/// Parts of the next records that may be touchpoints, by their heads; and whether what comes then is none, or nothing.
pub fn next_values<'a>(
    py: Python<'a>,
    records: &'a Records,
    heads: &[Vec<u8>],
    progress: &mut Progress,
    skew_ms: Option<i64>,
) -> (Vec<Value<'a>>, bool) {
    let mut values: Vec<Value<'a>> = Vec::with_capacity(AT_ONCE);
    let mut last_offset = progress.1;
    for index in progress.0..records.len() {
        let offset = records.offset(index);
        if offset <= last_offset {
            if !values.is_empty() {
                return (values, false);
            }
            progress.5 += 1;
            progress.0 += 1;
            continue;
        }
        match Value::of(py, records, index, skew_ms) {
            Some(value) if heads.iter().any(|head| value.bytes().starts_with(head)) => values.push(value),
            _ => return (values, true),
        }
        last_offset = offset;
        if values.len() == AT_ONCE {
            return (values, false);
        }
    }
    (values, true)
}
