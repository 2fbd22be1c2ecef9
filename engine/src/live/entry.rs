//! Records of the log that are the engine's: what is decoded of each.

use std::ops::Range;

use pyo3::prelude::*;

use crate::wire::punctuation::{self, Punctuation};
use crate::wire::records::Records;
use crate::wire::touchpoint::{self, Touchpoint};

/// Records that are decoded and looked up together: few enough that their rows stay in the processor's cache.
const AT_ONCE: usize = 128;

/// First bytes of the values that may be the engine's.
#[derive(Default)]
pub struct Prefixes {
    pub touchpoints: Vec<Vec<u8>>,
    pub punctuations: Vec<Vec<u8>>,
}

/// What a record says.
pub enum Content<'a> {
    Touchpoint(Touchpoint<'a>),
    Punctuation(Punctuation),
}

/// A valid record.
pub struct Entry<'a> {
    pub offset: i64,
    /// When the broker appended it, where it says so.
    pub append_time: Option<i64>,
    pub content: Content<'a>,
}

impl<'a> Entry<'a> {
    /// A record that is valid and under its own key; None where the reference has to look at it.
    fn of(py: Python<'a>, records: &'a Records, index: usize, prefixes: &Prefixes) -> Option<Self> {
        let value = records.value(py, index)?;
        let has = |prefixes: &[Vec<u8>]| prefixes.iter().any(|prefix| value.starts_with(prefix));
        let content = if has(&prefixes.touchpoints) {
            let touchpoint = touchpoint::read(value)?;
            if records.key(py, index)? != touchpoint.journey_id.as_bytes() {
                return None;
            }
            Content::Touchpoint(touchpoint)
        } else if has(&prefixes.punctuations) {
            Content::Punctuation(punctuation::read(value)?) // under whatever key
        } else {
            return None;
        };
        Some(Entry { offset: records.offset(index), append_time: records.append_time(index), content })
    }

    /// Whose it is; None for a punctuation.
    pub fn journey_id(&self) -> Option<&'a str> {
        match &self.content {
            Content::Touchpoint(touchpoint) => Some(touchpoint.journey_id),
            Content::Punctuation(_) => None,
        }
    }
}

/// Entries of the records at these indexes; and whether what comes behind them is the reference's, or nothing.
///
/// They end in front of a record whose offset is not above that of the one before; of the first, `applied_offset`.
pub fn next_entries<'a>(
    py: Python<'a>,
    records: &'a Records,
    prefixes: &Prefixes,
    indexes: Range<usize>,
    applied_offset: i64,
) -> (Vec<Entry<'a>>, bool) {
    let mut entries = Vec::with_capacity(AT_ONCE.min(indexes.len()));
    let mut last_offset = applied_offset;
    for index in indexes {
        if records.offset(index) <= last_offset {
            return (entries, false);
        }
        let Some(entry) = Entry::of(py, records, index, prefixes) else {
            return (entries, true);
        };
        last_offset = entry.offset;
        entries.push(entry);
        if entries.len() == AT_ONCE {
            return (entries, false);
        }
    }
    (entries, true)
}
