//! How an episode begins, and what a registration says of its journey.

use crate::rule::{Episode, Journey, Observer, OptionalF64, OptionalI64, Policy, State};

/// What a journey has in place of the policy's durations and budget; it belongs to the journey until that is forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Overrides {
    pub timeout_ms: OptionalI64,
    pub inactivity_ms: OptionalI64,
    pub budget_micros: OptionalI64,
}

impl Overrides {
    /// None.
    pub const NONE: Self =
        Overrides { timeout_ms: OptionalI64::NONE, inactivity_ms: OptionalI64::NONE, budget_micros: OptionalI64::NONE };

    /// These, where `self` gives none of its own.
    fn or(self, earlier: Self) -> Self {
        Overrides {
            timeout_ms: self.timeout_ms.get().or(earlier.timeout_ms.get()).into(),
            inactivity_ms: self.inactivity_ms.get().or(earlier.inactivity_ms.get()).into(),
            budget_micros: self.budget_micros.get().or(earlier.budget_micros.get()).into(),
        }
    }
}

impl Episode {
    /// An episode without touchpoints; its deadlines have to be derived.
    #[inline]
    pub const fn new(started_at: i64, is_return: bool) -> Self {
        Episode {
            started_at,
            last_activity_at: started_at,
            last_touchpoint_at: OptionalI64::NONE,
            total_cost_micros: 0,
            touchpoint_count: 0,
            conversion_probability: OptionalF64::NONE,
            conversion_value_micros: OptionalI64::NONE,
            timeout_deadline_at: 0,
            inactivity_in_force_ms: 0,
            state: State::Unaware,
            is_return,
        }
    }
}

impl Journey {
    /// Open an episode.
    pub fn begin(&mut self, at: i64, is_return: bool, policy: &Policy) {
        if let Some(rare) = self.rare.as_deref_mut() {
            rare.cleanup_at = OptionalI64::NONE;
        }
        self.recent_ids.cut(policy.remembered_ids);
        self.episode = Some(Episode::new(at, is_return));
        self.derive(policy);
    }

    /// Apply a registration that is not late: it opens an episode where none is open, and its overrides hold from now
    /// on. An absent one leaves the earlier.
    pub fn register(&mut self, at: i64, given: Overrides, policy: &Policy, observer: &mut impl Observer) {
        if !self.is_open() {
            // It is no return: nobody has seen the person come back.
            self.begin(at, false, policy);
            if let Some(episode) = &self.episode {
                observer.began(self, episode, None, policy);
            }
        }
        let rare = self.rare_mut();
        rare.overrides = given.or(rare.overrides);
        self.derive(policy);
    }
}
