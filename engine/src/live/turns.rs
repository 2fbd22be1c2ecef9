//! Turns of the interpreter: a long call lets Python's other threads run now and then.
//!
//! Heartbeats and the guard against freezes are such threads. A punctuation after an outage may end a million journeys.

use pyo3::prelude::*;

/// Units of work between two turns: a millisecond or two.
const BETWEEN: u32 = 1_024;

/// Counts the work of a call.
pub struct Turns<'py> {
    py: Python<'py>,
    left: u32,
}

impl<'py> Turns<'py> {
    /// Of a call that begins.
    pub fn of(py: Python<'py>) -> Self {
        Turns { py, left: BETWEEN }
    }

    /// Note so many units of work, each about a microsecond; lets other threads run when it is time.
    #[inline]
    pub fn worked(&mut self, units: u32) {
        match self.left.checked_sub(units) {
            Some(left) => self.left = left,
            None => {
                self.left = BETWEEN;
                self.py.detach(|| ());
            }
        }
    }
}
