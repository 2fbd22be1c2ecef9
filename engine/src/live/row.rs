//! The row of one journey, as small as it can be: a million of them are in memory.

use compact_str::CompactString;

use crate::rule::{Episode, Journey, OptionalI64, UNKNOWN};
use crate::wire::touchpoint::Touchpoint;

/// One journey of a partition: what the rule knows of it, and what belongs to storage and outputs.
#[derive(Clone)]
pub struct Row {
    pub labels: Labels,
    pub journey: Journey,
    /// Offset of the last record applied.
    pub offset: i64,
    /// Offset of the last touchpoint applied.
    pub record_offset: i64,
    /// Time of its entry in the deadline index.
    pub armed_at: OptionalI64,
    /// Number of the policy under which its latest episode began.
    pub policy: u32,
    /// Its place among the rows that a batch has changed, plus one; 0 while it is not among them.
    pub changed: u32,
}

/// What outputs say of a journey, and the rule never asks for.
#[derive(Clone, Default)]
pub struct Labels {
    pub journey_id: CompactString,
    /// Of the record that opened the episode.
    pub user_id: Option<CompactString>,
    /// Of the latest touchpoint; few producers give any.
    pub action: Option<Box<Action>>,
}

/// What a touchpoint carries for off-policy evaluation.
#[derive(Clone, Default)]
pub struct Action {
    pub action_id: Option<Box<str>>,
    pub policy_version: Option<Box<str>>,
    pub propensity: Option<f64>,
}

impl Row {
    /// A row that knows nothing yet.
    pub fn new(journey_id: &str, policy: u32) -> Self {
        Row {
            labels: Labels { journey_id: journey_id.into(), ..Labels::default() },
            journey: UNKNOWN.clone(),
            offset: -1,
            record_offset: -1,
            armed_at: OptionalI64::NONE,
            policy,
            changed: 0,
        }
    }

    /// Whose it is.
    #[inline]
    pub fn journey_id(&self) -> &str {
        &self.labels.journey_id
    }

    /// Reach for each part of the row, so that it lies in the processor's cache when it is worked on.
    #[inline]
    pub fn reach(&self) -> i64 {
        let first = self.labels.journey_id.as_bytes().first().copied().unwrap_or(0);
        let ends = |episode: &Episode| episode.started_at ^ episode.inactivity_in_force_ms;
        let episode = self.journey.episode.as_ref().map_or(0, ends);
        i64::from(first) ^ self.offset ^ self.journey.recent_ids.ends() ^ episode ^ i64::from(self.changed)
    }

    /// Free what an ended episode leaves.
    pub fn clear_episode(&mut self) {
        self.labels.user_id = None;
        self.labels.action = None;
        if let Some(rare) = self.journey.rare.as_deref_mut() {
            rare.touchpoint_times = Vec::new();
        }
    }

    /// Forget all but what belongs to the store, as if the journey had never been seen.
    pub fn clear(&mut self) {
        self.clear_episode();
        self.journey = UNKNOWN.clone();
        self.record_offset = -1;
    }
}

impl Labels {
    /// Take what a touchpoint carries for off-policy evaluation; what is absent leaves the earlier.
    #[inline]
    pub fn take_action(&mut self, touchpoint: &Touchpoint<'_>) {
        if touchpoint.action_id.is_none() && touchpoint.policy_version.is_none() && touchpoint.propensity.is_none() {
            return;
        }
        let action = self.action.get_or_insert_with(Box::default);
        if let Some(action_id) = touchpoint.action_id {
            action.action_id = Some(action_id.into());
        }
        if let Some(version) = touchpoint.policy_version {
            action.policy_version = Some(version.into());
        }
        action.propensity = touchpoint.propensity.or(action.propensity);
    }
}
