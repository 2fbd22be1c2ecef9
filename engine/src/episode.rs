//! What becomes of the open episode of a row: how it begins, what a touchpoint changes in it, how it ends.

use crate::names::{Outcome, State};
use crate::policy::Policy;
use crate::row::{or_none, Row, KEPT_TOUCHPOINTS, NONE};
use crate::touchpoint::Touchpoint;

const LONGEST_MS: i64 = 36_500 * 86_400_000;
const LARGEST_SUM_MICROS: i64 = (1 << 62) - 1;

impl Row {
    /// Open an episode in a row that has none.
    pub fn begin(&mut self, touchpoint: &Touchpoint<'_>, number: u32, policy: &Policy, is_return: bool) {
        self.open = true;
        self.is_return = is_return;
        self.policy = number;
        self.user_id = touchpoint.user_id.map(Into::into);
        self.started_at = touchpoint.occurred_at;
        self.last_activity_at = touchpoint.occurred_at;
        if let Some(rare) = self.rare.as_deref_mut() {
            rare.cleanup_at = NONE;
        }
        self.derive(policy);
    }

    /// Count a touchpoint in the open episode.
    #[inline]
    pub fn apply(&mut self, touchpoint: &Touchpoint<'_>, id: i64, policy: &Policy) {
        let at = touchpoint.occurred_at;
        self.touchpoint_count += 1;
        self.total_cost_micros = self.total_cost_micros.saturating_add(touchpoint.cost_micros).min(LARGEST_SUM_MICROS);
        self.remember(id);
        if self.last_touchpoint_at == NONE || at >= self.last_touchpoint_at {
            self.last_touchpoint_at = at;
            self.last_activity_at = self.last_activity_at.max(at);
            self.take_last_values(touchpoint);
        }
        if policy.fatigue.is_some() || policy.extension.is_some() {
            let times = &mut self.rare_mut().touchpoint_times;
            times.insert(times.partition_point(|known| *known <= at), at);
            if times.len() > KEPT_TOUCHPOINTS {
                times.remove(0);
            }
        }
    }

    fn touchpoint_times(&self) -> &[i64] {
        self.rare.as_deref().map_or(&[], |rare| &rare.touchpoint_times)
    }

    /// Whether the policy's fatigue rule ends the episode.
    pub fn is_tired(&self, policy: &Policy) -> bool {
        let Some((touchpoints, window_ms)) = policy.fatigue else {
            return false;
        };
        if self.last_touchpoint_at == NONE {
            return false;
        }
        let opens = self.last_touchpoint_at - window_ms;
        self.touchpoint_times().iter().filter(|touched| **touched > opens).count() >= touchpoints
    }

    /// Sum of the extensions that keep an engaged episode's timeout from being due at `at`; 0 for none.
    pub fn automatic_extension_ms(&self, at: i64, policy: &Policy) -> i64 {
        let Some((touchpoints, extend_by_ms)) = policy.extension else {
            return 0;
        };
        if !matches!(self.state, State::Considering | State::Intent) {
            return 0;
        }
        let cap_at = self.started_at + policy.max_journey_duration_ms;
        let inactive_at = self.last_activity_at + self.inactivity_in_force_ms;
        let mut extended_by_ms: i64 = 0;
        let mut timeout_at = self.timeout_deadline_at;
        while timeout_at <= at && timeout_at <= inactive_at && timeout_at < cap_at {
            let within = timeout_at - self.inactivity_in_force_ms + 1..=timeout_at;
            if self.touchpoint_times().iter().filter(|touched| within.contains(touched)).count() < touchpoints {
                break;
            }
            extended_by_ms += extend_by_ms;
            timeout_at = (self.timeout_deadline_at + extended_by_ms).min(cap_at);
        }
        extended_by_ms
    }

    /// Deadline of an open episode as the automatic extensions due at `at` would leave it.
    pub fn extended_deadline_at(&self, at: i64, policy: &Policy) -> i64 {
        let timeout_at = self.timeout_deadline_at + self.automatic_extension_ms(at, policy);
        let cap_at = self.started_at + policy.max_journey_duration_ms;
        timeout_at.min(cap_at).min(self.last_activity_at + self.inactivity_in_force_ms)
    }

    /// Move the timeout deadline of the open episode.
    pub fn extend(&mut self, by_ms: i64, policy: &Policy) {
        let rare = self.rare_mut();
        rare.extended_by_ms = (rare.extended_by_ms + by_ms).min(LONGEST_MS);
        self.derive(policy);
    }

    fn take_last_values(&mut self, touchpoint: &Touchpoint<'_>) {
        if let Some(state) = touchpoint.state {
            self.state = state;
        }
        if let Some(probability) = touchpoint.conversion_probability {
            self.conversion_probability_or_nan = probability;
        }
        if let Some(value) = touchpoint.conversion_value_micros {
            self.conversion_value_or_none = value;
        }
        if touchpoint.action_id.is_none() && touchpoint.policy_version.is_none() && touchpoint.propensity.is_none() {
            return;
        }
        let last = self.last.get_or_insert_with(Box::default);
        if let Some(action_id) = touchpoint.action_id {
            last.action_id = Some(action_id.into());
        }
        if let Some(version) = touchpoint.policy_version {
            last.policy_version = Some(version.into());
        }
        if touchpoint.propensity.is_some() {
            last.propensity = touchpoint.propensity;
        }
    }

    /// Close the row: the ended episode becomes the previous one.
    pub fn end(&mut self, ended_at: i64, late_until: i64, outcome: Outcome, penalty: Option<i64>, policy: &Policy) {
        let started_at = self.started_at;
        let rare = self.rare_mut();
        rare.previous_started_at = started_at;
        rare.previous_ended_at = ended_at;
        rare.late_until = late_until;
        rare.previous_outcome = Some(outcome);
        rare.previous_total_penalty_micros = or_none(penalty);
        rare.cleanup_at = ended_at + policy.cleanup_ms;
        rare.extended_by_ms = 0;
        rare.touchpoint_times = Vec::new();
        self.open = false;
        self.user_id = None;
        self.last_touchpoint_at = NONE;
        self.started_at = 0;
        self.last_activity_at = 0;
        self.state = State::Unaware;
        self.touchpoint_count = 0;
        self.total_cost_micros = 0;
        self.last = None;
        self.conversion_probability_or_nan = f64::NAN;
        self.conversion_value_or_none = NONE;
        self.is_return = false;
        self.inactivity_in_force_ms = 0;
        self.timeout_deadline_at = 0;
    }
}
