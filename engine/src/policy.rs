//! A policy's durations, and what a penalty comes to under its constants.
//!
//! The constants are decimals of any length, and their powers have hundreds of digits. Python computes each factor
//! once, exactly, as a fraction; here it is remembered and multiplied.

use std::collections::HashMap;

use num_bigint::BigUint;
use num_integer::Integer;
use pyo3::prelude::*;

use crate::decimal::decimal;
use crate::names::{Outcome, State};

const LARGEST_SUM_MICROS: i64 = (1 << 62) - 1;

/// A fraction that amounts are multiplied with.
pub enum Rate {
    /// Both parts are small: the common case.
    Small(u128, u128),
    /// Any.
    Large(BigUint, BigUint),
}

impl Rate {
    pub fn new(numerator: BigUint, denominator: BigUint) -> Self {
        // An amount has at most 62 bits: with 64 more the product fits.
        match (u64::try_from(&numerator), u64::try_from(&denominator)) {
            (Ok(above), Ok(below)) => Rate::Small(above.into(), below.into()),
            _ => Rate::Large(numerator, denominator),
        }
    }

    /// `micros` times this, rounded half-even, at most the largest sum.
    pub fn of(&self, micros: i64) -> i64 {
        let micros = micros.unsigned_abs();
        match self {
            Rate::Small(numerator, denominator) => {
                let (amount, rest) = (u128::from(micros) * numerator).div_rem(denominator);
                let up = 2 * rest > *denominator || (2 * rest == *denominator && amount % 2 == 1);
                i64::try_from(amount + u128::from(up)).unwrap_or(i64::MAX).min(LARGEST_SUM_MICROS)
            }
            Rate::Large(numerator, denominator) => {
                let (amount, rest) = (numerator * micros).div_rem(denominator);
                let twice = rest << 1;
                let up = twice > *denominator || (twice == *denominator && amount.is_odd());
                i64::try_from(amount + u8::from(up)).unwrap_or(i64::MAX).min(LARGEST_SUM_MICROS)
            }
        }
    }
}

/// What state, reason and days come to.
pub struct Factors {
    pub rate: Rate,
    pub state_weight: f64,
    pub time_factor: f64,
    pub reason_multiplier: f64,
}

/// One version of all constants, as far as the engine needs them.
pub struct Policy {
    pub version: Box<str>,
    pub grace_ms: i64,
    pub timeout_ms: i64,
    pub inactivity_ms: i64,
    pub max_journey_duration_ms: i64,
    pub cleanup_ms: i64,
    /// Rows that one punctuation deletes at most.
    pub cleanup_batch_size: usize,
    /// How far ahead of its append time a touchpoint may lie, on live topics.
    pub future_skew_ms: i64,
    pub quiet_period_ms: i64,
    pub budget_micros: Option<i64>,
    /// Touchpoints within a window (ms) that end an episode.
    pub fatigue: Option<(usize, i64)>,
    /// Touchpoints in the inactivity threshold that extend an episode, by so many ms.
    pub extension: Option<(usize, i64)>,
    pub formula_version: i64,
    pub default_value_micros: i64,
    /// Python's penalty table of this policy.
    pub penalties: Py<PyAny>,
    factors: HashMap<(State, Outcome, i64), Factors>,
    defaults: HashMap<State, (f64, Rate)>,
    opportunity: (BigUint, BigUint),
}

fn fraction(found: (BigUint, BigUint)) -> Rate {
    Rate::new(found.0, found.1)
}

impl Policy {
    /// A policy of what Python says of it: the attributes of `journeys.streams.rule.policy.Policy`.
    pub fn of(policy: &Bound<'_, PyAny>, penalties: Py<PyAny>) -> PyResult<Self> {
        let number = |name: &str| -> PyResult<i64> { policy.getattr(name)?.extract() };
        let rule = |name: &str, duration: &str| -> PyResult<Option<(usize, i64)>> {
            let rule = policy.getattr(name)?;
            if rule.is_none() {
                return Ok(None);
            }
            Ok(Some((rule.getattr("touchpoints")?.extract()?, number(duration)?)))
        };
        let batch_size: BigUint = policy.getattr("cleanup")?.getattr("batch_size")?.extract()?;
        Ok(Policy {
            version: policy.getattr("version")?.extract::<String>()?.into(),
            grace_ms: number("grace_ms")?,
            timeout_ms: number("timeout_ms")?,
            inactivity_ms: number("inactivity_ms")?,
            max_journey_duration_ms: number("max_journey_duration_ms")?,
            cleanup_ms: number("cleanup_ms")?,
            // A policy may name any number, a machine has the smaller ones.
            cleanup_batch_size: usize::try_from(batch_size).unwrap_or(usize::MAX),
            future_skew_ms: number("future_skew_ms")?,
            quiet_period_ms: number("conversion_quiet_period_ms")?,
            budget_micros: policy.getattr("budget_micros")?.extract()?,
            fatigue: rule("fatigue", "fatigue_window_ms")?,
            extension: rule("extension", "extend_by_ms")?,
            formula_version: policy.getattr("penalty")?.getattr("formula_version")?.extract()?,
            default_value_micros: penalties.getattr(policy.py(), "default_value_micros")?.extract(policy.py())?,
            opportunity: penalties.getattr(policy.py(), "opportunity_fraction")?.extract(policy.py())?,
            penalties,
            factors: HashMap::new(),
            defaults: HashMap::new(),
        })
    }

    /// What the penalty's share of cost is for state, reason and days.
    pub fn factors(&mut self, py: Python<'_>, state: State, reason: Outcome, days: i64) -> PyResult<&Factors> {
        let key = (state, reason, days);
        if !self.factors.contains_key(&key) {
            let said = self.penalties.call_method1(py, "factors", (state.name(), reason.name(), days))?;
            let (rate, state_weight, time_factor, reason_multiplier) = said.extract(py)?;
            let factors = Factors { rate: fraction(rate), state_weight, time_factor, reason_multiplier };
            self.factors.insert(key, factors);
        }
        Ok(&self.factors[&key])
    }

    /// Probability of conversion by default, and what a micro of value costs under it.
    pub fn default_probability(&mut self, py: Python<'_>, state: State) -> PyResult<(f64, &Rate)> {
        if !self.defaults.contains_key(&state) {
            let said = self.penalties.call_method1(py, "default", (state.name(),))?;
            let (probability, rate) = said.extract(py)?;
            self.defaults.insert(state, (probability, fraction(rate)));
        }
        let (probability, rate) = &self.defaults[&state];
        Ok((*probability, rate))
    }

    /// What a micro of value costs under a probability: it counts as its shortest decimal that reads back as this double.
    pub fn opportunity_rate(&self, probability: f64) -> Rate {
        let (numerator, denominator) = &self.opportunity;
        let (digits, places) = decimal(probability).unwrap_or((0, 0));
        Rate::new(numerator * digits, denominator * BigUint::from(10u8).pow(places))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_half_even_whatever_its_size() {
        let large: BigUint = BigUint::from(1u8) << 200;
        for (micros, expected) in [(1, 0), (3, 2), (5, 2), (7, 4), (4, 2)] {
            assert_eq!(Rate::Small(1, 2).of(micros), expected);
            assert_eq!(Rate::Large(large.clone(), &large << 1).of(micros), expected);
        }
        assert_eq!(Rate::Small(u64::MAX.into(), 1).of(LARGEST_SUM_MICROS), LARGEST_SUM_MICROS);
        assert_eq!(Rate::Large(large, BigUint::from(1u8)).of(1), LARGEST_SUM_MICROS);
    }
}
