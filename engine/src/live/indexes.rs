//! Deadlines and cleanups of a partition: one entry a journey, looked at again only when it comes up.
//!
//! A touchpoint moves its journey's deadline later and leaves the entry alone; when that comes up, the real deadline is
//! computed and the entry put back. Only what moves a deadline earlier makes a second one; the old one is then stale.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::BinaryHeap;

use compact_str::CompactString;

use crate::live::partition::Partition;
use crate::live::store::Slot;
use crate::live::turns::Turns;
use crate::rule::OptionalI64;

/// A row that is due: deadline and journey, its place, and whether it was extended and is due again.
pub type Due = Reverse<((i64, CompactString), Slot, bool)>;

impl Partition {
    /// Keep a row's entry in the indexes right.
    pub fn index(&mut self, slot: Slot) {
        let (due_at, cleanup_at) = (self.due_at(slot), self.cleanup_at(slot));
        let row = self.store.row_mut(slot);
        if let Some(due_at) = due_at {
            if row.armed_at.get().is_none_or(|armed_at| due_at < armed_at) {
                row.armed_at = due_at.into();
                self.deadlines.push(Reverse((due_at, slot)));
            }
        } else if let Some(cleanup_at) = cleanup_at {
            self.cleanups.push(Reverse((cleanup_at, slot)));
        }
    }

    /// Clock from which a punctuation fires the deadline of a row's open episode.
    fn due_at(&self, slot: Slot) -> Option<i64> {
        Some(self.store.row(slot).journey.deadline_at()? + self.grace_ms(slot))
    }

    /// Clock from which the row of an ended journey may be deleted.
    pub fn cleanup_at(&self, slot: Slot) -> Option<i64> {
        Some(self.store.row(slot).journey.cleanup_at()? + self.grace_ms(slot))
    }

    /// Grace of the policy under which a row's latest episode began.
    #[inline]
    pub fn grace_ms(&self, slot: Slot) -> i64 {
        self.rules[self.store.row(slot).policy as usize].policy.grace_ms
    }

    /// Take out of the index what the clock fires.
    pub fn take_due(&mut self, clock: i64, turns: &mut Turns<'_>) -> BinaryHeap<Due> {
        let mut due = BinaryHeap::new();
        while let Some((due_at, slot)) = self.next_due(clock, turns) {
            turns.worked(1);
            let deadline_at = due_at - self.grace_ms(slot);
            let row = self.store.row_mut(slot);
            row.armed_at = OptionalI64::NONE;
            due.push(Reverse(((deadline_at, row.labels.journey_id.clone()), slot, false)));
            self.deadlines.pop();
        }
        due
    }

    /// The first row whose deadline and grace are not after the clock, with the clock from which that is so; its entry
    /// is left at the top of the index.
    ///
    /// Entries that say too early an instant are put right on the way.
    fn next_due(&mut self, clock: i64, turns: &mut Turns<'_>) -> Option<(i64, Slot)> {
        while let Some(mut top) = self.deadlines.peek_mut() {
            let Reverse((at, slot)) = *top;
            if at > clock {
                return None;
            }
            turns.worked(1);
            let row = self.store.row_mut(slot);
            let is_its_own = row.armed_at.get() == Some(at);
            let Some(deadline_at) = row.journey.deadline_at().filter(|_| is_its_own) else {
                if is_its_own {
                    row.armed_at = OptionalI64::NONE;
                }
                PeekMut::pop(top);
                continue;
            };
            let due_at = deadline_at + self.rules[row.policy as usize].policy.grace_ms;
            if due_at <= clock {
                return Some((due_at, slot));
            }
            row.armed_at = due_at.into();
            *top = Reverse((due_at, slot));
        }
        None
    }

    /// Clock at which the next deadline fires.
    pub fn next_due_at(&mut self, turns: &mut Turns<'_>) -> Option<i64> {
        loop {
            let Reverse((first, _)) = *self.deadlines.peek()?;
            if let Some((due_at, _)) = self.next_due(first, turns) {
                return Some(due_at);
            }
        }
    }

    /// Delete rows that count as absent at the clock, at most `most`, because of the punctuation at `offset`.
    pub fn clean_up(&mut self, clock: i64, offset: i64, most: usize, turns: &mut Turns<'_>) {
        let mut gone = 0;
        let mut ahead = Vec::new();
        while gone < most {
            let Some(&Reverse((at, _))) = self.cleanups.peek() else {
                break;
            };
            if at > clock {
                break;
            }
            let mut alike = BinaryHeap::new();
            while let Some(&Reverse((next, slot))) = self.cleanups.peek() {
                if next != at {
                    break;
                }
                self.cleanups.pop();
                alike.push(Reverse((self.store.row(slot).labels.journey_id.clone(), slot)));
                turns.worked(1);
            }
            while let Some(Reverse((journey_id, slot))) = alike.pop() {
                turns.worked(1);
                if self.cleanup_at(slot) != Some(at) {
                    continue;
                }
                if gone == most {
                    ahead.push((at, slot));
                } else if self.store.row(slot).offset >= offset {
                    ahead.push((at, slot)); // a row that a crash left ahead of this punctuation
                } else {
                    self.store.delete(&journey_id, offset);
                    gone += 1;
                }
            }
        }
        self.cleanups.extend(ahead.into_iter().map(Reverse));
    }
}
