//! The rows of a partition, found by journey, and which of them a batch has changed or deleted.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use compact_str::CompactString;
use hashbrown::HashTable;

use crate::live::row::Row;

/// A row's place in the store; it stays while the row is there.
pub type Slot = u32;

/// One row that has to go to the changelog.
pub enum Changed {
    /// It is in the store.
    Here(Slot),
    /// It was deleted since: what it was then.
    Gone(Box<Row>),
}

const CHUNK: usize = 4_096;
/// Parts of the table of journeys. A table that grows looks at all rows in it, in one go: of a part they are few.
const PARTS: usize = 1_024;
/// Bits of a hash that name the part: neither the highest nor the lowest, which the table itself goes by.
const PART_AT: u32 = 40;

/// Rows in chunks that never move: a list that doubles would hold all of them twice while it grows.
pub struct Store {
    chunks: Vec<Vec<Row>>,
    count: usize,
    free: Vec<Slot>,
    by_id: Vec<HashTable<Slot>>,
    len: usize,
    hasher: RandomState,
    changed: Vec<Changed>,
    /// Deleted rows among the changed ones.
    gone: HashMap<CompactString, usize>,
    /// Journeys that a batch deleted, with the offset that did it, in order; `None` where they came again.
    deleted: Vec<Option<(CompactString, i64)>>,
    deleted_at: HashMap<CompactString, usize>,
}

impl Default for Store {
    fn default() -> Self {
        Store {
            chunks: Vec::new(),
            count: 0,
            free: Vec::new(),
            by_id: (0..PARTS).map(|_| HashTable::new()).collect(),
            len: 0,
            hasher: RandomState::default(),
            changed: Vec::new(),
            gone: HashMap::new(),
            deleted: Vec::new(),
            deleted_at: HashMap::new(),
        }
    }
}

/// Number of the part of the table that has the journey of a hash.
#[inline]
fn part_of(hash: u64) -> usize {
    (hash >> PART_AT) as usize % PARTS
}

impl Store {
    /// Rows in the store.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The row at a place.
    #[inline]
    pub fn row(&self, slot: Slot) -> &Row {
        &self.chunks[slot as usize / CHUNK][slot as usize % CHUNK]
    }

    /// The row at a place, to be changed.
    #[inline]
    pub fn row_mut(&mut self, slot: Slot) -> &mut Row {
        &mut self.chunks[slot as usize / CHUNK][slot as usize % CHUNK]
    }

    /// Where a journey's row is.
    #[inline]
    pub fn find(&self, journey_id: &str) -> Option<Slot> {
        self.find_hashed(self.hash(journey_id), journey_id)
    }

    /// Hash of a journey in this store.
    #[inline]
    pub fn hash(&self, journey_id: &str) -> u64 {
        self.hasher.hash_one(journey_id)
    }

    /// Reach for the rows of journeys that are going to be asked for: the waits for memory overlap then.
    pub fn reach(&self, hashes: &[u64], found: &mut Vec<Slot>) {
        found.clear();
        found.extend(hashes.iter().filter_map(|hash| self.by_id[part_of(*hash)].find(*hash, |_| true)));
        let reached = found.iter().fold(0, |sum, slot| sum ^ self.row(*slot).reach());
        std::hint::black_box(reached);
    }

    /// Where a journey's row is, by its hash.
    #[inline]
    pub fn find_hashed(&self, hash: u64, journey_id: &str) -> Option<Slot> {
        self.by_id[part_of(hash)].find(hash, |slot| self.row(*slot).journey_id() == journey_id).copied()
    }

    /// Put a row of a journey that has none.
    pub fn add(&mut self, row: Row) -> Slot {
        let hash = self.hasher.hash_one(row.journey_id());
        if !self.deleted_at.is_empty() {
            if let Some(place) = self.deleted_at.remove(row.journey_id()) {
                self.deleted[place] = None;
            }
        }
        let was = if self.gone.is_empty() { None } else { self.gone.remove(row.journey_id()) };
        let slot = match self.free.pop() {
            Some(slot) => {
                *self.row_mut(slot) = row;
                slot
            }
            None => {
                if self.count % CHUNK == 0 {
                    self.chunks.push(Vec::with_capacity(CHUNK));
                }
                self.chunks[self.count / CHUNK].push(row);
                self.count += 1;
                (self.count - 1) as Slot
            }
        };
        if let Some(place) = was {
            self.changed[place] = Changed::Here(slot);
            self.row_mut(slot).changed = place as u32 + 1;
        }
        self.len += 1;
        let Store { by_id, chunks, hasher, .. } = self;
        let id_of = |slot: &Slot| chunks[*slot as usize / CHUNK][*slot as usize % CHUNK].journey_id();
        by_id[part_of(hash)].insert_unique(hash, slot, |slot| hasher.hash_one(id_of(slot)));
        slot
    }

