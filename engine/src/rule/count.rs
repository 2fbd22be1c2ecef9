//! What a touchpoint adds to its open episode.

use crate::rule::limits::{KEPT_TOUCHPOINTS, LARGEST_SUM_MICROS};
use crate::rule::{Episode, Journey, OptionalF64, OptionalI64, State};

/// One impression, click or visit, as far as the rule asks for it.
#[derive(Clone, Copy, Debug)]
pub struct Touchpoint<'a> {
    pub occurred_at: i64,
    pub cost_micros: i64,
    /// State after it, if it says.
    pub state: Option<State>,
    pub conversion_probability: OptionalF64,
    pub conversion_value_micros: OptionalI64,
    /// The producer's label for the journey.
    pub segment: Option<&'a str>,
}

impl Journey {
    /// Whether a touchpoint is not older than the latest one of its episode: then it sets what it carries.
    #[inline]
    pub fn is_latest(&self, at: i64) -> bool {
        self.episode.as_ref().is_none_or(|episode| episode.is_latest(at))
    }

    /// Keep the time of a touchpoint, among the latest.
    pub(super) fn keep_time(&mut self, at: i64) {
        let times = &mut self.rare_mut().touchpoint_times;
        times.insert(times.partition_point(|known| *known <= at), at);
        if times.len() > KEPT_TOUCHPOINTS {
            times.remove(0);
        }
    }
}

impl Episode {
    #[inline]
    fn is_latest(&self, at: i64) -> bool {
        self.last_touchpoint_at.get().is_none_or(|last| at >= last)
    }

    /// Add a touchpoint. State, probability and value are those of the latest touchpoint that gave them.
    #[inline]
    pub(super) fn count(&mut self, touchpoint: &Touchpoint<'_>) {
        let at = touchpoint.occurred_at;
        self.touchpoint_count += 1;
        self.total_cost_micros = self.total_cost_micros.saturating_add(touchpoint.cost_micros).min(LARGEST_SUM_MICROS);
        if self.is_latest(at) {
            self.last_touchpoint_at = at.into();
            self.last_activity_at = self.last_activity_at.max(at);
            if let Some(state) = touchpoint.state {
                self.state = state;
            }
            if touchpoint.conversion_probability.is_some() {
                self.conversion_probability = touchpoint.conversion_probability;
            }
            if touchpoint.conversion_value_micros.is_some() {
                self.conversion_value_micros = touchpoint.conversion_value_micros;
            }
        }
    }
}
