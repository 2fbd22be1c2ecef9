//! Until when an open episode runs: its timeout and its inactivity, whichever comes first, and extensions.

use crate::rule::deadline_rules::{first, Asked};
use crate::rule::limits::LONGEST_MS;
use crate::rule::{Episode, Journey, Observer, Policy, State};

impl Episode {
    /// Instant at which it is abandoned if nothing more comes.
    #[inline]
    pub fn deadline_at(&self) -> i64 {
        self.timeout_deadline_at.min(self.inactive_at())
    }

    #[inline]
    fn inactive_at(&self) -> i64 {
        self.last_activity_at + self.inactivity_in_force_ms
    }
}

impl Journey {
    /// Instant at which the open episode is abandoned if nothing more comes; `None` while none is open.
    #[inline]
    pub fn deadline_at(&self) -> Option<i64> {
        self.episode.as_ref().map(Episode::deadline_at)
    }

    /// Deadline of the open episode as the automatic extensions that are due at `at` would leave it.
    pub fn extended_deadline_at(&self, at: i64, policy: &Policy) -> Option<i64> {
        self.episode.as_ref().map(|episode| {
            let timeout_at = episode.timeout_deadline_at + self.automatic_extension_ms(episode, at, policy);
            let cap_at = episode.started_at + policy.max_journey_duration_ms;
            timeout_at.min(cap_at).min(episode.inactive_at())
        })
    }

    /// Whether the deadline of the open episode is not after an instant.
    #[inline]
    pub fn is_due(&self, at: i64) -> bool {
        self.deadline_at().is_some_and(|deadline_at| deadline_at <= at)
    }

    /// Compute what follows from overrides, extensions and the policy of the open episode.
    ///
    /// Each duration is the journey's own, else that of the first rule that holds and gives it, else the policy's.
    #[inline]
    pub fn derive(&mut self, policy: &Policy) {
        let (overrides, extended_by_ms) = (self.overrides(), self.extended_by_ms());
        let rules = &policy.deadline_rules[..];
        let (mut by_timeout, mut by_inactivity) = (None, None);
        if let (Some(asked), false) = (self.asked(), rules.is_empty()) {
            if !overrides.timeout_ms.is_some() {
                by_timeout = first(rules, asked, |rule| rule.timeout_ms);
            }
            if !overrides.inactivity_ms.is_some() {
                by_inactivity = first(rules, asked, |rule| rule.inactivity_ms);
            }
        }
        if let Some(episode) = &mut self.episode {
            let given = |rule: Option<(u8, i64)>, policys: i64| rule.map_or(policys, |(_, milliseconds)| milliseconds);
            let timeout_ms = overrides.timeout_ms.get().unwrap_or(given(by_timeout, policy.timeout_ms));
            let lasts_ms = (timeout_ms + extended_by_ms).min(policy.max_journey_duration_ms);
            episode.timeout_deadline_at = episode.started_at + lasts_ms;
            let inactivity_ms = given(by_inactivity, policy.inactivity_ms);
            episode.inactivity_in_force_ms = overrides.inactivity_ms.get().unwrap_or(inactivity_ms);
            episode.timeout_rule = by_timeout.map(|(number, _)| number);
            episode.inactivity_rule = by_inactivity.map(|(number, _)| number);
        }
    }

    /// What rules ask of a journey whose episode is open.
    fn asked(&self) -> Option<Asked<'_>> {
        let episode = self.episode.as_ref()?;
        Some(Asked { state: episode.state, segment: self.segment(), touchpoints: self.touchpoints(episode) })
    }

    /// Move the timeout of the open episode, up to the policy's cap.
    pub fn extend(&mut self, by_ms: i64, policy: &Policy) {
        let rare = self.rare_mut();
        rare.extended_by_ms = (rare.extended_by_ms + by_ms).min(LONGEST_MS);
        self.derive(policy);
    }

    /// Extend an engaged episode whose timeout is due at `at`, if its policy says so; gives whether it did.
    pub fn extend_automatically(&mut self, at: i64, policy: &Policy, observer: &mut impl Observer) -> bool {
        let Some(episode) = &self.episode else {
            return false;
        };
        let due_at = episode.timeout_deadline_at;
        let by_ms = self.automatic_extension_ms(episode, at, policy);
        if by_ms == 0 {
            return false;
        }
        self.extend(by_ms, policy);
        if let Some(episode) = &self.episode {
            observer.extended(episode, by_ms, due_at, policy);
        }
        true
    }

    /// Sum of the extensions that keep an engaged episode's timeout from being due at `at`; 0 for none.
    fn automatic_extension_ms(&self, episode: &Episode, at: i64, policy: &Policy) -> i64 {
        let Some((touchpoints, extend_by_ms)) = policy.extension else {
            return 0;
        };
        if !matches!(episode.state, State::Considering | State::Intent) {
            return 0;
        }
        let cap_at = episode.started_at + policy.max_journey_duration_ms;
        let inactive_at = episode.inactive_at();
        let mut by_ms: i64 = 0;
        let mut timeout_at = episode.timeout_deadline_at;
        while timeout_at <= at && timeout_at <= inactive_at && timeout_at < cap_at {
            let within = timeout_at - episode.inactivity_in_force_ms + 1..=timeout_at;
            if self.touchpoint_times().iter().filter(|touched| within.contains(touched)).count() < touchpoints {
                break;
            }
            by_ms += extend_by_ms;
            timeout_at = (episode.timeout_deadline_at + by_ms).min(cap_at);
        }
        by_ms
    }
}
