//! What the correction of a wrong clock takes back.

use crate::live::partition::Partition;

impl Partition {
    /// Take back what a wrong `clock` has made of rows, because of the correction to `at` at `offset`.
    pub fn correct_clock(&mut self, at: i64, clock: Option<i64>, offset: i64) {
        let mut changed = Vec::new();
        for slot in self.store.slots() {
            // A row that a crash left ahead of this correction is none of its business.
            if self.store.row(slot).offset >= offset {
                continue;
            }
            let cleanup_at = self.cleanup_at(slot);
            let was_forgotten = cleanup_at.is_some_and(|at| clock.is_some_and(|clock| at <= clock));
            let row = self.store.row_mut(slot);
            if row.journey.correct_clock(at, was_forgotten) {
                changed.push((row.labels.journey_id.clone(), slot));
            }
        }
        changed.sort_unstable();
        for (_, slot) in changed {
            self.changed(slot, offset);
        }
    }

    /// Have ended rows from before `offset` count as absent that an earlier clock had forgotten.
    pub fn forget_before(&mut self, offset: i64, clock: i64) {
        for slot in self.store.slots() {
            if self.store.row(slot).offset < offset && self.cleanup_at(slot).is_some_and(|at| at <= clock) {
                self.store.row_mut(slot).journey.correct_clock(clock, true);
                self.index(slot);
            }
        }
    }
}
