//! One partition, as Python has it.

use std::cmp::Reverse;
use std::collections::HashMap;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use crate::live::entry::Prefixes;
use crate::live::outputs::Outbox;
use crate::live::partition::Partition;
use crate::live::progress::Progress;
use crate::live::row::Row;
use crate::live::situation::Situation;
use crate::live::store::Changed;
use crate::live::turns::Turns;
use crate::rule::Rule;
use crate::wire::messages::Messages;
use crate::wire::records::Records;
use crate::wire::HEADER_BYTES;

/// One partition of the journey table, and the rule for what touchpoints and punctuations do to it.
#[pyclass(module = "journeys_engine")]
pub struct Engine {
    partition: Partition,
    prefixes: Prefixes,
    row_head: Vec<u8>,
}

#[pymethods]
impl Engine {
    /// A partition without rows. Prefixes are the first bytes of values of these records.
    #[new]
    fn new(number: u32, count: u32, row_head: Vec<u8>, abandoned_head: Vec<u8>, lifecycle_head: Vec<u8>) -> Self {
        Engine {
            partition: Partition::new(number, count, Outbox::new(number, abandoned_head, lifecycle_head)),
            prefixes: Prefixes::default(),
            row_head,
        }
    }

    /// Take records of a name, touchpoints or punctuations, whose values have this prefix.
    fn take_prefix(&mut self, name: &str, prefix: Vec<u8>) -> PyResult<()> {
        if prefix.len() != HEADER_BYTES {
            return Err(PyValueError::new_err(format!("a prefix has {HEADER_BYTES} bytes, not {}", prefix.len())));
        }
        match name {
            "Touchpoint" => self.prefixes.touchpoints.push(prefix),
            "Punctuation" => self.prefixes.punctuations.push(prefix),
            _ => return Err(PyValueError::new_err(format!("a {name} is not the engine's to read"))),
        }
        Ok(())
    }

    /// Leave records whose values have this prefix to the reference from now on.
    fn drop_prefix(&mut self, prefix: &[u8]) {
        self.prefixes.touchpoints.retain(|known| known != prefix);
        self.prefixes.punctuations.retain(|known| known != prefix);
    }

    /// Know a policy; gives its number. `penalties` is its penalty table.
    fn add_policy(&mut self, policy: &Bound<'_, PyAny>, penalties: Py<PyAny>) -> PyResult<u32> {
        self.partition.rules.push(Rule::of(policy, penalties)?);
        Ok(self.partition.rules.len() as u32 - 1)
    }

