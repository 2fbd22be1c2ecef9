//! The row of one journey, as small as it can be: a million of them are in memory.

use compact_str::CompactString;

use crate::names::{Outcome, State};
use crate::policy::Policy;
use crate::touchpoint::Touchpoint;

/// In place of an instant or an amount that is not there.
pub const NONE: i64 = i64::MIN;
/// Ids of applied touchpoints that a row remembers.
pub const REMEMBERED: usize = 8;
/// Times of touchpoints that a row keeps, where a rule needs them.
pub const KEPT_TOUCHPOINTS: usize = 64;
const LONGEST_MS: i64 = 36_500 * 86_400_000;
const LARGEST_SUM_MICROS: i64 = (1 << 62) - 1;

/// A number that is not `NONE`.
#[inline]
pub fn some(value: i64) -> Option<i64> {
    (value != NONE).then_some(value)
}

pub fn or_none(value: Option<i64>) -> i64 {
    value.unwrap_or(NONE)
}

/// What rides along from the latest touchpoint; few producers give any.
#[derive(Clone, Default)]
pub struct LastValues {
    pub action_id: Option<Box<str>>,
    pub policy_version: Option<Box<str>>,
    pub propensity: Option<f64>,
}

/// What most rows do not have: overrides, extensions, times of touchpoints, an earlier episode.
#[derive(Clone)]
pub struct Rare {
    pub timeout_ms: i64,
    pub inactivity_ms: i64,
    pub budget_micros: i64,
    pub extended_by_ms: i64,
    pub touchpoint_times: Vec<i64>,
    pub previous_started_at: i64,
    pub previous_ended_at: i64,
    pub late_until: i64,
    pub previous_outcome: Option<Outcome>,
    pub previous_total_penalty_micros: i64,
    pub cleanup_at: i64,
}

impl Default for Rare {
    fn default() -> Self {
        Rare {
            timeout_ms: NONE,
            inactivity_ms: NONE,
            budget_micros: NONE,
            extended_by_ms: 0,
            touchpoint_times: Vec::new(),
            previous_started_at: NONE,
            previous_ended_at: NONE,
            late_until: NONE,
            previous_outcome: None,
            previous_total_penalty_micros: NONE,
            cleanup_at: NONE,
        }
    }
}

/// One journey: fields of journey_row.avsc, and what follows from them under its policy.
#[derive(Clone)]
pub struct Row {
    pub journey_id: CompactString,
    pub user_id: Option<CompactString>,
    pub offset: i64,
    pub record_offset: i64,
    pub started_at: i64,
    pub last_activity_at: i64,
    pub last_touchpoint_at: i64,
    pub total_cost_micros: i64,
    pub touchpoint_count: i64,
    pub timeout_deadline_at: i64,
    pub inactivity_in_force_ms: i64,
    /// Time of its entry in the deadline index, `NONE` without one.
    pub armed_at: i64,
    recent_ids: [i64; REMEMBERED],
    recent_count: u8,
    pub open: bool,
    pub is_return: bool,
    pub state: State,
    pub policy: u32,
    /// Its place among the rows that a batch has changed, plus one; 0 for none.
    pub changed: u32,
    /// NaN where no touchpoint said.
    pub conversion_probability_or_nan: f64,
    /// `NONE` where no touchpoint said.
    pub conversion_value_or_none: i64,
    pub last: Option<Box<LastValues>>,
    pub rare: Option<Box<Rare>>,
}

impl Row {
    /// A row that knows nothing yet.
    pub fn new(journey_id: &str, policy: u32) -> Self {
        Row {
            journey_id: journey_id.into(),
            user_id: None,
            offset: -1,
            record_offset: -1,
            started_at: 0,
            last_activity_at: 0,
            last_touchpoint_at: NONE,
            total_cost_micros: 0,
            touchpoint_count: 0,
            timeout_deadline_at: 0,
            inactivity_in_force_ms: 0,
            armed_at: NONE,
            recent_ids: [0; REMEMBERED],
            recent_count: 0,
            open: false,
            is_return: false,
            state: State::Unaware,
            policy,
            changed: 0,
            conversion_probability_or_nan: f64::NAN,
            conversion_value_or_none: NONE,
            last: None,
            rare: None,
        }
    }

    /// Probability of conversion that the latest touchpoint to say so gave.
    pub fn conversion_probability(&self) -> Option<f64> {
        (!self.conversion_probability_or_nan.is_nan()).then_some(self.conversion_probability_or_nan)
    }

