//! The rule for touchpoints and deadlines, as `journeys.streams.rule.decide`, `journeys.streams.rule.evolve` and `journeys.streams.partition.processor` have it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use pyo3::prelude::*;

use crate::identity::{partition_of, touchpoint_hash};
use crate::names::{Outcome, State};
use crate::outputs::{Finding, Outbox};
use crate::penalty::penalty_of;
use crate::policy::Policy;
use crate::row::Row;
use crate::situation::{Fate, Situation};
use crate::store::{Slot, Store};
use crate::touchpoint::Touchpoint;

/// The state of one partition: its rows, policies and deadlines, and what is to go out.
pub struct Partition {
    pub number: u32,
    pub count: u32,
    pub store: Store,
    pub policies: Vec<Policy>,
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
            policies: Vec::new(),
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
        py: Python<'_>,
        touchpoint: &Touchpoint<'_>,
        hash: u64,
        offset: i64,
        now: &Situation<'_>,
    ) -> PyResult<Fate> {
        let at = touchpoint.occurred_at;
        let id = touchpoint_hash(touchpoint.touchpoint_id, &mut self.scratch);
        let known = self.store.find_hashed(hash, touchpoint.journey_id);
        // A row that is not known, or counts as absent, is made only when an episode begins.
        let mut row = None;
        if let Some(slot) = known {
            let found = self.store.row(slot);
            if offset <= found.offset {
                return Ok(Fate::Skipped);
            }
            if !self.counts_as_absent(found, at, now) {
                row = Some(slot);
            }
        } else if partition_of(touchpoint.journey_id.as_bytes(), self.count) != self.number {
            return Ok(Fate::NotHere);
        }
        let detected_at = now.clock.map_or(at, |clock| clock.max(at));
        if let Some(slot) = row {
            let found = self.store.row(slot);
            if found.open && at >= found.deadline_at() && self.overdue(py, slot, id, at, detected_at, offset)? {
                self.changed(slot, offset);
                if self.counts_as_absent(self.store.row(slot), at, now) {
                    row = None;
                }
            }
        }
        let held = row.map(|slot| self.store.row(slot));
        if held.is_some_and(|row| row.remembers(id)) {
            return Ok(Fate::Duplicate);
        }
        let is_open = held.is_some_and(|row| row.open);
        let is_late = match held.and_then(Row::late_until) {
            Some(late_until) => at <= late_until,
            None => !is_open && now.forgotten_until(offset).is_some_and(|forgotten_until| at <= forgotten_until),
        };
        let finding = Finding { occurred_at: at, detected_at, offset };
        if is_late {
            self.outbox.late(held, touchpoint, finding);
            return Ok(Fate::Late);
        }
        let slot = match row {
            Some(slot) if is_open => slot,
            _ => self.begin(row, known, touchpoint, finding, now.policy),
        };
        self.apply(py, slot, touchpoint, id, finding)?;
        Ok(Fate::Applied)
    }

    /// Open an episode in the row of a slot, or in a new one, in place of one that counts as absent.
    fn begin(
        &mut self,
        row: Option<Slot>,
        known: Option<Slot>,
        touchpoint: &Touchpoint<'_>,
        at: Finding,
        number: u32,
    ) -> Slot {
        let slot = match (row, known) {
            (Some(slot), _) => slot,
            (None, Some(slot)) => {
                self.store.row_mut(slot).reset(number);
                slot
            }
            (None, None) => self.store.add(Row::new(touchpoint.journey_id, number)),
        };
        let row = self.store.row_mut(slot);
        let policy = &self.policies[number as usize];
        let is_return = row.previous_was_abandoned();
        row.begin(touchpoint, number, policy, is_return);
        self.open_count += 1;
        if is_return {
            self.outbox.returned(row, policy, touchpoint, at);
        } else {
            self.outbox.started(row, policy, at);
        }
        self.keep(slot);
        slot
    }

    /// Count a touchpoint in the open episode, and end it where that does.
    fn apply(&mut self, py: Python<'_>, slot: Slot, touchpoint: &Touchpoint<'_>, id: i64, at: Finding) -> PyResult<()> {
        let row = self.store.row_mut(slot);
        let policy = &self.policies[row.policy as usize];
        let deadline_at = row.deadline_at();
        row.apply(touchpoint, id, policy);
        row.record_offset = at.offset;
        let ended_at = at.occurred_at.max(row.last_activity_at);
        let at = Finding { occurred_at: ended_at, ..at };
        if touchpoint.state == Some(State::Converted) {
            self.outbox.converted(row, policy, touchpoint, at);
            row.end(ended_at, ended_at + policy.quiet_period_ms, Outcome::Converted, None, policy);
            self.open_count -= 1;
        } else if row.budget_micros(policy).is_some_and(|budget| row.total_cost_micros >= budget) {
            self.abandon(py, slot, Outcome::BudgetExhausted, ended_at, at)?;
        } else if row.is_tired(policy) {
            self.abandon(py, slot, Outcome::UserFatigue, ended_at, at)?;
        } else if row.deadline_at() >= deadline_at {
            // Its deadline can only have moved later, so its entry in the index stays as it is.
            row.offset = at.offset;
            self.store.mark(slot);
            return Ok(());
        }
        self.changed(slot, at.offset);
        Ok(())
    }

    /// What an open episode comes to whose deadline is not after `at`; gives whether anything has changed.
    fn overdue(
        &mut self,
        py: Python<'_>,
        slot: Slot,
        id: i64,
        at: i64,
        detected_at: i64,
        offset: i64,
    ) -> PyResult<bool> {
        let row = self.store.row(slot);
        let policy = &self.policies[row.policy as usize];
        // A duplicate moves nothing, unless it lies so far after the deadline that the journey would be forgotten.
        if row.remembers(id) && at < row.extended_deadline_at(at, policy) + policy.cleanup_ms {
            return Ok(false);
        }
        let is_extended = self.extend(slot, at, detected_at, offset);
        if self.store.row(slot).deadline_at() > at {
            return Ok(is_extended);
        }
        self.abandon_due(py, slot, detected_at)?;
        Ok(true)
    }

    /// Extend an engaged episode whose timeout is due at `at`, if its policy says so.
    fn extend(&mut self, slot: Slot, at: i64, detected_at: i64, offset: i64) -> bool {
        let row = self.store.row_mut(slot);
        let policy = &self.policies[row.policy as usize];
        let due_at = row.timeout_deadline_at;
        let extended_by_ms = row.automatic_extension_ms(at, policy);
        if extended_by_ms == 0 {
            return false;
        }
        row.extend(extended_by_ms, policy);
        self.outbox.extended(row, policy, extended_by_ms, Finding { occurred_at: due_at, detected_at, offset });
        true
    }

    /// Abandon an episode at its deadline.
    fn abandon_due(&mut self, py: Python<'_>, slot: Slot, detected_at: i64) -> PyResult<()> {
        let row = self.store.row(slot);
        let ended_at = row.deadline_at();
        let reason = if ended_at == row.timeout_deadline_at { Outcome::Timeout } else { Outcome::Inactivity };
        let at = Finding { occurred_at: ended_at, detected_at, offset: row.record_offset };
        // Exclusive: a record at exactly the deadline is behind the end.
        self.abandon(py, slot, reason, ended_at - 1, at)
    }

    fn abandon(&mut self, py: Python<'_>, slot: Slot, reason: Outcome, late_until: i64, at: Finding) -> PyResult<()> {
        let row = self.store.row_mut(slot);
        let policy = &mut self.policies[row.policy as usize];
        let penalty = penalty_of(py, row, policy, reason, at.occurred_at)?;
        self.outbox.abandoned(row, policy, reason, &penalty, at);
        row.end(at.occurred_at, late_until, reason, Some(penalty.total_micros()), policy);
        self.open_count -= 1;
        Ok(())
    }

    /// Fire what is due at the clock, in order of deadline and journey, because of the punctuation at `offset`.
    pub fn fire(&mut self, py: Python<'_>, clock: i64, offset: i64) -> PyResult<()> {
        let mut due = self.take_due(clock);
        let mut touched = Vec::new();
        while let Some(Reverse((_, slot, is_back))) = due.pop() {
            let row = self.store.row(slot);
            // A row that a crash left ahead of this punctuation is none of its business.
            if row.offset >= offset {
                self.keep(slot);
                continue;
            }
            let due_until = clock - self.policies[row.policy as usize].grace_ms;
            let is_extended = self.extend(slot, due_until, clock, offset);
            if !is_back {
                touched.push(slot);
            }
            let row = self.store.row(slot);
            let deadline_at = row.deadline_at();
            if deadline_at > due_until {
                continue;
            }
            if is_extended {
                // Still due, at a later deadline: it takes its place among the others.
                due.push(Reverse(((deadline_at, row.journey_id.clone()), slot, true)));
            } else {
                self.abandon_due(py, slot, clock)?;
            }
        }
        for slot in touched {
            self.changed(slot, offset);
        }
        Ok(())
    }

    /// Keep a row that changed at the record of `offset`.
    fn changed(&mut self, slot: Slot, offset: i64) {
        self.store.row_mut(slot).offset = offset;
        self.keep(slot);
        self.store.mark(slot);
    }

    /// Put a row that the reference has made or changed, in place of the journey's own.
    pub fn put(&mut self, mut row: Row) -> Slot {
        if row.open {
            row.derive(&self.policies[row.policy as usize]);
        }
        self.open_count += usize::from(row.open);
        let slot = match self.store.find(&row.journey_id) {
            Some(slot) => {
                let held = self.store.row_mut(slot);
                self.open_count -= usize::from(held.open);
                row.armed_at = held.armed_at;
                row.changed = held.changed;
                *held = row;
                slot
            }
            None => self.store.add(row),
        };
        self.keep(slot);
        slot
    }

    /// Take a journey's row out; gives false where it has none.
    pub fn remove(&mut self, journey_id: &str) -> bool {
        let Some(slot) = self.store.find(journey_id) else {
            return false;
        };
        self.open_count -= usize::from(self.store.row(slot).open);
        self.store.remove(journey_id)
    }
}
