//! Late records, forgotten journeys and duplicates.

use super::*;

#[test]
fn a_journey_is_forgotten_at_its_cleanup() {
    let case = Case::under(policy()).touch(&touchpoint(0)).fire(3);
    assert!(!case.journey.is_forgotten(START + 33 * DAY_MS - 1));
    assert!(case.journey.is_forgotten(START + 33 * DAY_MS));
    assert!(case.journey.remembers(1));
    let mut journey = case.journey;
    journey.clear();
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
fn the_last_ids_are_remembered_oldest_first() {
    for most in [1, 3, 7, 8, 9, 20] {
        let mut ids = RecentIds::EMPTY;
        for id in 1..=100 {
            ids.add(id, most);
            is_range(&ids, 1.max(id + 1 - most as i64), id);
        }
    }
}

#[test]
fn another_policy_cuts_what_is_remembered_and_then_remembers_more() {
    for (before, after) in [(20, 8), (20, 3), (8, 3), (3, 8), (8, 20), (1024, 1)] {
        let mut ids = RecentIds::EMPTY;
        (1..=50).for_each(|id| ids.add(id, before));
        ids.cut(after);
        is_range(&ids, 1.max(51 - before.min(after) as i64), 50);
        (51..=100).for_each(|id| ids.add(id, after));
        is_range(&ids, 101 - after.min(50 + before.min(after)) as i64, 100);
    }
}

fn is_range(ids: &RecentIds, first: i64, last: i64) {
    let (older, newer) = ids.in_order();
    assert_eq!([older, newer].concat(), (first..=last).collect::<Vec<_>>());
    assert!((0..=last + 1).all(|id| ids.contains(id) == (first..=last).contains(&id)));
}
