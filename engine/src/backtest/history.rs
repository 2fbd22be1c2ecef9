//! History by journey: the records of each journey together, in the order of the log.

use crate::rule::limits::{EARLIEST, LATEST};
use crate::rule::{OptionalF64, OptionalI64, Outcome, Overrides, State, Touchpoint};

/// Kinds of records, by their numbers in columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    #[default]
    Touchpoint,
    Registration,
    Signal,
    Abandon,
    Extend,
}

impl Kind {
    /// The kind of a number.
    pub fn of(number: u8) -> Option<Self> {
        use Kind::{Abandon, Extend, Registration, Signal, Touchpoint};
        [Touchpoint, Registration, Signal, Abandon, Extend].get(usize::from(number)).copied()
    }
}

/// What decides of a record; in one place, as each policy reads all of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Record {
    pub occurred_at: i64,
    /// The clock at its line.
    pub clock: i64,
    pub cost_micros: i64,
    pub value_micros: OptionalI64,
    pub probability: OptionalF64,
    /// How many records above lies the journey's first one with the same id; 0 where this is the first.
    pub repeats: u32,
    pub state: Option<State>,
    pub kind: Kind,
    /// Whether it has an id: a request without one is remembered nowhere.
    pub has_id: bool,
    /// Whether the next line of the log moves the clock, or there is none.
    pub clock_moves: bool,
}

/// Stands for an absent amount or duration in columns and buckets; an absent probability is NaN there.
const ABSENT: i64 = -1;
/// Stands in the column `repeats` for a request without an id.
const NO_ID: u32 = u32::MAX;

/// An amount or a duration as columns and buckets have it.
pub fn number_of(value: OptionalI64) -> i64 {
    value.get().unwrap_or(ABSENT)
}

/// The amount or the duration of a number; `None` where it says none.
#[inline]
pub fn given(number: i64) -> OptionalI64 {
    if number < 0 {
        OptionalI64::NONE
    } else {
        number.into()
    }
}

/// A state as columns and buckets have it: 0 for none.
pub fn code_of(state: Option<State>) -> u8 {
    state.map_or(0, |state| state as u8 + 1)
}

/// The state of a code; `None` for 0, and for a code that names none.
#[inline]
pub fn state_of(code: u8) -> Option<State> {
    State::ALL.get(usize::from(code).wrapping_sub(1)).copied()
}

impl Record {
    /// Take what the column `repeats` says.
    #[inline]
    pub fn set_repeats(&mut self, repeats: u32) {
        self.has_id = repeats != NO_ID;
        self.repeats = if self.has_id { repeats } else { 0 };
    }

    /// What the column `repeats` says.
    pub fn repeats_or_no_id(&self) -> u32 {
        if self.has_id {
            self.repeats
        } else {
            NO_ID
        }
    }

    /// What the rule asks of a touchpoint.
    #[inline]
    pub fn touchpoint<'a>(&self, segment: Option<&'a str>) -> Touchpoint<'a> {
        Touchpoint {
            occurred_at: self.occurred_at,
            cost_micros: self.cost_micros,
            state: self.state,
            conversion_probability: self.probability,
            conversion_value_micros: self.value_micros,
            segment,
        }
    }
}

/// What only records have that are no touchpoints.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Of a signal or a command.
    pub reason: Outcome,
    /// Of a registration.
    pub overrides: Overrides,
    /// Of a command to extend.
    pub extend_by_ms: i64,
}

impl Default for Request {
    fn default() -> Self {
        Request { reason: Outcome::Timeout, overrides: Overrides::NONE, extend_by_ms: 0 }
    }
}

/// Records of some journeys.
#[derive(Debug, Default)]
pub struct History {
    /// First record of each journey, and the number of records.
    pub begins: Vec<u32>,
    pub records: Vec<Record>,
    /// As long as the records, or empty where all of them are touchpoints.
    pub requests: Vec<Request>,
    /// Labels that producers gave.
    pub segments: Vec<Box<str>>,
    /// Of each record the place of its label plus one, or 0; empty where no record has any.
    pub segment_of: Vec<u32>,
}

impl History {
    /// Number of journeys.
    pub fn journeys(&self) -> usize {
        self.begins.len().saturating_sub(1)
    }

    /// The producer's label of a record.
    #[inline]
    pub fn segment(&self, row: usize) -> Option<&str> {
        let number = *self.segment_of.get(row)?;
        self.segments.get((number as usize).wrapping_sub(1)).map(|name| &**name)
    }

    /// What is wrong with records that came from outside; `None` where they can be run.
    pub fn fault(&self) -> Option<&'static str> {
        // Within these, no sum of instants and durations leaves 64 bits.
        let instants = EARLIEST..LATEST;
        let are_instants = |record: &Record| {
            instants.contains(&record.occurred_at) && (record.occurred_at..LATEST).contains(&record.clock)
        };
        if !self.records.iter().all(are_instants) {
            return Some("occurred_at, behind_ms: not between 1990 and the year 8999");
        }
        None
    }

    /// Begin a journey wherever the number changes.
    pub fn begin_by(&mut self, numbers: &[u32]) {
        self.begins.clear();
        if let Some(first) = numbers.first() {
            self.begins.push(0);
            let mut last = first;
            for (row, number) in numbers.iter().enumerate() {
                if number != last {
                    self.begins.push(row as u32);
                    last = number;
                }
            }
        }
        self.begins.push(numbers.len() as u32);
    }
}
