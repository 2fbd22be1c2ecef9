//! Duplicates: a record with an id that is among the last applied ones of its journey is not applied again.

use crate::rule::limits::REMEMBERED_IDS;
use crate::rule::{Journey, Policy};

const FULL: u8 = REMEMBERED_IDS as u8;

/// The last ids applied to a journey; a new one takes the place of the oldest.
#[derive(Clone)]
pub struct RecentIds {
    ids: [i64; REMEMBERED_IDS],
    /// Ids that have come; from `FULL` on, it goes round between that and twice as much.
    count: u8,
}

impl RecentIds {
    /// No ids.
    pub const EMPTY: Self = RecentIds { ids: [0; REMEMBERED_IDS], count: 0 };

    /// Forget all of them.
    #[inline]
    pub fn clear(&mut self) {
        self.count = 0;
    }

    /// Whether an id is among them.
    #[inline]
    pub fn contains(&self, id: i64) -> bool {
        self.ids[..usize::from(self.count.min(FULL))].contains(&id)
    }

    /// Add an id; the oldest of more than 8 goes.
    #[inline]
    pub fn add(&mut self, id: i64) {
        self.ids[usize::from(self.count % FULL)] = id;
        self.count = if self.count == 2 * FULL - 1 { FULL } else { self.count + 1 };
    }

    /// The ids, oldest first: those of the first part, then those of the second.
    #[inline]
    pub fn in_order(&self) -> (&[i64], &[i64]) {
        if self.count < FULL {
            return (&self.ids[..usize::from(self.count)], &[]);
        }
        let (newer, older) = self.ids.split_at(usize::from(self.count % FULL));
        (older, newer)
    }

    /// The first id and the last one, to reach for the memory that holds all of them.
    #[inline]
    pub fn ends(&self) -> i64 {
        self.ids[0] ^ self.ids[REMEMBERED_IDS - 1]
    }
}

impl Journey {
    /// Whether a record with this id was among the last applied.
    #[inline]
    pub fn remembers(&self, id: i64) -> bool {
        self.recent_ids.contains(id)
    }

    /// Whether a record at or after the deadline is a duplicate that extends and closes nothing: the next record or
    /// punctuation does. It is none where it lies so far after the deadline that the journey would be forgotten.
    pub fn is_duplicate_after_deadline(&self, id: i64, at: i64, policy: &Policy) -> bool {
        self.remembers(id)
            && self.extended_deadline_at(at, policy).is_some_and(|deadline_at| at < deadline_at + policy.cleanup_ms)
    }
}
