//! From a log in the order of its lines to buckets: all records of a journey come into the same one.
//!
//! A log may be larger than memory; one bucket of it is not. A journey is known by 128 bits of a hash: that two of a
//! billion journeys share them has a probability of 10^-21.

use xxhash_rust::xxh3::{xxh3_128, xxh3_64_with_seed};

use crate::backtest::clock::Steps;
use crate::backtest::history::{code_of, number_of, Kind, Record, Request};
use crate::rule::Overrides;

/// One line of a log. What its record says of clock and repeats is found here.
#[derive(Clone, Copy, Default)]
pub struct Line<'a> {
    pub journey_id: &'a [u8],
    /// Of the touchpoint or command; empty where it has none.
    pub id: &'a [u8],
    pub record: Record,
    pub request: Request,
    /// The producer's label, in UTF-8; empty where the record has none.
    pub segment: &'a [u8],
}

/// Sorts lines into buckets.
pub struct Splitter {
    pub clock: Steps,
    pub buckets: Vec<Vec<u8>>,
    with_names: bool,
    /// The last line, which does not know yet whether the next one moves the clock, and its bucket.
    held: Vec<u8>,
    held_for: usize,
}

/// Where a record in a bucket says whether the next line of the log moved the clock.
pub const MOVES_AT: usize = 67;
/// Bytes of a record in a bucket, without its journey's name, its segment and what only requests have.
pub const FIXED: usize = 72;
/// Bytes that a request has behind them.
pub const OF_REQUEST: usize = 33;

impl Splitter {
    /// A splitter into a number of buckets, with the names of journeys or without.
    pub fn new(buckets: usize, with_names: bool) -> Self {
        Splitter {
            clock: Steps::default(),
            buckets: (0..buckets.max(1)).map(|_| Vec::new()).collect(),
            with_names,
            held: Vec::new(),
            held_for: 0,
        }
    }

    /// Take the next line.
    #[inline]
    pub fn add(&mut self, line: &Line<'_>) {
        let record = &line.record;
        let moves = self.clock.advance(record.occurred_at);
        self.release(moves);
        let behind_ms = self.clock.greatest().unwrap_or(0) - record.occurred_at;
        let journey = xxh3_128(line.journey_id);
        // A command never equals a touchpoint of the same text.
        let id = xxh3_64_with_seed(line.id, u64::from(record.kind != Kind::Touchpoint));
        self.held_for = ((journey >> 96) as usize * self.buckets.len()) >> 32;
        let mut fixed = [0; FIXED];
        fixed[..16].copy_from_slice(&journey.to_le_bytes());
        fixed[16..24].copy_from_slice(&id.to_le_bytes());
        fixed[24..32].copy_from_slice(&record.occurred_at.to_le_bytes());
        fixed[32..40].copy_from_slice(&behind_ms.to_le_bytes());
        fixed[40..48].copy_from_slice(&record.cost_micros.to_le_bytes());
        fixed[48..56].copy_from_slice(&number_of(record.value_micros).to_le_bytes());
        fixed[56..64].copy_from_slice(&record.probability.get().unwrap_or(f64::NAN).to_le_bytes());
        fixed[64..67].copy_from_slice(&[code_of(record.state), record.kind as u8, u8::from(line.id.is_empty())]);
        let name = if self.with_names { line.journey_id } else { &[] };
        fixed[68..70].copy_from_slice(&(name.len() as u16).to_le_bytes());
        fixed[70..].copy_from_slice(&(line.segment.len() as u16).to_le_bytes());
        self.held.extend_from_slice(&fixed);
        self.held.extend_from_slice(name);
        self.held.extend_from_slice(line.segment);
        if record.kind != Kind::Touchpoint {
            let request = &line.request;
            let Overrides { timeout_ms, inactivity_ms, budget_micros } = request.overrides;
            self.held.push(request.reason as u8);
            for number in [timeout_ms, inactivity_ms, budget_micros] {
                self.held.extend_from_slice(&number_of(number).to_le_bytes());
            }
            self.held.extend_from_slice(&request.extend_by_ms.to_le_bytes());
        }
    }

    /// The log is at its end.
    pub fn finish(&mut self) {
        self.release(true);
    }

    #[inline]
    fn release(&mut self, moves: bool) {
        if let Some(flag) = self.held.get_mut(MOVES_AT) {
            *flag = u8::from(moves);
            self.buckets[self.held_for].extend_from_slice(&self.held);
            self.held.clear();
        }
    }
}
