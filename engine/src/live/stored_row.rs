//! The row of one journey as the changelog has it: the Avro body of journey_row.avsc.

use crate::live::row::{Action, Labels, Row};
use crate::rule::limits::{KEPT_TOUCHPOINTS, MOST_REMEMBERED_IDS};
use crate::rule::{Episode, Journey, OptionalI64, Outcome, Overrides, Previous, Rare, RecentIds, State};
use crate::wire::avro::{Reader, Writer};

/// What a row says of its episode while none is open.
static CLOSED: Episode = Episode::new(0, false);

impl Row {
    /// Write the Avro body of the stored row.
    pub fn write(&self, policy_version: &str, out: &mut Vec<u8>) {
        let journey = &self.journey;
        let episode = journey.episode.as_ref().unwrap_or(&CLOSED);
        let action = self.labels.action.as_deref();
        let previous = journey.previous();
        let Overrides { timeout_ms, inactivity_ms, budget_micros } = journey.overrides();
        let mut body = Writer::new(out);
        body.long(self.offset);
        body.long(self.record_offset);
        body.boolean(journey.is_open());
        body.text(policy_version);
        body.optional(timeout_ms.get(), Writer::long);
        body.optional(inactivity_ms.get(), Writer::long);
        body.optional(budget_micros.get(), Writer::long);
        let (older, newer) = journey.recent_ids.in_order();
        body.longs(older, newer);
        body.optional(self.labels.user_id.as_deref(), Writer::text);
        body.long(episode.started_at);
        body.long(episode.last_activity_at);
        body.optional(episode.last_touchpoint_at.get(), Writer::long);
        body.text(episode.state.name());
        body.long(episode.touchpoint_count);
        body.long(episode.total_cost_micros);
        body.optional(episode.conversion_probability.get(), Writer::double);
        body.optional(episode.conversion_value_micros.get(), Writer::long);
        body.long(journey.extended_by_ms());
        body.optional(action.and_then(|action| action.action_id.as_deref()), Writer::text);
        body.optional(action.and_then(|action| action.policy_version.as_deref()), Writer::text);
        body.optional(action.and_then(|action| action.propensity), Writer::double);
        body.longs(journey.touchpoint_times(), &[]);
        body.boolean(episode.is_return);
        body.optional(previous.map(|previous| previous.started_at), Writer::long);
        body.optional(previous.map(|previous| previous.ended_at), Writer::long);
        body.optional(previous.map(|previous| previous.late_until), Writer::long);
        body.optional(previous.map(|previous| previous.outcome.name()), Writer::text);
        body.optional(previous.and_then(|previous| previous.total_penalty_micros.get()), Writer::long);
        body.optional(journey.cleanup_at(), Writer::long);
    }

    /// The row of an Avro body, under the policy of the version that it names; `None` where it is damaged.
    ///
    /// `policy_of` gives a policy's number. What follows from the policy has to be derived.
    pub fn read(body: &[u8], journey_id: &str, mut policy_of: impl FnMut(&str) -> Option<u32>) -> Option<Self> {
        let mut body = Reader::new(body);
        let mut rare = Rare::default();
        let (offset, record_offset) = (body.long()?, body.long()?);
        let is_open = body.boolean()?;
        let policy = policy_of(body.text()?)?;
        for given in
            [&mut rare.overrides.timeout_ms, &mut rare.overrides.inactivity_ms, &mut rare.overrides.budget_micros]
        {
            *given = body.optional(Reader::long)?.into();
        }
        let mut recent_ids = RecentIds::EMPTY;
        body.longs(MOST_REMEMBERED_IDS, |id| recent_ids.add(id, MOST_REMEMBERED_IDS))?;
        let user_id = body.optional(Reader::text)?.map(Into::into);
        let mut episode = Episode::new(body.long()?, false);
        episode.last_activity_at = body.long()?;
        episode.last_touchpoint_at = body.optional(Reader::long)?.into();
        episode.state = State::of(body.text()?)?;
        episode.touchpoint_count = body.long()?;
        episode.total_cost_micros = body.long()?;
        episode.conversion_probability = body.optional(Reader::double)?.into();
        episode.conversion_value_micros = body.optional(Reader::long)?.into();
        rare.extended_by_ms = body.long()?;
        let action = Action {
            action_id: body.optional(Reader::text)?.map(Into::into),
            policy_version: body.optional(Reader::text)?.map(Into::into),
            propensity: body.optional(Reader::double)?,
        };
        body.longs(KEPT_TOUCHPOINTS, |at| rare.touchpoint_times.push(at))?;
        episode.is_return = body.boolean()?;
        rare.previous = previous_of(&mut body)?;
        rare.cleanup_at = body.optional(Reader::long)?.into();
        if !body.is_empty() {
            return None;
        }
        let labels = Labels { journey_id: journey_id.into(), user_id, action: action.boxed() };
        let journey = Journey { episode: is_open.then_some(episode), recent_ids, rare: rare.boxed() };
        Some(Row { labels, journey, offset, record_offset, armed_at: OptionalI64::NONE, policy, changed: 0 })
    }
}

/// The episode that ended last, whose fields are all there or none.
fn previous_of(body: &mut Reader<'_>) -> Option<Option<Previous>> {
    let instants = (body.optional(Reader::long)?, body.optional(Reader::long)?, body.optional(Reader::long)?);
    let outcome = body.optional(Reader::text)?.map(Outcome::of);
    let total_penalty_micros = body.optional(Reader::long)?.into();
    match (instants, outcome) {
        ((Some(started_at), Some(ended_at), Some(late_until)), Some(outcome)) => {
            Some(Some(Previous { started_at, ended_at, late_until, outcome: outcome?, total_penalty_micros }))
        }
        ((None, None, None), None) => Some(None),
        _ => None,
    }
}

impl Rare {
    /// In a box, if there is any of it.
    fn boxed(self) -> Option<Box<Self>> {
        let is_there = self.overrides != Overrides::NONE
            || self.extended_by_ms != 0
            || !self.touchpoint_times.is_empty()
            || self.previous.is_some()
            || self.cleanup_at.is_some();
        is_there.then(|| Box::new(self))
    }
}

impl Action {
    /// In a box, if there is any of it.
    fn boxed(self) -> Option<Box<Self>> {
        let is_there = self.action_id.is_some() || self.policy_version.is_some() || self.propensity.is_some();
        is_there.then(|| Box::new(self))
    }
}
