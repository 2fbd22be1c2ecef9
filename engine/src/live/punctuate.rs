//! What a punctuation does to a partition: deadlines fire, and ended journeys are cleaned up.

use std::cmp::Reverse;

use pyo3::prelude::*;

use crate::live::outputs::Finding;
use crate::live::partition::Partition;
use crate::live::turns::Turns;

/// Units of work that a journey is: a penalty is computed exactly, and an abandonment written.
const FIRED: u32 = 8;

impl Partition {
    /// Fire what is due at the clock, because of the punctuation at `offset`, and clean up as a policy says.
    pub fn punctuate(&mut self, clock: i64, offset: i64, policy: u32, turns: &mut Turns<'_>) -> PyResult<()> {
        self.fire(clock, offset, turns)?;
        let most = self.rules[policy as usize].policy.cleanup_batch_size;
        self.clean_up(clock, offset, most, turns);
        Ok(())
    }

    /// Fire what is due at the clock, in order of deadline and journey, because of the punctuation at `offset`.
    fn fire(&mut self, clock: i64, offset: i64, turns: &mut Turns<'_>) -> PyResult<()> {
        let at = Finding { occurred_at: clock, detected_at: clock, offset };
        let mut due = self.take_due(clock, turns);
        let mut touched = Vec::new();
        while let Some(Reverse(((_, journey_id), slot, is_back))) = due.pop() {
            turns.worked(FIRED);
            // A row that a crash left ahead of this punctuation is none of its business.
            if self.store.row(slot).offset >= offset {
                self.index(slot);
                continue;
            }
            let due_until = clock - self.grace_ms(slot);
            let is_extended = self.extend(slot, due_until, at);
            if !is_back {
                touched.push(slot);
            }
            let Some(deadline_at) = self.store.row(slot).journey.deadline_at().filter(|at| *at <= due_until) else {
                continue;
            };
            if is_extended {
                // Still due, at a later deadline: it takes its place among the others.
                due.push(Reverse(((deadline_at, journey_id), slot, true)));
            } else {
                self.abandon_at_deadline(slot, clock)?;
            }
        }
        for slot in touched {
            turns.worked(1);
            self.changed(slot, offset);
        }
        Ok(())
    }
}