    /// Take a row out; gives false where the journey has none.
    pub fn remove(&mut self, journey_id: &str) -> bool {
        let Some(slot) = self.find(journey_id) else {
            return false;
        };
        let hash = self.hasher.hash_one(journey_id);
        if let Ok(entry) = self.by_id[part_of(hash)].find_entry(hash, |found| *found == slot) {
            entry.remove();
            self.len -= 1;
        }
        let row = std::mem::replace(self.row_mut(slot), Row::new("", 0));
        self.free.push(slot);
        if row.changed != 0 {
            let place = row.changed as usize - 1;
            self.gone.insert(row.labels.journey_id.clone(), place);
            self.changed[place] = Changed::Gone(Box::new(row));
        }
        true
    }

    /// Take a row out for good, at the record of `offset`.
    pub fn delete(&mut self, journey_id: &str, offset: i64) {
        self.remove(journey_id);
        self.deleted_at.insert(journey_id.into(), self.deleted.len());
        self.deleted.push(Some((journey_id.into(), offset)));
    }

    /// Note that a row has to go to the changelog.
    #[inline]
    pub fn mark(&mut self, slot: Slot) {
        let next = self.changed.len() as u32 + 1;
        let row = self.row_mut(slot);
        if row.changed == 0 {
            row.changed = next;
            self.changed.push(Changed::Here(slot));
        }
    }

    /// What has to go to the changelog, in the order in which it first changed; each row that is here is to be unmarked.
    pub fn take_changed(&mut self) -> Vec<Changed> {
        self.gone.clear();
        std::mem::take(&mut self.changed)
    }

    /// Note that a row has gone to the changelog; gives it.
    pub fn unmark(&mut self, slot: Slot) -> &Row {
        let row = self.row_mut(slot);
        row.changed = 0;
        row
    }

    /// Journeys that were deleted, each with the offset that did it.
    pub fn take_deleted(&mut self) -> Vec<(CompactString, i64)> {
        self.deleted_at.clear();
        std::mem::take(&mut self.deleted).into_iter().flatten().collect()
    }

    /// Places of all rows.
    pub fn slots(&self) -> Vec<Slot> {
        let mut slots: Vec<Slot> = self.by_id.iter().flatten().copied().collect();
        slots.sort_unstable();
        slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, offset: i64) -> Row {
        let mut row = Row::new(id, 0);
        row.offset = offset;
        row
    }

    fn offsets(store: &mut Store) -> Vec<i64> {
        let changed = store.take_changed();
        let offset_of = |entry: &Changed| match entry {
            Changed::Here(slot) => store.row(*slot).offset,
            Changed::Gone(row) => row.offset,
        };
        changed.iter().map(offset_of).collect()
    }

    #[test]
    fn a_row_that_goes_and_comes_again_keeps_its_place_among_the_changed() {
        let mut store = Store::default();
        for (id, offset) in [("a", 1), ("b", 2)] {
            let slot = store.add(row(id, offset));
            store.mark(slot);
        }
        store.delete("a", 7);
        let slot = store.add(row("a", 8));
        store.mark(slot);
        assert_eq!(offsets(&mut store), [8, 2]);
        assert!(store.take_deleted().is_empty());
    }

    #[test]
    fn a_row_that_is_gone_is_stored_as_it_was() {
        let mut store = Store::default();
        let slot = store.add(row("a", 1));
        store.mark(slot);
        store.delete("a", 7);
        let other = store.add(row("b", 9));
        assert_eq!(other, slot);
        assert_eq!(offsets(&mut store), [1]);
        assert_eq!(store.take_deleted(), [("a".into(), 7)]);
        assert_eq!(store.len(), 1);
    }

    #[test]
    fn rows_stay_where_they_are() {
        let mut store = Store::default();
        for number in 0..10_000 {
            store.add(row(&format!("journey-{number}"), number));
        }
        assert!((0..10_000).all(|number| {
            let found = store.find(&format!("journey-{number}"));
            found.is_some_and(|slot| store.row(slot).offset == number)
        }));
        assert_eq!(store.find("another"), None);
    }
}
