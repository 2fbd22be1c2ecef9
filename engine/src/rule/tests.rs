//! The rule case by case, on one journey: given what has come, when a record comes, then this is so.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::limits::{DAY_MS, KEPT_TOUCHPOINTS, LARGEST_SUM_MICROS, LONGEST_DAYS};
use super::*;

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

#[test]
fn the_deadline_is_inactivity_or_the_timeout() {
    let case = Case::under(policy()).touch(&touchpoint(0));
    assert_eq!(case.deadline_day(), 3);
    let case = case.touch(&touchpoint(2)).touch(&touchpoint(4)).touch(&touchpoint(7)).touch(&touchpoint(9));
    assert_eq!(case.deadline_day(), 12);
    assert_eq!(case.touch(&touchpoint(12)).deadline_day(), 14);
}

#[test]
fn on_a_tie_it_is_the_timeout() {
    let case = Case::under(Policy { inactivity_ms: 14 * DAY_MS, ..policy() }).touch(&touchpoint(0)).fire(14);
    assert_eq!(case.notes.0, ["started", "TIMEOUT on day 14 for 500"]);
}

#[test]
fn a_deadline_is_exclusive_and_an_end_by_a_record_inclusive() {
    let case = Case::under(policy()).touch(&touchpoint(0)).fire(3);
    assert_eq!(case.notes.0, ["started", "INACTIVITY on day 3 for 500"]);
    assert!(case.is_late(START + 3 * DAY_MS - 1));
    assert!(!case.is_late(START + 3 * DAY_MS));
    let case =
        Case::under(Policy { budget_micros: Some(2_000), ..policy() }).touch(&touchpoint(0)).touch(&touchpoint(1));
    assert_eq!(case.notes.0, ["started", "BUDGET_EXHAUSTED on day 1 for 1000"]);
    assert!(case.is_late(START + DAY_MS));
    assert!(!case.is_late(START + DAY_MS + 1));
}

#[test]
fn a_request_may_give_a_deadlines_reason_and_ends_at_its_record() {
    let mut case = Case::under(policy()).touch(&touchpoint(0));
    let at = START + DAY_MS;
    assert!(case.journey.end_at_record(Outcome::Timeout, at, &mut case.rule, &mut case.notes).is_ok());
    assert_eq!(case.notes.0, ["started", "TIMEOUT on day 1 for 500"]);
    assert!(case.is_late(at));
}

#[test]
fn a_touchpoint_after_an_abandonment_is_a_return_and_its_conversion_names_it() {
    let converting = Touchpoint { state: Some(State::Converted), ..touchpoint(6) };
    let case = Case::under(policy()).touch(&touchpoint(0)).fire(5).touch(&touchpoint(5)).touch(&converting);
    assert_eq!(
        case.notes.0,
        ["started", "INACTIVITY on day 3 for 500", "returned", "converted on day 6, names an abandonment"]
    );
    let case = case.touch(&touchpoint(7));
    assert_eq!(case.notes.0[4..], ["started"]);
}

#[test]
fn after_a_conversion_a_quiet_period_makes_touchpoints_late() {
    let converting = Touchpoint { state: Some(State::Converted), ..touchpoint(0) };
    let case = Case::under(Policy { quiet_period_ms: HOUR_MS, ..policy() }).touch(&converting);
    assert_eq!(case.notes.0, ["started", "converted on day 0"]);
    assert!(case.is_late(START + HOUR_MS));
    assert!(!case.is_late(START + HOUR_MS + 1));
}

