//! One partition: touchpoints are applied to the rows of their journeys.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use pyo3::prelude::*;

use crate::live::outputs::{Finding, Outbox, Witness};
use crate::live::row::Row;
use crate::live::situation::{Fate, Situation};
use crate::live::store::{Slot, Store};
use crate::rule::{Rule, UNKNOWN};
use crate::wire::identity::{partition_of, touchpoint_hash};
use crate::wire::touchpoint::Touchpoint;

/// The state of one partition: its rows, policies and deadlines, and what is to go out.
pub struct Partition {
    pub number: u32,
    pub count: u32,
    pub store: Store,
    /// Policies with their penalties, by number.
    pub rules: Vec<Rule>,
    pub outbox: Outbox,
    pub deadlines: BinaryHeap<Reverse<(i64, Slot)>>,
    pub cleanups: BinaryHeap<Reverse<(i64, Slot)>>,
    /// Rows with an open episode.
    pub open_count: usize,
    /// Of the records that are looked up together, hashes of their journeys, and places of their rows.
    pub hashes: Vec<u64>,
    pub reached: Vec<Slot>,
    scratch: Vec<u8>,
}

impl Partition {
    /// A partition without rows.
    pub fn new(number: u32, count: u32, outbox: Outbox) -> Self {
        Partition {
            number,
            count,
            store: Store::default(),
            rules: Vec::new(),
            outbox,
            deadlines: BinaryHeap::new(),
            cleanups: BinaryHeap::new(),
            open_count: 0,
            hashes: Vec::new(),
            reached: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Apply one touchpoint; `hash` is the store's of its journey.
    pub fn touch(
        &mut self,
        touchpoint: &Touchpoint<'_>,
        hash: u64,
        offset: i64,
        now: &Situation<'_>,
    ) -> PyResult<Fate> {
        let occurred_at = touchpoint.counted.occurred_at;
        let id = touchpoint_hash(touchpoint.touchpoint_id, &mut self.scratch);
        let known = self.store.find_hashed(hash, touchpoint.journey_id);
        match known {
            Some(slot) if offset <= self.store.row(slot).offset => return Ok(Fate::Skipped),
            None if partition_of(touchpoint.journey_id.as_bytes(), self.count) != self.number => {
                return Ok(Fate::NotHere);
            }
            _ => {}
        }
        let at = Finding { occurred_at, detected_at: now.detected_at(occurred_at), offset };
        let mut found = known.filter(|slot| !self.is_forgotten(*slot, occurred_at, now));
        if let Some(slot) = found {
            if self.store.row(slot).journey.is_due(occurred_at) && self.close_overdue(slot, id, at)? {
                self.changed(slot, offset);
                found = found.filter(|slot| !self.is_forgotten(*slot, occurred_at, now));
            }
        }
        let journey = found.map_or(&UNKNOWN, |slot| &self.store.row(slot).journey);
        if journey.remembers(id) {
            return Ok(Fate::Duplicate);
        }
        if journey.is_late(occurred_at, || now.forgotten_until(offset)) {
            self.outbox.late(journey, touchpoint, at);
            return Ok(Fate::Late);
        }
        let was_open = journey.is_open();
        let slot = match found {
            Some(slot) if was_open => slot,
            _ => self.row_to_begin(found, known, touchpoint, now.policy),
        };
        self.apply(slot, was_open, touchpoint, id, at)?;
        Ok(Fate::Applied)
    }

    /// Whether a record of an instant finds the journey as if it had never been seen: its row may be there still.
    fn is_forgotten(&self, slot: Slot, at: i64, now: &Situation<'_>) -> bool {
        let Some(cleanup_at) = self.store.row(slot).journey.cleanup_at() else {
            return false;
        };
        at >= cleanup_at || now.clock.is_some_and(|clock| clock >= cleanup_at + self.grace_ms(slot))
    }

    /// The row in which an episode begins: the journey's own, made if there is none, emptied if that is forgotten.
    fn row_to_begin(
        &mut self,
        found: Option<Slot>,
        known: Option<Slot>,
        touchpoint: &Touchpoint<'_>,
        policy: u32,
    ) -> Slot {
        let slot = known.unwrap_or_else(|| self.store.add(Row::new(touchpoint.journey_id, policy)));
        let row = self.store.row_mut(slot);
        if found.is_none() && known.is_some() {
            row.clear();
        }
        row.policy = policy;
        row.labels.user_id = touchpoint.user_id.map(Into::into);
        slot
    }

    /// Count a touchpoint in the row's episode, which may begin and end with it.
    fn apply(&mut self, slot: Slot, was_open: bool, touchpoint: &Touchpoint<'_>, id: i64, at: Finding) -> PyResult<()> {
        let row = self.store.row_mut(slot);
        if row.journey.is_latest(at.occurred_at) {
            row.labels.take_action(touchpoint);
        }
        row.record_offset = at.offset;
        let rule = &mut self.rules[row.policy as usize];
        let mut witness = Witness { outbox: &mut self.outbox, labels: &row.labels, touchpoint: Some(touchpoint), at };
        row.journey.touch(&touchpoint.counted, id, rule, &mut witness)?;
        if was_open && row.journey.is_open() && rule.policy.deadline_rules.is_empty() {
            // Its deadline can only have moved later, so its entry in the index stays as it is.
            row.offset = at.offset;
            self.store.mark(slot);
            return Ok(());
        }
        self.open_count += usize::from(!was_open);
        self.settle(slot);
        self.changed(slot, at.offset);
        Ok(())
    }

    /// Clear a row whose episode has ended.
    fn settle(&mut self, slot: Slot) {
        let row = self.store.row_mut(slot);
        if !row.journey.is_open() {
            row.clear_episode();
            self.open_count -= 1;
        }
    }

    /// Extend or abandon an episode whose deadline is not after a record of its journey; gives whether it changed.
    fn close_overdue(&mut self, slot: Slot, id: i64, at: Finding) -> PyResult<bool> {
        let Row { journey, policy, .. } = self.store.row(slot);
        if journey.is_duplicate_after_deadline(id, at.occurred_at, &self.rules[*policy as usize].policy) {
            return Ok(false);
        }
        let is_extended = self.extend(slot, at.occurred_at, at);
        if !self.store.row(slot).journey.is_due(at.occurred_at) {
            return Ok(is_extended);
        }
        self.abandon_at_deadline(slot, at.detected_at)?;
        Ok(true)
    }

    /// Extend an engaged episode whose timeout is due by `until`, if its policy says so.
    pub fn extend(&mut self, slot: Slot, until: i64, at: Finding) -> bool {
        let row = self.store.row_mut(slot);
        let policy = &self.rules[row.policy as usize].policy;
        let mut witness = Witness { outbox: &mut self.outbox, labels: &row.labels, touchpoint: None, at };
        row.journey.extend_automatically(until, policy, &mut witness)
    }

    /// Abandon an episode at its deadline.
    pub fn abandon_at_deadline(&mut self, slot: Slot, detected_at: i64) -> PyResult<()> {
        let row = self.store.row_mut(slot);
        let rule = &mut self.rules[row.policy as usize];
        let at = Finding { occurred_at: detected_at, detected_at, offset: row.record_offset };
        let mut witness = Witness { outbox: &mut self.outbox, labels: &row.labels, touchpoint: None, at };
        row.journey.end_at_deadline(rule, &mut witness)?;
        self.settle(slot);
        Ok(())
    }

    /// Keep a row that changed at the record of `offset`.
    pub fn changed(&mut self, slot: Slot, offset: i64) {
        self.store.row_mut(slot).offset = offset;
        self.index(slot);
        self.store.mark(slot);
    }

    /// Put a row that the reference has made or changed, in place of the journey's own.
    pub fn put(&mut self, mut row: Row) -> Slot {
        row.journey.derive(&self.rules[row.policy as usize].policy);
        self.open_count += usize::from(row.journey.is_open());
        let slot = match self.store.find(row.journey_id()) {
            Some(slot) => {
                let held = self.store.row_mut(slot);
                self.open_count -= usize::from(held.journey.is_open());
                row.armed_at = held.armed_at;
                row.changed = held.changed;
                *held = row;
                slot
            }
            None => self.store.add(row),
        };
        self.index(slot);
        slot
    }

    /// Take a journey's row out; gives false where it has none.
    pub fn remove(&mut self, journey_id: &str) -> bool {
        let Some(slot) = self.store.find(journey_id) else {
            return false;
        };
        self.open_count -= usize::from(self.store.row(slot).journey.is_open());
        self.store.remove(journey_id)
    }
}