    /// Value of a conversion, in the same way.
    pub fn conversion_value_micros(&self) -> Option<i64> {
        some(self.conversion_value_or_none)
    }

    /// Reach for each part of the row, so that it lies in the processor's cache when it is worked on.
    #[inline]
    pub fn reach(&self) -> i64 {
        let first = self.journey_id.as_bytes().first().copied().unwrap_or(0);
        i64::from(first) ^ self.offset ^ self.armed_at ^ self.recent_ids[0] ^ self.recent_ids[REMEMBERED - 1]
    }

    /// Forget all but what belongs to the store, as if the journey had never been seen.
    pub fn reset(&mut self, policy: u32) {
        let fresh = Row { armed_at: self.armed_at, changed: self.changed, ..Row::new("", policy) };
        let journey_id = std::mem::take(&mut self.journey_id);
        *self = fresh;
        self.journey_id = journey_id;
    }

    /// What few rows have, made if it is not there.
    pub fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_with(Box::default)
    }

    fn rare_value(&self, value: impl Fn(&Rare) -> i64) -> Option<i64> {
        self.rare.as_deref().and_then(|rare| some(value(rare)))
    }

    /// Records at or before this instant are late, if an episode has ended.
    pub fn late_until(&self) -> Option<i64> {
        self.rare_value(|rare| rare.late_until)
    }

    /// When an ended journey is forgotten.
    pub fn cleanup_at(&self) -> Option<i64> {
        self.rare_value(|rare| rare.cleanup_at)
    }

    /// How the last ended episode ended.
    pub fn previous_outcome(&self) -> Option<Outcome> {
        self.rare.as_deref().and_then(|rare| rare.previous_outcome)
    }

    /// Whether the last ended episode was an abandonment.
    pub fn previous_was_abandoned(&self) -> bool {
        self.previous_outcome().is_some_and(|outcome| outcome != Outcome::Converted)
    }

    /// Start of the last ended episode.
    pub fn previous_started_at(&self) -> Option<i64> {
        self.rare_value(|rare| rare.previous_started_at)
    }

    /// End of the last ended episode.
    pub fn previous_ended_at(&self) -> Option<i64> {
        self.rare_value(|rare| rare.previous_ended_at)
    }

    /// Penalty of the last ended episode.
    pub fn previous_total_penalty_micros(&self) -> Option<i64> {
        self.rare_value(|rare| rare.previous_total_penalty_micros)
    }

    /// Budget of the episode: the journey's, else the policy's.
    pub fn budget_micros(&self, policy: &Policy) -> Option<i64> {
        self.rare_value(|rare| rare.budget_micros).or(policy.budget_micros)
    }

    /// Instant at which the open episode is abandoned if nothing more comes.
    #[inline]
    pub fn deadline_at(&self) -> i64 {
        self.timeout_deadline_at.min(self.last_activity_at + self.inactivity_in_force_ms)
    }

    /// Recompute what follows from overrides, extensions and the policy of an open episode.
    pub fn derive(&mut self, policy: &Policy) {
        let timeout_ms = self.rare_value(|rare| rare.timeout_ms).unwrap_or(policy.timeout_ms);
        let extended_by_ms = self.rare.as_deref().map_or(0, |rare| rare.extended_by_ms);
        self.inactivity_in_force_ms = self.rare_value(|rare| rare.inactivity_ms).unwrap_or(policy.inactivity_ms);
        self.timeout_deadline_at = self.started_at + (timeout_ms + extended_by_ms).min(policy.max_journey_duration_ms);
    }

    /// Whether the id is among the last 8 applied.
    #[inline]
    pub fn remembers(&self, id: i64) -> bool {
        self.recent_ids().contains(&id)
    }

    /// Ids of the last touchpoints applied, oldest first.
    #[inline]
    pub fn recent_ids(&self) -> &[i64] {
        &self.recent_ids[..usize::from(self.recent_count)]
    }

    /// Set the remembered ids; gives false for too many.
    pub fn set_recent_ids(&mut self, ids: &[i64]) -> bool {
        if ids.len() > REMEMBERED {
            return false;
        }
        self.recent_ids[..ids.len()].copy_from_slice(ids);
        self.recent_count = ids.len() as u8;
        true
    }

    /// Add an applied id; the oldest of more than 8 goes.
    #[inline]
    fn remember(&mut self, id: i64) {
        let count = usize::from(self.recent_count);
        if count < REMEMBERED {
            self.recent_ids[count] = id;
            self.recent_count += 1;
        } else {
            self.recent_ids.copy_within(1.., 0);
            self.recent_ids[REMEMBERED - 1] = id;
        }
    }

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
