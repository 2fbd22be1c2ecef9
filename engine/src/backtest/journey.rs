//! What one journey is while its records are gone through: its open episode, and what it remembers of earlier ones.

use crate::backtest::history::{Record, Request, NOT_GIVEN};
use crate::names::State;
use crate::policy::Policy;
use crate::row::{KEPT_TOUCHPOINTS, NONE, REMEMBERED};

const LONGEST_MS: i64 = 36_500 * 86_400_000;
const LARGEST_SUM_MICROS: i64 = (1 << 62) - 1;
/// An instant that never comes.
pub const NEVER: i64 = i64::MAX;

/// One journey. Fields are named as those of `journeys.streams.rule.row.Row`.
pub struct Journey {
    pub open: bool,
    pub is_return: bool,
    pub state: u8,
    pub started_at: i64,
    pub last_activity_at: i64,
    pub last_touchpoint_at: i64,
    pub timeout_deadline_at: i64,
    pub touchpoint_count: i64,
    pub total_cost_micros: i64,
    pub probability: f64,
    pub value_micros: i64,
    inactivity_in_force_ms: i64,
    extended_by_ms: i64,
    touchpoint_times: Vec<i64>,

    /// `NONE` before the first end.
    pub late_until: i64,
    pub previous_ended_at: i64,
    pub previous_penalty_micros: i64,
    pub was_abandoned: bool,
    /// `NEVER` while an episode is open.
    pub cleanup_at: i64,
    timeout_ms: i64,
    inactivity_ms: i64,
    budget_micros: i64,
    recent: [u32; REMEMBERED],
    recent_count: usize,

    /// The clock at the journey's last line, and whether the line behind that moves it.
    pub clock: i64,
    pub clock_moves: bool,
    /// Whether an episode has ever begun.
    pub has_begun: bool,
}

impl Journey {
    /// A journey that knows nothing.
    pub fn new() -> Self {
        let mut journey = Journey {
            open: false,
            is_return: false,
            state: 0,
            started_at: 0,
            last_activity_at: 0,
            last_touchpoint_at: NONE,
            timeout_deadline_at: 0,
            touchpoint_count: 0,
            total_cost_micros: 0,
            probability: f64::NAN,
            value_micros: NOT_GIVEN,
            inactivity_in_force_ms: 0,
            extended_by_ms: 0,
            touchpoint_times: Vec::new(),
            late_until: NONE,
            previous_ended_at: NONE,
            previous_penalty_micros: 0,
            was_abandoned: false,
            cleanup_at: NEVER,
            timeout_ms: NOT_GIVEN,
            inactivity_ms: NOT_GIVEN,
            budget_micros: NOT_GIVEN,
            recent: [0; REMEMBERED],
            recent_count: 0,
            clock: NONE,
            clock_moves: false,
            has_begun: false,
        };
        journey.forget();
        journey
    }

    /// Be as if no record had ever come. What belongs to an episode is set when one begins.
    #[inline]
    pub fn forget(&mut self) {
        self.open = false;
        self.late_until = NONE;
        self.was_abandoned = false;
        self.cleanup_at = NEVER;
        self.timeout_ms = NOT_GIVEN;
        self.inactivity_ms = NOT_GIVEN;
        self.budget_micros = NOT_GIVEN;
        self.recent_count = 0;
    }

    /// Instant at which the open episode is abandoned if nothing more comes.
    #[inline]
    pub fn deadline_at(&self) -> i64 {
        self.timeout_deadline_at.min(self.last_activity_at + self.inactivity_in_force_ms)
    }

    /// Whether a record that opens or continues an episode comes too late, at the clock `now`.
    #[inline]
    pub fn is_late(&self, at: i64, now: i64, policy: &Policy) -> bool {
        if self.late_until != NONE {
            return at <= self.late_until;
        }
        !self.open && at <= now - policy.cleanup_ms
    }

    /// Whether an id, told by the row of the journey's first record with it, is among the last 8 applied.
    pub fn remembers(&self, id: u32) -> bool {
        self.recent[..self.recent_count.min(REMEMBERED)].contains(&id)
    }

    /// Add an applied id; the oldest of more than 8 goes.
    #[inline]
    pub fn remember(&mut self, id: u32) {
        self.recent[self.recent_count % REMEMBERED] = id;
        self.recent_count += 1;
    }

    /// Open an episode.
    pub fn begin(&mut self, at: i64, is_return: bool, policy: &Policy) {
        self.open = true;
        self.has_begun = true;
        self.is_return = is_return;
        self.state = State::Unaware as u8;
        self.started_at = at;
        self.last_activity_at = at;
        self.last_touchpoint_at = NONE;
        self.touchpoint_count = 0;
        self.total_cost_micros = 0;
        self.probability = f64::NAN;
        self.value_micros = NOT_GIVEN;
        self.extended_by_ms = 0;
        self.touchpoint_times.clear();
        self.cleanup_at = NEVER;
        self.derive(policy);
    }

