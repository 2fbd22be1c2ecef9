//! The penalty of an abandonment, as `journeys.streams.rule.penalty` has it.
//!
//! The constants are decimals of any length, and their powers have hundreds of digits. Python computes each factor
//! once, exactly, as a fraction; here it is remembered and multiplied.

use num_bigint::BigUint;
use pyo3::prelude::*;

use crate::rule::limits::{DAY_MS, LONGEST_DAYS};
use crate::rule::names::REASONS;
use crate::rule::rate::{OfProbability, Rate};
use crate::rule::{Episode, Outcome, State};

const STATES: usize = State::ALL.len();

/// A penalty with every component.
pub struct Penalty {
    pub days_active: i64,
    pub conversion_probability: f64,
    pub conversion_value_micros: i64,
    pub penalty_amount_micros: i64,
    pub opportunity_cost_micros: i64,
    pub state_weight: f64,
    pub time_factor: f64,
    pub reason_multiplier: f64,
}

impl Penalty {
    /// Penalty and opportunity cost together.
    #[inline]
    pub fn total_micros(&self) -> i64 {
        self.penalty_amount_micros + self.opportunity_cost_micros
    }
}

/// What state, reason and days come to.
struct Factors {
    /// Penalty of a micro of cost.
    rate: Rate,
    state_weight: f64,
    time_factor: f64,
    reason_multiplier: f64,
}

/// Penalties under one policy. Python's penalty table is asked once for each state, reason and days.
pub struct Penalties {
    table: Py<PyAny>,
    default_value_micros: i64,
    opportunity: OfProbability,
    /// By state and reason, then by days.
    factors: Vec<Vec<Option<Factors>>>,
    /// By state: probability of a conversion where no touchpoint said, and the opportunity cost of a micro of value.
    defaults: [Option<(f64, Rate)>; STATES],
}

/// Whole days of an episode, at least 1.
#[inline]
fn days_active(started_at: i64, abandoned_at: i64) -> i64 {
    ((abandoned_at - started_at) / DAY_MS).max(1)
}

impl Penalties {
    /// Penalties of a `journeys.streams.rule.penalty.PenaltyTable`.
    pub fn of(py: Python<'_>, table: Py<PyAny>) -> PyResult<Self> {
        let (numerator, denominator): (BigUint, BigUint) = table.getattr(py, "opportunity_fraction")?.extract(py)?;
        // Python divides integers of any length and rounds once.
        let about = (&numerator).into_pyobject(py)?.call_method1("__truediv__", (&denominator,))?.extract()?;
        Ok(Penalties {
            default_value_micros: table.getattr(py, "default_value_micros")?.extract(py)?,
            opportunity: OfProbability { numerator, denominator, about },
            table,
            factors: (0..STATES * REASONS).map(|_| Vec::new()).collect(),
            defaults: Default::default(),
        })
    }

    /// Penalty of an open episode, were it to end at that instant for that reason.
    #[inline(always)] // so a backtest, which asks for two components, spares the others
    pub fn of_episode(&mut self, episode: &Episode, reason: Outcome, ended_at: i64) -> PyResult<Penalty> {
        let conversion_value_micros = episode.conversion_value_micros.get().unwrap_or(self.default_value_micros);
        let (conversion_probability, opportunity_cost_micros) = match episode.conversion_probability.get() {
            Some(probability) => (probability, self.opportunity.amount(probability, conversion_value_micros)),
            None => {
                let (probability, rate) = self.default(episode.state)?;
                (*probability, rate.of(conversion_value_micros))
            }
        };
        let days_active = days_active(episode.started_at, ended_at);
        let factors = self.factors(episode.state, reason, days_active)?;
        Ok(Penalty {
            days_active,
            conversion_probability,
            conversion_value_micros,
            penalty_amount_micros: factors.rate.of(episode.total_cost_micros),
            opportunity_cost_micros,
            state_weight: factors.state_weight,
            time_factor: factors.time_factor,
            reason_multiplier: factors.reason_multiplier,
        })
    }

    #[inline]
    fn factors(&mut self, state: State, reason: Outcome, days: i64) -> PyResult<&Factors> {
        // Only a damaged row lasts longer than a policy may say: what it comes to is not remembered.
        let place = days.min(LONGEST_DAYS + 1) as usize;
        let known = &mut self.factors[state as usize * REASONS + reason as usize];
        if known.len() <= place {
            known.resize_with(place + 1, || None);
        }
        let known = &mut known[place];
        if days > LONGEST_DAYS {
            *known = None;
        }
        match known {
            Some(factors) => Ok(factors),
            None => Ok(known.insert(factors_of(&self.table, state, reason, days)?)),
        }
    }

    #[inline]
    fn default(&mut self, state: State) -> PyResult<&(f64, Rate)> {
        let known = &mut self.defaults[state as usize];
        match known {
            Some(default) => Ok(default),
            None => Ok(known.insert(default_of(&self.table, state)?)),
        }
    }
}

#[cold]
fn factors_of(table: &Py<PyAny>, state: State, reason: Outcome, days: i64) -> PyResult<Factors> {
    Python::attach(|py| {
        let factors = table.call_method1(py, "factors", (state.name(), reason.name(), days))?;
        let (rate, state_weight, time_factor, reason_multiplier) = factors.extract(py)?;
        Ok(Factors { rate: Rate::of_fraction(rate), state_weight, time_factor, reason_multiplier })
    })
}

#[cold]
fn default_of(table: &Py<PyAny>, state: State) -> PyResult<(f64, Rate)> {
    Python::attach(|py| {
        let (probability, rate) = table.call_method1(py, "default", (state.name(),))?.extract(py)?;
        Ok((probability, Rate::of_fraction(rate)))
    })
}
