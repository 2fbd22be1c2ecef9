//! What holds for a partition while a batch is applied, and what becomes of each touchpoint.

/// What became of a touchpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Applied,
    Duplicate,
    Late,
    /// It was applied before a restart.
    Skipped,
    /// It does not belong into this partition: the reference says what is wrong.
    NotHere,
}

/// What holds for the whole partition while a batch is applied.
pub struct Situation<'a> {
    /// Greatest punctuation read, in ms.
    pub clock: Option<i64>,
    /// Whose time it is, as the first punctuation said: any text, of which the engine knows two.
    pub time_source: Option<&'a str>,
    /// Policy in force, which an episode that begins now keeps.
    pub policy: u32,
    /// By policy, the offset of the record that brought it, and how long it remembers, in ms.
    pub memories: Vec<(i64, i64)>,
    /// Latest instant that a record of an unknown journey is too late for, whatever the clock says.
    pub unknown_late_until: Option<i64>,
}

impl Situation<'_> {
    /// Latest instant that a record at `offset` of an unknown journey is too late for.
    pub fn forgotten_until(&self, offset: i64) -> Option<i64> {
        let shortest = self.memories.iter().filter(|(brought, _)| *brought < offset).map(|(_, memory)| memory).min()?;
        let until = self.clock? - shortest;
        Some(self.unknown_late_until.map_or(until, |floor| floor.max(until)))
    }

    /// When a record of an instant is detected.
    pub fn detected_at(&self, at: i64) -> i64 {
        self.clock.map_or(at, |clock| clock.max(at))
    }
}
