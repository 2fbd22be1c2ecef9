//! What is known of one journey: its open episode, and what stays of it between episodes.

use crate::rule::{OptionalF64, OptionalI64, Outcome, Overrides, RecentIds, State};

/// A journey that no record has come of, or that has been forgotten.
pub static UNKNOWN: Journey = Journey { episode: None, recent_ids: RecentIds::EMPTY, rare: None };

/// One journey, as far as the rule asks for it. Names are those of journey_row.avsc.
#[derive(Clone)]
pub struct Journey {
    /// The open episode; `None` while none is open.
    pub episode: Option<Episode>,
    /// Ids of the last records applied, across episodes.
    pub recent_ids: RecentIds,
    /// What most journeys have none of.
    pub rare: Option<Box<Rare>>,
}

/// An open episode.
#[derive(Clone)]
pub struct Episode {
    pub started_at: i64,
    /// Its start, or its latest touchpoint.
    pub last_activity_at: i64,
    pub last_touchpoint_at: OptionalI64,
    pub total_cost_micros: i64,
    pub touchpoint_count: i64,
    /// As the latest touchpoints that gave one said.
    pub conversion_probability: OptionalF64,
    /// As the latest touchpoints that gave one said.
    pub conversion_value_micros: OptionalI64,
    /// Derived: instant of its timeout, extensions and the cap counted.
    pub timeout_deadline_at: i64,
    /// Derived: the journey's inactivity threshold, else the policy's.
    pub inactivity_in_force_ms: i64,
    /// Derived: number of the policy's rule that gave the timeout, and of the one that gave the inactivity threshold.
    pub timeout_rule: Option<u8>,
    pub inactivity_rule: Option<u8>,
    pub state: State,
    /// Whether it began with a touchpoint after an abandonment.
    pub is_return: bool,
}

/// What most journeys have none of: overrides, extensions, times of touchpoints, an earlier episode, a segment.
#[derive(Clone, Default)]
pub struct Rare {
    pub overrides: Overrides,
    /// Extensions of the open episode.
    pub extended_by_ms: i64,
    /// Ascending times of the open episode's latest touchpoints, where the policy has a rule that needs them.
    pub touchpoint_times: Vec<i64>,
    /// The episode that ended last.
    pub previous: Option<Previous>,
    /// From when on an ended journey counts as forgotten; absent while an episode is open.
    pub cleanup_at: OptionalI64,
    /// The producer's label, as the latest record that gave one said.
    pub segment: Option<Box<str>>,
    /// Touchpoints applied in ended episodes.
    pub earlier_touchpoint_count: i64,
}

/// The episode that ended last.
#[derive(Clone, Debug, PartialEq)]
pub struct Previous {
    pub started_at: i64,
    pub ended_at: i64,
    /// Records at or before this instant are late.
    pub late_until: i64,
    pub outcome: Outcome,
    /// Penalty and opportunity cost; absent after a conversion.
    pub total_penalty_micros: OptionalI64,
}

impl Previous {
    /// Whether it ended without a conversion.
    #[inline]
    pub fn was_abandoned(&self) -> bool {
        self.outcome != Outcome::Converted
    }
}

impl Journey {
    /// Forget all of it. Memory that it has stays for what comes next.
    #[inline]
    pub fn clear(&mut self) {
        self.episode = None;
        self.recent_ids.clear();
        if let Some(rare) = self.rare.as_deref_mut() {
            rare.overrides = Overrides::NONE;
            rare.extended_by_ms = 0;
            rare.touchpoint_times.clear();
            rare.previous = None;
            rare.cleanup_at = OptionalI64::NONE;
            rare.segment = None;
            rare.earlier_touchpoint_count = 0;
        }
    }

    /// Whether an episode is open.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.episode.is_some()
    }

    /// The episode that ended last.
    #[inline]
    pub fn previous(&self) -> Option<&Previous> {
        self.rare.as_deref()?.previous.as_ref()
    }

    /// What the journey's registrations have overridden.
    #[inline]
    pub fn overrides(&self) -> Overrides {
        self.rare.as_deref().map_or(Overrides::NONE, |rare| rare.overrides)
    }

    /// Sum of the open episode's extensions.
    #[inline]
    pub fn extended_by_ms(&self) -> i64 {
        self.rare.as_deref().map_or(0, |rare| rare.extended_by_ms)
    }

    /// Times of the open episode's touchpoints, as far as they are kept.
    #[inline]
    pub fn touchpoint_times(&self) -> &[i64] {
        self.rare.as_deref().map_or(&[], |rare| &rare.touchpoint_times)
    }

    /// The producer's label.
    #[inline]
    pub fn segment(&self) -> Option<&str> {
        self.rare.as_deref()?.segment.as_deref()
    }

    /// Take a label that a record gives.
    #[inline]
    pub fn take_segment(&mut self, segment: Option<&str>) {
        if segment.is_some() && segment != self.segment() {
            self.rare_mut().segment = segment.map(Into::into);
        }
    }

    /// Touchpoints applied to the journey in all its episodes, of which this one is the last.
    #[inline]
    pub fn touchpoints(&self, episode: &Episode) -> i64 {
        episode.touchpoint_count + self.rare.as_deref().map_or(0, |rare| rare.earlier_touchpoint_count)
    }

    /// What most journeys have none of, made if it is not there.
    #[inline]
    pub fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_with(Box::default)
    }
}