    /// Records as the engine reads them: as they are, or made of objects.
    #[staticmethod]
    fn records_of<'py>(records: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Records>> {
        match records.downcast::<Records>() {
            Ok(records) => Ok(records.clone()),
            Err(_) => Bound::new(records.py(), Records::of_objects(records)?),
        }
    }

    /// Apply a batch of the log from an index on, up to the first record that is the reference's, or up to `stop`.
    ///
    /// `time_source`, `clock`, `policy` and `unknown_late_until` are those of the partition.
    #[pyo3(signature = (records, start, stop, applied_offset, time_source, clock, policy, memories, unknown_late_until))]
    #[allow(clippy::too_many_arguments)] // all that holds for the whole partition
    fn apply(
        &mut self,
        py: Python<'_>,
        records: PyRef<'_, Records>,
        start: usize,
        stop: usize,
        applied_offset: i64,
        time_source: Option<&str>,
        clock: Option<i64>,
        policy: u32,
        memories: Vec<(i64, i64)>,
        unknown_late_until: Option<i64>,
    ) -> PyResult<Progress> {
        let mut now = Situation { clock, time_source, policy, memories, unknown_late_until };
        let mut progress = Progress::before(start, applied_offset);
        let (stop, mut turns) = (stop.min(records.len()), Turns::of(py));
        while self.partition.apply_some(&records, stop, &self.prefixes, &mut progress, &mut now, &mut turns)? {}
        progress.clock = now.clock;
        progress.time_source = now.time_source.map(Into::into);
        Ok(progress)
    }

    /// Fire what is due at the clock, because of the punctuation at `offset`, and delete rows that count as absent then,
    /// at most as many as the policy says.
    fn punctuate(&mut self, py: Python<'_>, clock: i64, offset: i64, policy: u32) -> PyResult<()> {
        self.partition.punctuate(clock, offset, policy, &mut Turns::of(py))
    }

    /// Take back what a wrong clock has made of rows, because of the correction to `at` at `offset`.
    #[pyo3(signature = (at, clock, offset))]
    fn correct_clock(&mut self, at: i64, clock: Option<i64>, offset: i64) {
        self.partition.correct_clock(at, clock, offset);
    }

    /// Have ended rows from before `offset` count as absent that an earlier clock had forgotten.
    fn forget_before(&mut self, offset: i64, clock: i64) {
        self.partition.forget_before(offset, clock);
    }

    /// Clock at which the next deadline fires; None when nothing is open.
    fn next_due_at(&mut self, py: Python<'_>) -> Option<i64> {
        self.partition.next_due_at(&mut Turns::of(py))
    }

    /// Take abandonments of the reference among the engine's own: (key, value), in firing order.
    fn add_abandonments(&mut self, outputs: Vec<(Bound<'_, PyBytes>, Bound<'_, PyBytes>)>) {
        add(&mut self.partition.outbox.abandonments, &outputs);
    }

    /// Take lifecycle records of the reference among the engine's own: (key, value).
    fn add_lifecycle(&mut self, outputs: Vec<(Bound<'_, PyBytes>, Bound<'_, PyBytes>)>) {
        add(&mut self.partition.outbox.lifecycle, &outputs);
    }

    /// Abandonments since the last call, in firing order: (key, value).
    fn take_abandonments(&mut self) -> Messages {
        std::mem::take(&mut self.partition.outbox.abandonments)
    }

    /// Lifecycle records since the last call: (key, value).
    fn take_lifecycle(&mut self) -> Messages {
        std::mem::take(&mut self.partition.outbox.lifecycle)
    }

    /// Abandonments counted since the last call: abandonments by reason, the sum of their penalties in micros, how many were
    /// detected within each of `bounds` (ascending, ms after their end) and not within the one before, with those
    /// beyond all of them at the end, and the sum of these delays.
    fn take_tally(&mut self, bounds: Vec<i64>) -> (HashMap<&'static str, u64>, i64, Vec<u64>, i64) {
        let mut found = (HashMap::new(), 0, vec![0; bounds.len() + 1], 0);
        for counted in self.partition.outbox.counted.drain(..) {
            *found.0.entry(counted.reason.name()).or_insert(0) += 1;
            found.1 += counted.total_penalty_micros;
            found.2[bounds.partition_point(|bound| *bound < counted.delay_ms)] += 1;
            found.3 += counted.delay_ms;
        }
        found
    }

    /// Changelog records of the rows that changed since the last call: (key, value, offset).
    fn take_changed(&mut self, py: Python<'_>) -> Messages {
        let mut turns = Turns::of(py);
        let mut found = Messages::default();
        let (mut key, mut value) = (Vec::new(), Vec::new());
        for changed in self.partition.store.take_changed() {
            turns.worked(1);
            let row = match &changed {
                Changed::Here(slot) => self.partition.store.unmark(*slot),
                Changed::Gone(row) => row,
            };
            key.clear();
            key.push(b'j');
            key.extend_from_slice(row.journey_id().as_bytes());
            value.clear();
            value.extend_from_slice(&self.row_head);
            row.write(&self.partition.rules[row.policy as usize].policy.version, &mut value);
            found.push_row(&key, &value, row.offset);
        }
        found
    }

    /// Journeys whose row was deleted since the last call, with the offset of the punctuation that did it.
    fn take_deleted(&mut self) -> Vec<(String, i64)> {
        let found = self.partition.store.take_deleted();
        found.into_iter().map(|(journey_id, offset)| (journey_id.into(), offset)).collect()
    }

    /// Avro body of a journey's row; None where it has none.
    fn row<'py>(&self, py: Python<'py>, journey_id: &str) -> Option<Bound<'py, PyBytes>> {
        let slot = self.partition.store.find(journey_id)?;
        Some(self.body(py, self.partition.store.row(slot)))
    }

    /// Journeys with the Avro bodies of their rows.
    fn rows<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let found = PyList::empty(py);
        for slot in self.partition.store.slots() {
            let row = self.partition.store.row(slot);
            found.append((row.journey_id(), self.body(py, row)))?;
        }
        Ok(found)
    }

    /// Take a row of the reference, an Avro body, in place of the journey's own; `is_changed` marks it for the changelog.
    fn put(&mut self, journey_id: &str, body: &[u8], is_changed: bool) -> PyResult<()> {
        let Some(row) = self.read(journey_id, body) else {
            return Err(PyValueError::new_err(format!("the row of {journey_id:?} is damaged or of an unknown policy")));
        };
        let slot = self.partition.put(row);
        if is_changed {
            self.partition.store.mark(slot);
        }
        Ok(())
    }

    /// Take rows as they are stored: journeys with wire values. Gives indexes of those that are the reference's to read.
    fn restore(&mut self, rows: &Bound<'_, PyList>) -> PyResult<Vec<usize>> {
        let mut others = Vec::new();
        for (index, entry) in rows.iter().enumerate() {
            let entry = entry.downcast_into::<PyTuple>()?;
            let (journey_id, value) = (entry.get_item(0)?, entry.get_item(1)?);
            let value = value.downcast::<PyBytes>()?.as_bytes();
            let row = match value.strip_prefix(&*self.row_head) {
                Some(body) => self.read(journey_id.extract()?, body),
                None => None,
            };
            match row {
                Some(row) => drop(self.partition.put(row)),
                None => others.push(index),
            }
        }
        Ok(others)
    }

    /// Take a journey's row out; gives whether there was one.
    fn remove(&mut self, journey_id: &str) -> bool {
        self.partition.remove(journey_id)
    }

    /// Rows with an open episode.
    fn open_count(&self) -> usize {
        self.partition.open_count
    }

    /// Clock from which the first row may be deleted; rows that have opened again since may make it too early.
    fn next_cleanup_at(&self) -> Option<i64> {
        self.partition.cleanups.peek().map(|Reverse((at, _))| *at)
    }

    /// Whether a journey has a row.
    fn __contains__(&self, journey_id: &str) -> bool {
        self.partition.store.find(journey_id).is_some()
    }

    /// Rows of the partition.
    fn __len__(&self) -> usize {
        self.partition.store.len()
    }
}

impl Engine {
    fn body<'py>(&self, py: Python<'py>, row: &Row) -> Bound<'py, PyBytes> {
        let mut body = Vec::new();
        row.write(&self.partition.rules[row.policy as usize].policy.version, &mut body);
        PyBytes::new(py, &body)
    }

    fn read(&self, journey_id: &str, body: &[u8]) -> Option<Row> {
        let rules = &self.partition.rules;
        Row::read(body, journey_id, |version| {
            rules.iter().rposition(|rule| &*rule.policy.version == version).map(|number| number as u32)
        })
    }
}

fn add(messages: &mut Messages, outputs: &[(Bound<'_, PyBytes>, Bound<'_, PyBytes>)]) {
    for (key, value) in outputs {
        messages.push(key.as_bytes(), value.as_bytes());
    }
}
