//! Rules of a policy that give some journeys other durations than the policy's own.

use std::collections::HashSet;

use pyo3::prelude::*;

use crate::rule::State;

/// Durations of the journeys for which all its conditions hold.
#[derive(Clone)]
pub struct DeadlineRule {
    pub name: Box<str>,
    pub timeout_ms: Option<i64>,
    pub inactivity_ms: Option<i64>,
    /// Bit by state.
    states: u8,
    /// Any of these; `None` for every journey, also one without a segment.
    segments: Option<Vec<Box<str>>>,
    touchpoints_from: i64,
    touchpoints_to: i64,
}

/// What rules ask of a journey.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub state: State,
    pub segment: Option<&'a str>,
    /// Touchpoints applied to the journey in all its episodes.
    pub touchpoints: i64,
}

impl DeadlineRule {
    /// The rule of a `journeys.streams.rule.deadlines.DeadlineRule`.
    pub fn of(rule: &Bound<'_, PyAny>) -> PyResult<Self> {
        let conditions = rule.getattr("conditions")?;
        let states = match conditions.getattr("states")?.extract::<Option<HashSet<String>>>()? {
            Some(names) => names.iter().filter_map(|name| State::of(name)).fold(0, |bits, state| bits | bit(state)),
            None => u8::MAX,
        };
        let segments = conditions.getattr("segments")?.extract::<Option<HashSet<String>>>()?;
        Ok(DeadlineRule {
            name: rule.getattr("name")?.extract::<String>()?.into(),
            timeout_ms: rule.getattr("timeout_ms")?.extract()?,
            inactivity_ms: rule.getattr("inactivity_ms")?.extract()?,
            states,
            segments: segments.map(|names| names.into_iter().map(Into::into).collect()),
            touchpoints_from: conditions.getattr("touchpoints_from")?.extract()?,
            touchpoints_to: conditions.getattr("touchpoints_to")?.extract::<Option<i64>>()?.unwrap_or(i64::MAX),
        })
    }

    /// Whether all its conditions hold.
    #[inline]
    pub fn holds(&self, of: Asked<'_>) -> bool {
        (self.touchpoints_from..=self.touchpoints_to).contains(&of.touchpoints)
            && self.states & bit(of.state) != 0
            && self
                .segments
                .as_ref()
                .is_none_or(|any| of.segment.is_some_and(|segment| any.iter().any(|one| **one == *segment)))
    }
}

#[inline]
fn bit(state: State) -> u8 {
    1 << state as u8
}

/// The first rule that holds and gives a duration: its number, and the duration.
#[inline]
pub fn first(
    rules: &[DeadlineRule],
    of: Asked<'_>,
    duration: impl Fn(&DeadlineRule) -> Option<i64>,
) -> Option<(u8, i64)> {
    let found = rules.iter().enumerate().filter_map(|(number, rule)| Some((number as u8, rule, duration(rule)?)));
    let mut holding = found.filter(|(_, rule, _)| rule.holds(of));
    holding.next().map(|(number, _, milliseconds)| (number, milliseconds))
}
