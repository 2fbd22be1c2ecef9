//! The clock of a partition: what may move it, and what a correction takes back.

use crate::rule::limits::EARLIEST;
use crate::rule::Journey;

/// How far a live punctuation may lie ahead of its append time, in ms.
const CLOCK_GUARD_MS: i64 = 60_000;
/// The version of the rule that the engine follows.
pub const RULE_VERSION: i64 = 1;

/// Whether an instant may become a live clock: it does not lie ahead of its append time, which must be known.
pub fn is_near_append_time(at: i64, append_time: Option<i64>) -> bool {
    append_time.is_some_and(|appended| at <= appended.saturating_add(CLOCK_GUARD_MS))
}

impl Journey {
    /// Take back what a wrong clock has made of the journey, now that the clock is `at`; gives whether it changed.
    ///
    /// An end by deadline makes records late only up to `at`. What the old clock had forgotten stays forgotten.
    pub fn correct_clock(&mut self, at: i64, was_forgotten: bool) -> bool {
        let Some(rare) = self.rare.as_deref_mut() else {
            return false;
        };
        if was_forgotten {
            let is_new = rare.cleanup_at.get() != Some(EARLIEST);
            rare.cleanup_at = EARLIEST.into();
            return is_new;
        }
        let Some(previous) = rare.previous.as_mut() else {
            return false;
        };
        // Episodes of a journey begin one after the other: their ids are made of that.
        let until = at.max(previous.started_at);
        // Exclusive is only an end by deadline.
        if previous.late_until >= previous.ended_at || previous.late_until <= until {
            return false;
        }
        previous.late_until = until;
        true
    }
}