#[test]
fn an_older_touchpoint_counts_and_sets_nothing() {
    let latest = Touchpoint { state: Some(State::Intent), conversion_probability: 0.5.into(), ..touchpoint(2) };
    let older = Touchpoint { state: Some(State::Aware), conversion_probability: 0.1.into(), ..touchpoint(1) };
    let case = Case::under(policy()).touch(&touchpoint(0)).touch(&latest).touch(&older);
    let episode = case.episode();
    assert_eq!((episode.touchpoint_count, episode.total_cost_micros), (3, 3_000));
    assert_eq!((episode.state, episode.conversion_probability.get()), (State::Intent, Some(0.5)));
    assert_eq!(days(episode.last_activity_at), 2);
    assert!(!case.journey.is_latest(START + DAY_MS));
    // One of the same instant is the latest; what it does not carry stays.
    let case = case.touch(&Touchpoint { conversion_value_micros: 7.into(), ..touchpoint(2) });
    assert_eq!(case.episode().conversion_probability.get(), Some(0.5));
    assert_eq!(case.episode().conversion_value_micros.get(), Some(7));
}

#[test]
fn sums_are_cut_at_the_largest() {
    let dear = Touchpoint { cost_micros: LARGEST_SUM_MICROS, ..touchpoint(0) };
    let case = Case::under(policy()).touch(&dear).touch(&dear).touch(&dear);
    assert_eq!(case.episode().total_cost_micros, LARGEST_SUM_MICROS);
}

#[test]
fn many_touchpoints_within_the_window_are_fatigue() {
    let tired = Policy { fatigue: Some((3, 2 * DAY_MS)), ..policy() };
    let case = Case::under(tired).touch(&touchpoint(0)).touch(&touchpoint(1)).touch(&touchpoint(2));
    assert_eq!(case.notes.0, ["started"]); // the first one lies at the window's open end
    let case = case.touch(&touchpoint(2));
    assert_eq!(case.notes.0, ["started", "USER_FATIGUE on day 2 for 2000"]);
}

#[test]
fn an_engaged_episode_is_extended_until_the_cap() {
    let extending = Policy {
        extension: Some((2, 10 * DAY_MS)),
        inactivity_ms: 20 * DAY_MS,
        max_journey_duration_ms: 30 * DAY_MS,
        ..policy()
    };
    let engaged = Touchpoint { state: Some(State::Considering), ..touchpoint(0) };
    let case = Case::under(extending.clone()).touch(&engaged).touch(&touchpoint(13)).fire(14);
    assert_eq!(case.notes.0, ["started", "extended by 10 to day 24"]);
    let case = case.touch(&touchpoint(20)).fire(40);
    assert_eq!(case.notes.0[2..], ["extended by 10 to day 30", "TIMEOUT on day 30 for 1500"]);
    // Without a state that is engaged, or without enough touchpoints, nothing is extended.
    let case = Case::under(extending.clone()).touch(&touchpoint(0)).touch(&touchpoint(13)).fire(14);
    assert_eq!(case.notes.0, ["started", "TIMEOUT on day 14 for 1000"]);
    let case = Case::under(extending).touch(&engaged).fire(14);
    assert_eq!(case.notes.0, ["started", "TIMEOUT on day 14 for 500"]);
}

#[test]
fn times_are_kept_in_order_and_no_more_than_are_needed() {
    let tired = Policy { fatigue: Some((1_000, DAY_MS)), ..policy() };
    let mut case = Case::under(tired);
    for hour in (0..100).rev() {
        let occurred_at = START + hour * HOUR_MS;
        case = case.touch(&Touchpoint { occurred_at, ..touchpoint(0) });
    }
    let times = case.journey.touchpoint_times();
    assert_eq!(times.len(), KEPT_TOUCHPOINTS);
    assert!(times.is_sorted());
    assert_eq!(times.last(), Some(&(START + 99 * HOUR_MS)));
}

#[test]
fn overrides_hold_for_the_journey_and_an_absent_one_leaves_the_earlier() {
    let overrides = |inactivity: Option<i64>, budget_micros: Option<i64>| Overrides {
        inactivity_ms: inactivity.map(|days| days * DAY_MS).into(),
        budget_micros: budget_micros.into(),
        ..Overrides::NONE
    };
    let case = Case::under(policy()).register(0, overrides(Some(1), None));
    assert_eq!((case.deadline_day(), case.episode().touchpoint_count), (1, 0));
    let case = case.register(0, overrides(None, Some(2_000))).fire(1).touch(&touchpoint(2));
    assert_eq!(case.deadline_day(), 3);
    let case = case.touch(&touchpoint(2));
    assert_eq!(
        case.notes.0,
        ["started by registration", "INACTIVITY on day 1 for 0", "returned", "BUDGET_EXHAUSTED on day 2 for 1000"]
    );
    // A registration after an abandonment is no return.
    assert_eq!(case.register(3, Overrides::NONE).notes.0.last().map(String::as_str), Some("started by registration"));
}

