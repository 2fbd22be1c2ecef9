//! The rule for one journey after the other, as `journeys.streams.partition.driver.replay_unpunctuated` has it for all of them at once.
//!
//! What a journey knows of the others is the clock alone: each line of the log moves it, and fires what is due, before
//! the line itself is applied. So whatever is due by a record's clock was abandoned before the record, and a journey is
//! forgotten as soon as its clock says so.

use pyo3::prelude::*;

use crate::backtest::clock::Steps;
use crate::backtest::detection::{Detection, End};
use crate::backtest::history::{History, Record, Request, EXTEND, NO_ID, REGISTRATION};
use crate::backtest::journey::Journey;
use crate::backtest::rates::Rates;
use crate::backtest::tally::{Abandonment, Tally};
use crate::names::{Outcome, State};
use crate::policy::Policy;
use crate::row::NONE;

/// Ends that are looked up at once.
const UNNOTICED: usize = 256;
const DAY_MS: i64 = 86_400_000;
const STATES: [State; 5] = [State::Unaware, State::Aware, State::Considering, State::Intent, State::Converted];
const REASONS: [Outcome; 6] = [
    Outcome::Timeout,
    Outcome::Inactivity,
    Outcome::CompetitorConversion,
    Outcome::BudgetExhausted,
    Outcome::UserFatigue,
    Outcome::ManualTermination,
];

/// One policy at work.
pub struct Rule {
    pub policy: Policy,
    pub tally: Tally,
    /// Each abandonment, where they are wanted.
    pub abandonments: Option<Vec<Abandonment>>,
    rates: Rates,
    end: End,
    /// Ends of which it is not known yet when they were noticed.
    unnoticed: Vec<(i64, Detection)>,
}

/// How an episode ended.
struct Ending {
    reason: Outcome,
    ended_at: i64,
    late_until: i64,
    detection: Detection,
}

impl Rule {
    /// A policy with its penalty table.
    pub fn new(policy: Policy, rates: Rates, end: End, keeps_abandonments: bool) -> Self {
        Rule {
            policy,
            tally: Tally::default(),
            abandonments: keeps_abandonments.then(Vec::new),
            rates,
            end,
            unnoticed: Vec::with_capacity(UNNOTICED),
        }
    }

    /// Run one journey of a history; `journey` is kept between calls for its memory alone.
    pub fn run(&mut self, history: &History, number: usize, clock: &Steps, journey: &mut Journey) -> PyResult<()> {
        let first = history.begins[number] as usize;
        let records = &history.records[first..history.begins[number + 1] as usize];
        journey.forget();
        journey.clock = NONE;
        journey.has_begun = false;
        for (row, record) in records.iter().enumerate() {
            let now = record.clock;
            if now > self.end.last_clock {
                break;
            }
            if journey.open && journey.deadline_at() <= now {
                self.fire(journey, now, number, clock)?;
            }
            if journey.cleanup_at <= now {
                journey.forget();
            }
            journey.clock = now;
            journey.clock_moves = record.clock_moves;
            let id = (row as u32).wrapping_sub(record.repeats);
            if record.kind == 0 {
                self.touch(record, id, journey, number, clock)?;
            } else {
                let request = history.requests.get(first + row).copied().unwrap_or_default();
                self.request(record, &request, id, journey, number, clock)?;
            }
        }
        if journey.open {
            self.fire(journey, self.end.behind_all, number, clock)?;
        }
        self.tally.journeys += u64::from(journey.has_begun);
        self.tally.open += u64::from(journey.open);
        Ok(())
    }

    /// What an open episode comes to by the clock `now`, of a later line or behind all.
    fn fire(&mut self, journey: &mut Journey, now: i64, number: usize, clock: &Steps) -> PyResult<()> {
        journey.extend_automatically(now, &self.policy);
        let deadline_at = journey.deadline_at();
        if deadline_at > now {
            return Ok(());
        }
        // Noticed at the first line behind the journey's last record whose clock had reached the deadline.
        let detection = if deadline_at > journey.clock {
            Detection::From(deadline_at)
        } else if journey.clock_moves {
            Detection::From(journey.clock + 1)
        } else {
            Detection::At(journey.clock)
        };
        let reason = if deadline_at == journey.timeout_deadline_at { Outcome::Timeout } else { Outcome::Inactivity };
        let ending = Ending { reason, ended_at: deadline_at, late_until: deadline_at - 1, detection };
        self.abandon(journey, number, &ending, clock)
    }

