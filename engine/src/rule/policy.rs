//! A policy: the durations and rules under which an episode runs.

use num_bigint::BigUint;
use pyo3::prelude::*;

use crate::rule::Penalties;

/// One version of all constants but those of the penalty.
#[derive(Clone, Default)]
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
    /// Ids of applied records that a journey remembers, 1 to 1,024.
    pub remembered_ids: usize,
    pub formula_version: i64,
}

impl Policy {
    /// Whether it has a rule that needs the times of touchpoints.
    #[inline]
    pub fn keeps_times(&self) -> bool {
        self.fatigue.is_some() || self.extension.is_some()
    }

    /// A policy of what Python says of it: the attributes of `journeys.streams.rule.policy.Policy`.
    pub fn of(policy: &Bound<'_, PyAny>) -> PyResult<Self> {
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
            remembered_ids: policy.getattr("remembered_ids")?.extract()?,
            formula_version: policy.getattr("penalty")?.getattr("formula_version")?.extract()?,
        })
    }
}

/// A policy with its penalties.
pub struct Rule {
    pub policy: Policy,
    pub penalties: Penalties,
}

impl Rule {
    /// The rule of a `journeys.streams.rule.policy.Policy` and its `journeys.streams.rule.penalty.PenaltyTable`.
    pub fn of(policy: &Bound<'_, PyAny>, table: Py<PyAny>) -> PyResult<Self> {
        Ok(Rule { policy: Policy::of(policy)?, penalties: Penalties::of(policy.py(), table)? })
    }
}
