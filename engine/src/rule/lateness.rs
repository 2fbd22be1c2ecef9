//! Lateness: records that belong to an episode that has ended, and journeys that have been forgotten.

use crate::rule::Journey;

impl Journey {
    /// Whether a record that opens or continues an episode comes too late: it lies within an ended episode, or it is
    /// the first of an unknown journey and older than what any journey is remembered for (`forgotten_until`).
    #[inline]
    pub fn is_late(&self, at: i64, forgotten_until: impl FnOnce() -> Option<i64>) -> bool {
        match self.previous() {
            Some(previous) => at <= previous.late_until,
            None => !self.is_open() && forgotten_until().is_some_and(|until| at <= until),
        }
    }

    /// Whether a signal or a command is refused: no episode is open, or it lies within an ended one.
    #[inline]
    pub fn refuses(&self, at: i64) -> bool {
        !self.is_open() || self.previous().is_some_and(|previous| at <= previous.late_until)
    }

    /// From when on an ended journey counts as if no record had ever come.
    #[inline]
    pub fn cleanup_at(&self) -> Option<i64> {
        if self.is_open() {
            return None;
        }
        self.rare.as_deref()?.cleanup_at.get()
    }

    /// Whether the journey is forgotten at an instant.
    #[inline]
    pub fn is_forgotten(&self, at: i64) -> bool {
        self.cleanup_at().is_some_and(|cleanup_at| at >= cleanup_at)
    }
}
