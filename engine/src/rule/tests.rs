//! The rule case by case, on one journey: given what has come, when a record comes, then this is so.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::limits::{DAY_MS, KEPT_TOUCHPOINTS, LARGEST_SUM_MICROS, LONGEST_DAYS};
use super::*;

mod deadlines;
mod ends;
mod lateness;

const START: i64 = 1_760_000_000_000;
const HOUR_MS: i64 = 3_600_000;

/// Notes in a line each what the rule finds.
#[derive(Default)]
struct Notes(Vec<String>);

impl Observer for Notes {
    fn began(&mut self, _: &Journey, episode: &Episode, touchpoint: Option<&Touchpoint>, _: &Policy) {
        let kind = if episode.is_return { "returned" } else { "started" };
        self.0.push(if touchpoint.is_some() { kind.into() } else { format!("{kind} by registration") });
    }

    fn extended(&mut self, episode: &Episode, by_ms: i64, _: i64, _: &Policy) {
        self.0.push(format!("extended by {} to day {}", by_ms / DAY_MS, days(episode.timeout_deadline_at)));
    }

    fn converted(&mut self, journey: &Journey, episode: &Episode, ended_at: i64, policy: &Policy) {
        let named =
            if journey.returned_from(episode, ended_at, policy).is_some() { ", names an abandonment" } else { "" };
        self.0.push(format!("converted on day {}{named}", days(ended_at)));
    }

    fn abandoned(&mut self, _: &Episode, ending: &Ending, penalty: &Penalty, _: &Policy) {
        let (reason, day) = (ending.outcome.name(), days(ending.ended_at));
        self.0.push(format!("{reason} on day {day} for {}", penalty.total_micros()));
    }
}

fn days(at: i64) -> i64 {
    (at - START) / DAY_MS
}

fn policy() -> Policy {
    Policy {
        timeout_ms: 14 * DAY_MS,
        inactivity_ms: 3 * DAY_MS,
        max_journey_duration_ms: 90 * DAY_MS,
        cleanup_ms: 30 * DAY_MS,
        remembered_ids: 8,
        ..Policy::default()
    }
}

/// A rule whose penalties are half of the cost, and a quarter of probability times value.
fn rule(policy: Policy) -> Rule {
    Python::initialize();
    let table = Python::attach(|py| {
        let names = PyDict::new(py);
        py.run(
            c"
class Table:
    default_value_micros = 0
    opportunity_fraction = 1, 4
    def factors(self, state, reason, days):
        return (1, 2), 0.1, 0.2, 0.3
    def default(self, state):
        return 0.5, (1, 8)
table = Table()
",
            None,
            Some(&names),
        )?;
        let table = names.get_item("table")?.map(Bound::unbind).unwrap_or(py.None());
        Penalties::of(py, table)
    });
    let Ok(penalties) = table else { panic!("the table of this test is damaged") };
    Rule { policy, penalties }
}

fn touchpoint(day: i64) -> Touchpoint {
    Touchpoint {
        occurred_at: START + day * DAY_MS,
        cost_micros: 1_000,
        state: None,
        conversion_probability: None.into(),
        conversion_value_micros: None.into(),
    }
}

/// A journey under a rule, and what has been found of it.
struct Case {
    journey: Journey,
    rule: Rule,
    notes: Notes,
    ids: i64,
}

impl Case {
    fn under(policy: Policy) -> Self {
        Case { journey: UNKNOWN.clone(), rule: rule(policy), notes: Notes::default(), ids: 0 }
    }

    fn touch(mut self, touchpoint: &Touchpoint) -> Self {
        self.ids += 1;
        assert!(self.journey.touch(touchpoint, self.ids, &mut self.rule, &mut self.notes).is_ok());
        self
    }

    fn fire(mut self, day: i64) -> Self {
        self.journey.extend_automatically(START + day * DAY_MS, &self.rule.policy, &mut self.notes);
        if self.journey.is_due(START + day * DAY_MS) {
            assert!(self.journey.end_at_deadline(&mut self.rule, &mut self.notes).is_ok());
        }
        self
    }

    fn register(mut self, day: i64, overrides: Overrides) -> Self {
        self.journey.register(START + day * DAY_MS, overrides, &self.rule.policy, &mut self.notes);
        self
    }

    fn episode(&self) -> &Episode {
        match &self.journey.episode {
            Some(episode) => episode,
            None => panic!("no episode is open"),
        }
    }

    fn deadline_day(&self) -> i64 {
        days(self.episode().deadline_at())
    }

    fn is_late(&self, at: i64) -> bool {
        self.journey.is_late(at, || None)
    }
}
