//! Deadlines and cleanups of a partition: one entry a journey, looked at again only when it comes up.
//!
//! A touchpoint moves its journey's deadline later and leaves the entry alone; when that comes up, the real deadline is
//! computed and the entry put back. Only what moves a deadline earlier makes a second one; the old one is then stale.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::BinaryHeap;

use compact_str::CompactString;

use crate::partition::Partition;
use crate::row::{Row, NONE};
use crate::situation::Situation;
use crate::store::Slot;

/// A row that is due: deadline and journey, its place, and whether it was extended and is due again.
pub type Due = Reverse<((i64, CompactString), Slot, bool)>;

impl Partition {
    /// See to a row's entry in the indexes.
    pub fn keep(&mut self, slot: Slot) {
        let row = self.store.row_mut(slot);
        let grace_ms = self.policies[row.policy as usize].grace_ms;
        if row.open {
            let due_at = row.deadline_at() + grace_ms;
            if row.armed_at == NONE || due_at < row.armed_at {
                row.armed_at = due_at;
                self.deadlines.push(Reverse((due_at, slot)));
            }
        } else if let Some(cleanup_at) = row.cleanup_at() {
            self.cleanups.push(Reverse((cleanup_at + grace_ms, slot)));
        }
    }

    /// Take out of the index what the clock fires.
    pub fn take_due(&mut self, clock: i64) -> BinaryHeap<Due> {
        let mut due = Vec::new();
        while let Some(slot) = self.next_due(clock) {
            let row = self.store.row_mut(slot);
            row.armed_at = NONE;
            due.push(Reverse(((row.deadline_at(), row.journey_id.clone()), slot, false)));
            self.deadlines.pop();
        }
        due.into()
    }

    /// The first row whose deadline and grace are not after the clock; its entry is left at the top of the index.
    ///
    /// Entries that say too early an instant are put right on the way.
    fn next_due(&mut self, clock: i64) -> Option<Slot> {
        while let Some(mut top) = self.deadlines.peek_mut() {
            let Reverse((at, slot)) = *top;
            if at > clock {
                return None;
            }
            let row = self.store.row_mut(slot);
            if row.armed_at != at || !row.open {
                if row.armed_at == at {
                    row.armed_at = NONE;
                }
                PeekMut::pop(top);
                continue;
            }
            let due_at = row.deadline_at() + self.policies[row.policy as usize].grace_ms;
            if due_at <= clock {
                return Some(slot);
            }
            row.armed_at = due_at;
            *top = Reverse((due_at, slot));
        }
        None
    }

    /// Clock at which the next deadline fires.
    pub fn next_due_at(&mut self) -> Option<i64> {
        loop {
            let Reverse((first, _)) = *self.deadlines.peek()?;
            if let Some(slot) = self.next_due(first) {
                let row = self.store.row(slot);
                return Some(row.deadline_at() + self.policies[row.policy as usize].grace_ms);
            }
        }
    }

    /// Delete rows that count as absent at the clock, at most `most`, because of the punctuation at `offset`.
    pub fn forget(&mut self, clock: i64, offset: i64, most: usize) {
        let mut gone = 0;
        let mut ahead = Vec::new();
        while gone < most {
            let Some(&Reverse((at, _))) = self.cleanups.peek() else {
                break;
            };
            if at > clock {
                break;
            }
            let mut alike = Vec::new();
            while let Some(&Reverse((next, slot))) = self.cleanups.peek() {
                if next != at {
                    break;
                }
                self.cleanups.pop();
                alike.push((self.store.row(slot).journey_id.clone(), slot));
            }
            alike.sort_unstable();
            for (journey_id, slot) in alike {
                let row = self.store.row(slot);
                if self.forgotten_at(row) != Some(at) {
                    continue;
                }
                if gone == most {
                    ahead.push((at, slot));
                } else if row.offset >= offset {
                    ahead.push((at, slot)); // a row that a crash left ahead of this punctuation
                } else {
                    self.store.forget(&journey_id, offset);
                    gone += 1;
                }
            }
        }
        self.cleanups.extend(ahead.into_iter().map(Reverse));
    }

    /// Whether a touchpoint of an instant finds the journey as if it had never been seen.
    pub fn counts_as_absent(&self, row: &Row, at: i64, now: &Situation<'_>) -> bool {
        if row.open {
            return false;
        }
        let Some(cleanup_at) = row.cleanup_at() else {
            return false;
        };
        at >= cleanup_at || now.clock.is_some_and(|clock| self.forgotten_at(row).is_some_and(|at| at <= clock))
    }

    /// Clock at which the row of an ended journey may be deleted.
    pub fn forgotten_at(&self, row: &Row) -> Option<i64> {
        if row.open {
            return None;
        }
        Some(row.cleanup_at()? + self.policies[row.policy as usize].grace_ms)
    }
}