    #[inline]
    fn touch(
        &mut self,
        touchpoint: &Record,
        id: u32,
        journey: &mut Journey,
        number: usize,
        clock: &Steps,
    ) -> PyResult<()> {
        let at = touchpoint.occurred_at;
        if touchpoint.repeats != 0 && journey.remembers(id) {
            self.tally.duplicates += 1;
            return Ok(());
        }
        if journey.is_late(at, touchpoint.clock, &self.policy) {
            self.tally.late += 1;
            return Ok(());
        }
        if !journey.open {
            journey.begin(at, journey.was_abandoned, &self.policy);
            self.tally.episodes += 1;
            if journey.is_return {
                self.tally.returns += 1;
                self.tally.returned_penalty_micros += i128::from(journey.previous_penalty_micros);
            }
        }
        self.tally.applied += 1;
        journey.remember(id);
        journey.count(touchpoint, &self.policy);
        let ended_at = at.max(journey.last_activity_at);
        if touchpoint.state == State::Converted as u8 + 1 {
            self.convert(journey, ended_at);
            return Ok(());
        }
        let reason = if journey.budget_micros(&self.policy).is_some_and(|budget| journey.total_cost_micros >= budget) {
            Outcome::BudgetExhausted
        } else if journey.is_tired(&self.policy) {
            Outcome::UserFatigue
        } else {
            return Ok(());
        };
        self.abandon_now(journey, number, reason, ended_at, clock)
    }

    fn convert(&mut self, journey: &mut Journey, ended_at: i64) {
        self.tally.conversions += 1;
        if journey.is_return && ended_at < journey.previous_ended_at + self.policy.cleanup_ms {
            self.tally.returns_converted += 1;
        }
        journey.was_abandoned = false;
        journey.end(ended_at, ended_at + self.policy.quiet_period_ms, &self.policy);
    }

    fn request(
        &mut self,
        record: &Record,
        request: &Request,
        id: u32,
        journey: &mut Journey,
        number: usize,
        clock: &Steps,
    ) -> PyResult<()> {
        let at = record.occurred_at;
        if record.kind == REGISTRATION {
            self.register(record, request, journey);
            return Ok(());
        }
        let has_id = record.repeats != NO_ID;
        if has_id && record.repeats != 0 && journey.remembers(id) {
            self.tally.duplicates += 1;
            return Ok(());
        }
        if !journey.open || at <= journey.late_until {
            self.tally.refused += 1;
            return Ok(());
        }
        self.tally.applied += 1;
        if has_id {
            journey.remember(id);
        }
        if record.kind == EXTEND {
            journey.extend(request.extend_by_ms, &self.policy);
            return Ok(());
        }
        let reason = REASONS[usize::from(request.reason)];
        let ended_at = at.max(journey.last_activity_at);
        self.abandon_now(journey, number, reason, ended_at, clock)
    }

    fn register(&mut self, record: &Record, registration: &Request, journey: &mut Journey) {
        let at = record.occurred_at;
        if journey.is_late(at, record.clock, &self.policy) {
            self.tally.refused += 1;
            return;
        }
        if !journey.open {
            journey.begin(at, false, &self.policy);
            self.tally.episodes += 1;
        }
        journey.take_overrides(registration, &self.policy);
        self.tally.applied += 1;
    }

    /// An explicit end is inclusive: a record at exactly that instant is late.
    fn abandon_now(
        &mut self,
        journey: &mut Journey,
        number: usize,
        reason: Outcome,
        ended_at: i64,
        clock: &Steps,
    ) -> PyResult<()> {
        let ending = Ending { reason, ended_at, late_until: ended_at, detection: Detection::At(journey.clock) };
        self.abandon(journey, number, &ending, clock)
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

    fn abandon(&mut self, journey: &mut Journey, number: usize, ending: &Ending, clock: &Steps) -> PyResult<()> {
        let reason = ending.reason;
        let state = STATES[usize::from(journey.state)];
        let days = ((ending.ended_at - journey.started_at) / DAY_MS).max(1);
        let penalty = self.rates.penalty(journey.total_cost_micros, state, reason, days)?;
        let opportunity = self.rates.opportunity(state, journey.probability, journey.value_micros)?;
        let tally = &mut self.tally;
        tally.abandonments[reason as usize] += 1;
        tally.penalty_micros[reason as usize] += i128::from(penalty);
        tally.opportunity_micros[reason as usize] += i128::from(opportunity);
        tally.silence_ms -= i128::from(journey.last_activity_at);
        if let Some(kept) = &mut self.abandonments {
            kept.push(Abandonment {
                journey: number as u32,
                reason: reason as u8,
                state: journey.state,
                started_at: journey.started_at,
                last_touchpoint_at: journey.last_touchpoint_at.max(-1),
                abandoned_at: ending.ended_at,
                detected_at: self.end.detected_at(ending.detection, clock),
                touchpoint_count: journey.touchpoint_count,
                total_cost_micros: journey.total_cost_micros,
                penalty_amount_micros: penalty,
                opportunity_cost_micros: opportunity,
            });
        }
        self.unnoticed.push((ending.ended_at, ending.detection));
        if self.unnoticed.len() == UNNOTICED {
            self.notice(clock);
        }
        journey.was_abandoned = true;
        journey.previous_penalty_micros = penalty + opportunity;
        journey.end(ending.ended_at, ending.late_until, &self.policy);
        Ok(())
    }
}
