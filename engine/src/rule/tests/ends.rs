//! What a touchpoint adds, how episodes end, and what that costs.

use super::*;

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
