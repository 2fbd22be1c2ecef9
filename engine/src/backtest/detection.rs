//! When the end of an episode is noticed: at the first line behind it whose clock has come so far.

use crate::backtest::clock::Steps;

/// Where the reading ends: the last clock that a line may have, and the clock of the punctuation behind all lines.
#[derive(Clone, Copy)]
pub struct End {
    pub last_clock: i64,
    pub behind_all: i64,
}

impl End {
    /// Clock at which an end was noticed.
    #[inline]
    pub fn detected_at(&self, detection: Detection, clock: &Steps) -> i64 {
        match detection {
            Detection::At(at) => at,
            Detection::From(at) => clock.first_from(at).filter(|at| *at <= self.last_clock).unwrap_or(self.behind_all),
        }
    }
}

/// When an end was noticed.
#[derive(Clone, Copy)]
pub enum Detection {
    /// At this clock.
    At(i64),
    /// As soon as the clock came to this instant.
    From(i64),
}
