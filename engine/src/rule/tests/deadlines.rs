//! Until when an episode runs, and what moves that.

use super::*;

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