#[test]
fn an_extension_moves_the_timeout_up_to_the_cap() {
    let mut case = Case::under(Policy { inactivity_ms: 100 * DAY_MS, ..policy() }).touch(&touchpoint(0));
    case.journey.extend(5 * DAY_MS, &case.rule.policy);
    assert_eq!(case.deadline_day(), 19);
    case.journey.extend(LONGEST_DAYS * DAY_MS, &case.rule.policy);
    assert_eq!(case.deadline_day(), 90);
}

#[test]
fn a_journey_is_forgotten_at_its_cleanup() {
    let case = Case::under(policy()).touch(&touchpoint(0)).fire(3);
    assert!(!case.journey.is_forgotten(START + 33 * DAY_MS - 1));
    assert!(case.journey.is_forgotten(START + 33 * DAY_MS));
    assert!(case.journey.remembers(1));
    let mut journey = case.journey;
    journey.forget();
    assert!(!journey.remembers(1) && journey.previous().is_none());
    // Of a journey that is not known, a record is late as far back as nobody would remember.
    assert!(journey.is_late(5, || Some(5)));
    assert!(!journey.is_late(6, || Some(5)));
}

#[test]
fn requests_are_refused_where_no_episode_is_open_or_within_an_ended_one() {
    let case = Case::under(policy());
    assert!(case.journey.refuses(START));
    let case = case.touch(&touchpoint(0)).fire(3).touch(&touchpoint(4));
    assert!(case.journey.refuses(START + 3 * DAY_MS - 1));
    assert!(!case.journey.refuses(START + 3 * DAY_MS));
}

#[test]
fn a_duplicate_after_the_deadline_closes_nothing_until_the_cleanup() {
    let case = Case::under(policy()).touch(&touchpoint(0));
    let is_duplicate = |id, day| case.journey.is_duplicate_after_deadline(id, START + day * DAY_MS, &case.rule.policy);
    assert!(is_duplicate(1, 3) && is_duplicate(1, 32));
    assert!(!is_duplicate(1, 33) && !is_duplicate(2, 3));
}

#[test]
fn the_last_eight_ids_are_remembered_oldest_first() {
    let mut ids = RecentIds::EMPTY;
    for id in 1..=100 {
        ids.add(id);
        let expected: Vec<i64> = (1.max(id - 7)..=id).collect();
        let (older, newer) = ids.in_order();
        assert_eq!([older, newer].concat(), expected);
        assert!((0..=id + 1).all(|asked| ids.contains(asked) == expected.contains(&asked)));
    }
}

#[test]
fn a_penalty_has_every_component_and_the_defaults() {
    let Case { journey, mut rule, .. } = Case::under(policy()).touch(&touchpoint(0));
    let Some(episode) = journey.episode else { panic!("no episode is open") };
    let penalty = rule.penalties.of_episode(&episode, Outcome::Timeout, START + 5 * DAY_MS);
    let Ok(penalty) = penalty else { panic!("no penalty") };
    assert_eq!((penalty.days_active, penalty.penalty_amount_micros, penalty.opportunity_cost_micros), (5, 500, 0));
    assert_eq!((penalty.state_weight, penalty.time_factor, penalty.reason_multiplier), (0.1, 0.2, 0.3));
    assert_eq!((penalty.conversion_probability, penalty.conversion_value_micros), (0.5, 0));
    // More days than a policy may say, as a damaged row would have: not remembered, and the same.
    let far = rule.penalties.of_episode(&episode, Outcome::Timeout, i64::MAX / 2);
    assert!(far.is_ok_and(|far| far.days_active > LONGEST_DAYS && far.penalty_amount_micros == 500));
}