    fn derive(&mut self, policy: &Policy) {
        let given = |override_: i64, of_policy: i64| {
            if override_ == NOT_GIVEN {
                of_policy
            } else {
                override_
            }
        };
        self.inactivity_in_force_ms = given(self.inactivity_ms, policy.inactivity_ms);
        let timeout_ms = given(self.timeout_ms, policy.timeout_ms);
        self.timeout_deadline_at =
            self.started_at + (timeout_ms + self.extended_by_ms).min(policy.max_journey_duration_ms);
    }

    /// Count a touchpoint in the open episode.
    #[inline]
    pub fn count(&mut self, touchpoint: &Record, policy: &Policy) {
        let at = touchpoint.occurred_at;
        self.touchpoint_count += 1;
        self.total_cost_micros = self.total_cost_micros.saturating_add(touchpoint.cost_micros).min(LARGEST_SUM_MICROS);
        if at >= self.last_touchpoint_at {
            self.last_touchpoint_at = at;
            self.last_activity_at = self.last_activity_at.max(at);
            if touchpoint.state != 0 {
                self.state = touchpoint.state - 1;
            }
            if !touchpoint.probability.is_nan() {
                self.probability = touchpoint.probability;
            }
            if touchpoint.value_micros != NOT_GIVEN {
                self.value_micros = touchpoint.value_micros;
            }
        }
        if policy.fatigue.is_some() || policy.extension.is_some() {
            let times = &mut self.touchpoint_times;
            times.insert(times.partition_point(|known| *known <= at), at);
            if times.len() > KEPT_TOUCHPOINTS {
                times.remove(0);
            }
        }
    }

    /// Budget of the episode: the journey's, else the policy's.
    #[inline]
    pub fn budget_micros(&self, policy: &Policy) -> Option<i64> {
        if self.budget_micros == NOT_GIVEN {
            policy.budget_micros
        } else {
            Some(self.budget_micros)
        }
    }

    /// Whether the policy's fatigue rule ends the episode.
    pub fn is_tired(&self, policy: &Policy) -> bool {
        policy.fatigue.is_some_and(|(touchpoints, window_ms)| {
            let opens = self.last_touchpoint_at - window_ms;
            let times = &self.touchpoint_times;
            times.len() - times.partition_point(|touched| *touched <= opens) >= touchpoints
        })
    }

    /// Extend an engaged episode whose timeout is due at `at`, as often as its policy says.
    pub fn extend_automatically(&mut self, at: i64, policy: &Policy) {
        let Some((touchpoints, extend_by_ms)) = policy.extension else {
            return;
        };
        if self.state != State::Considering as u8 && self.state != State::Intent as u8 {
            return;
        }
        let cap_at = self.started_at + policy.max_journey_duration_ms;
        let inactive_at = self.last_activity_at + self.inactivity_in_force_ms;
        let mut extended_by_ms: i64 = 0;
        let mut timeout_at = self.timeout_deadline_at;
        while timeout_at <= at && timeout_at <= inactive_at && timeout_at < cap_at {
            let within = timeout_at - self.inactivity_in_force_ms + 1..=timeout_at;
            let times = self.touchpoint_times.iter();
            if times.filter(|touched| within.contains(touched)).count() < touchpoints {
                break;
            }
            extended_by_ms += extend_by_ms;
            timeout_at = (self.timeout_deadline_at + extended_by_ms).min(cap_at);
        }
        if extended_by_ms != 0 {
            self.extend(extended_by_ms, policy);
        }
    }

    /// Move the timeout deadline of the open episode.
    pub fn extend(&mut self, by_ms: i64, policy: &Policy) {
        self.extended_by_ms = (self.extended_by_ms + by_ms).min(LONGEST_MS);
        self.derive(policy);
    }

    /// Take the overrides that a registration carries; an absent one leaves the earlier.
    pub fn take_overrides(&mut self, registration: &Request, policy: &Policy) {
        for (mine, given) in [
            (&mut self.timeout_ms, registration.timeout_ms),
            (&mut self.inactivity_ms, registration.inactivity_ms),
            (&mut self.budget_micros, registration.budget_micros),
        ] {
            if given != NOT_GIVEN {
                *mine = given;
            }
        }
        self.derive(policy);
    }

    /// Close the episode: it becomes the previous one.
    pub fn end(&mut self, ended_at: i64, late_until: i64, policy: &Policy) {
        self.open = false;
        self.previous_ended_at = ended_at;
        self.late_until = late_until;
        self.cleanup_at = ended_at + policy.cleanup_ms;
    }
}
