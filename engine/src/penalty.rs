//! The penalty of an abandonment, as `journeys.streams.rule.penalty` has it.

use pyo3::prelude::*;

use crate::names::Outcome;
use crate::policy::Policy;
use crate::row::Row;

const DAY_MS: i64 = 86_400_000;

/// Whole days of an episode, at least 1.
pub fn days_active(started_at: i64, abandoned_at: i64) -> i64 {
    (abandoned_at - started_at).div_euclid(DAY_MS).max(1)
}

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
    pub fn total_micros(&self) -> i64 {
        self.penalty_amount_micros + self.opportunity_cost_micros
    }
}

/// Penalty of the open episode of a row, were it to end now for that reason.
pub fn penalty_of(py: Python<'_>, row: &Row, policy: &mut Policy, reason: Outcome, ended_at: i64) -> PyResult<Penalty> {
    let conversion_value_micros = row.conversion_value_micros().unwrap_or(policy.default_value_micros);
    let (conversion_probability, opportunity_cost_micros) = match row.conversion_probability() {
        Some(probability) => (probability, policy.opportunity_rate(probability).of(conversion_value_micros)),
        None => {
            let (probability, rate) = policy.default_probability(py, row.state)?;
            (probability, rate.of(conversion_value_micros))
        }
    };
    let days_active = days_active(row.started_at, ended_at);
    let factors = policy.factors(py, row.state, reason, days_active)?;
    Ok(Penalty {
        days_active,
        conversion_probability,
        conversion_value_micros,
        penalty_amount_micros: factors.rate.of(row.total_cost_micros),
        opportunity_cost_micros,
        state_weight: factors.state_weight,
        time_factor: factors.time_factor,
        reason_multiplier: factors.reason_multiplier,
    })
}
