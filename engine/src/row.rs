//! The row of one journey, as small as it can be: a million of them are in memory.

use compact_str::CompactString;

use crate::names::{Outcome, State};
use crate::policy::Policy;

/// In place of an instant or an amount that is not there.
pub const NONE: i64 = i64::MIN;
/// Ids of applied touchpoints that a row remembers.
pub const REMEMBERED: usize = 8;
/// Times of touchpoints that a row keeps, where a rule needs them.
pub const KEPT_TOUCHPOINTS: usize = 64;

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
    pub fn remember(&mut self, id: i64) {
        let count = usize::from(self.recent_count);
        if count < REMEMBERED {
            self.recent_ids[count] = id;
            self.recent_count += 1;
        } else {
            self.recent_ids.copy_within(1.., 0);
            self.recent_ids[REMEMBERED - 1] = id;
        }
    }
}
