//! Duplicates: a record with an id that is among the last applied ones of its journey is not applied again.

use std::collections::VecDeque;

use crate::rule::limits::REMEMBERED_IDS;
use crate::rule::{Journey, Policy};

/// Ids that have a place in the journey itself: as many as the default policy remembers.
const FEW: usize = REMEMBERED_IDS;
const FULL: u8 = FEW as u8;

/// The last ids applied to a journey; a new one takes the place of the oldest.
#[derive(Clone)]
pub struct RecentIds(Ids);

#[derive(Clone)]
enum Ids {
    /// A ring. `count` are the ids that have come; from `FULL` on, it goes round between that and twice as much.
    Few { ids: [i64; FEW], count: u8 },
    /// Oldest first, where a policy remembers another number.
    Many(Box<VecDeque<i64>>),
}

impl RecentIds {
    /// No ids.
    pub const EMPTY: Self = RecentIds(Ids::Few { ids: [0; FEW], count: 0 });

    /// Remove all of them.
    #[inline]
    pub fn clear(&mut self) {
        match &mut self.0 {
            Ids::Few { count, .. } => *count = 0,
            Ids::Many(ids) => ids.clear(),
        }
    }

    /// Whether an id is among them.
    #[inline]
    pub fn contains(&self, id: i64) -> bool {
        match &self.0 {
            Ids::Few { ids, count } => ids[..usize::from((*count).min(FULL))].contains(&id),
            Ids::Many(ids) => ids.contains(&id),
        }
    }

    /// Add an id; the oldest of more than `most` goes.
    #[inline]
    pub fn add(&mut self, id: i64, most: usize) {
        match &mut self.0 {
            Ids::Few { ids, count } if most == FEW || (most > FEW && *count < FULL) => {
                ids[usize::from(*count % FULL)] = id;
                *count = if *count == 2 * FULL - 1 { FULL } else { *count + 1 };
            }
            Ids::Many(ids) if most > FEW => {
                ids.push_back(id);
                ids.drain(..ids.len().saturating_sub(most));
            }
            _ => {
                let mut ids = self.listed();
                ids.push_back(id);
                self.set(ids, most);
            }
        }
    }

    /// Remove the oldest of more than `most`.
    #[inline]
    pub fn cut(&mut self, most: usize) {
        let is_short = match &self.0 {
            Ids::Few { count, .. } => usize::from(*count) <= most || most >= FEW,
            Ids::Many(ids) => ids.len() <= most,
        };
        if !is_short {
            self.set(self.listed(), most);
        }
    }

    /// The ids, oldest first: those of the first part, then those of the second.
    #[inline]
    pub fn in_order(&self) -> (&[i64], &[i64]) {
        match &self.0 {
            Ids::Few { ids, count } if *count < FULL => (&ids[..usize::from(*count)], &[]),
            Ids::Few { ids, count } => {
                let (newer, older) = ids.split_at(usize::from(*count % FULL));
                (older, newer)
            }
            Ids::Many(ids) => ids.as_slices(),
        }
    }

    /// The first id and the last one, to reach for the memory that holds all of them.
    #[inline]
    pub fn ends(&self) -> i64 {
        match &self.0 {
            Ids::Few { ids, .. } => ids[0] ^ ids[FEW - 1],
            Ids::Many(ids) => ids.front().unwrap_or(&0) ^ ids.back().unwrap_or(&0),
        }
    }

    fn listed(&self) -> VecDeque<i64> {
        let (older, newer) = self.in_order();
        older.iter().chain(newer).copied().collect()
    }

    /// Take the last `most` of the ids.
    fn set(&mut self, mut ids: VecDeque<i64>, most: usize) {
        ids.drain(..ids.len().saturating_sub(most));
        self.0 = if ids.len() > FEW {
            Ids::Many(Box::new(ids))
        } else {
            let mut few = [0; FEW];
            few.iter_mut().zip(&ids).for_each(|(place, id)| *place = *id);
            Ids::Few { ids: few, count: ids.len() as u8 }
        };
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
