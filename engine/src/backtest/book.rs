//! What a backtest writes down of what the rule finds.

use crate::backtest::clock::Steps;
use crate::backtest::detection::{Detection, End};
use crate::backtest::tally::{Abandonment, Tally};
use crate::rule::{Ending, Episode, Journey, Observer, Penalty, Policy, Touchpoint};

/// Ends that are looked up at once.
const UNNOTICED: usize = 256;

/// Counts, sums and abandonments of one policy.
pub struct Book {
    pub tally: Tally,
    /// Each abandonment, where they are wanted.
    pub abandonments: Option<Vec<Abandonment>>,
    pub end: End,
    /// Ends of which it is not known yet when they were noticed.
    unnoticed: Vec<(i64, Detection)>,
}

impl Book {
    /// A book without entries.
    pub fn new(end: End, keeps_abandonments: bool) -> Self {
        Book {
            tally: Tally::default(),
            abandonments: keeps_abandonments.then(Vec::new),
            end,
            unnoticed: Vec::with_capacity(UNNOTICED),
        }
    }

    /// Look up when ends were noticed: many at once, so that one look into memory need not wait for the other.
    pub fn notice(&mut self, clock: &Steps) {
        let tally = &mut self.tally;
        let fetched = self.unnoticed.iter().map(|(ended_at, _)| clock.fetch(*ended_at));
        std::hint::black_box(fetched.fold(0, u16::wrapping_add));
        for (ended_at, detection) in self.unnoticed.drain(..) {
            let detected_at = self.end.detected_at(detection, clock);
            let detection_ms = detected_at - ended_at;
            tally.detection_ms += i128::from(detection_ms);
            tally.detection_ms_most = tally.detection_ms_most.max(detection_ms);
            tally.silence_ms += i128::from(detected_at);
        }
    }
}

/// The part of a book that one journey writes.
pub struct Entry<'a> {
    book: &'a mut Book,
    steps: &'a Steps,
    number: usize,
    has_begun: bool,
    /// The clock at the journey's last line so far.
    pub clock: i64,
    /// Whether the log's line behind that one moves the clock.
    pub clock_moves: bool,
}

impl<'a> Entry<'a> {
    /// The entry of the journey of a number, in front of its first line.
    #[inline]
    pub fn new(book: &'a mut Book, number: usize, steps: &'a Steps) -> Self {
        Entry { book, steps, number, has_begun: false, clock: 0, clock_moves: false }
    }

    /// Counts and sums.
    #[inline]
    pub fn tally(&mut self) -> &mut Tally {
        &mut self.book.tally
    }

    /// Count the journey, which is behind its last line.
    #[inline]
    pub fn finish(self, is_open: bool) {
        self.book.tally.journeys += u64::from(self.has_begun);
        self.book.tally.open += u64::from(is_open);
    }

    /// When an end is noticed: at its record, or at the first line behind the journey's last one whose clock had
    /// reached the deadline.
    fn detection(&self, ending: &Ending) -> Detection {
        if !ending.is_by_deadline {
            Detection::At(self.clock)
        } else if ending.ended_at > self.clock {
            Detection::From(ending.ended_at)
        } else if self.clock_moves {
            Detection::From(self.clock + 1)
        } else {
            Detection::At(self.clock)
        }
    }
}

impl Observer for Entry<'_> {
    #[inline]
    fn began(&mut self, journey: &Journey, episode: &Episode, _: Option<&Touchpoint<'_>>, _: &Policy) {
        self.has_begun = true;
        self.book.tally.episodes += 1;
        if episode.is_return {
            let reversed = journey.previous().and_then(|previous| previous.total_penalty_micros.get());
            self.book.tally.returns += 1;
            self.book.tally.returned_penalty_micros += i128::from(reversed.unwrap_or(0));
        }
    }

    #[inline]
    fn extended(&mut self, _: &Episode, _: i64, _: i64, _: &Policy) {}

    #[inline]
    fn converted(&mut self, journey: &Journey, episode: &Episode, ended_at: i64, policy: &Policy) {
        self.book.tally.conversions += 1;
        if journey.returned_from(episode, ended_at, policy).is_some() {
            self.book.tally.returns_converted += 1;
        }
    }

    #[inline]
    fn abandoned(&mut self, _: &Journey, episode: &Episode, ending: &Ending, penalty: &Penalty, _: &Policy) {
        let Ending { outcome, ended_at, .. } = *ending;
        let detection = self.detection(ending);
        let Book { tally, abandonments, end, unnoticed } = &mut *self.book;
        let reason = outcome as usize;
        tally.abandonments[reason] += 1;
        tally.penalty_micros[reason] += i128::from(penalty.penalty_amount_micros);
        tally.opportunity_micros[reason] += i128::from(penalty.opportunity_cost_micros);
        let probability_assumed = episode.conversion_probability.get().is_none();
        let value_assumed = episode.conversion_value_micros.get().is_none();
        if probability_assumed || value_assumed {
            tally.assumed_micros[reason] += i128::from(penalty.opportunity_cost_micros);
        }
        tally.silence_ms -= i128::from(episode.last_activity_at);
        if let Some(kept) = abandonments {
            kept.push(Abandonment {
                journey: self.number as u32,
                reason: outcome as u8,
                state: episode.state as u8,
                started_at: episode.started_at,
                last_touchpoint_at: episode.last_touchpoint_at,
                abandoned_at: ended_at,
                detected_at: end.detected_at(detection, self.steps),
                touchpoint_count: episode.touchpoint_count,
                total_cost_micros: episode.total_cost_micros,
                penalty_amount_micros: penalty.penalty_amount_micros,
                opportunity_cost_micros: penalty.opportunity_cost_micros,
                probability_assumed,
                value_assumed,
            });
        }
        unnoticed.push((ended_at, detection));
        if unnoticed.len() == UNNOTICED {
            self.book.notice(self.steps);
        }
    }
}
