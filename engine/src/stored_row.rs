//! The row of one journey as the changelog has it: the Avro body of journey_row.avsc.

use crate::avro::{Reader, Writer};
use crate::names::{Outcome, State};
use crate::row::{or_none, some, LastValues, Rare, Row, KEPT_TOUCHPOINTS, NONE, REMEMBERED};

impl Row {
    /// Write the Avro body of the stored row.
    pub fn write(&self, policy_version: &str, out: &mut Vec<u8>) {
        let last = self.last.as_deref();
        let rare = self.rare.as_deref();
        let mut body = Writer::new(out);
        body.long(self.offset);
        body.long(self.record_offset);
        body.boolean(self.open);
        body.text(policy_version);
        body.optional_long(rare.and_then(|rare| some(rare.timeout_ms)));
        body.optional_long(rare.and_then(|rare| some(rare.inactivity_ms)));
        body.optional_long(rare.and_then(|rare| some(rare.budget_micros)));
        body.longs(self.recent_ids());
        body.optional_text(self.user_id.as_deref());
        body.long(self.started_at);
        body.long(self.last_activity_at);
        body.optional_long(some(self.last_touchpoint_at));
        body.text(self.state.name());
        body.long(self.touchpoint_count);
        body.long(self.total_cost_micros);
        body.optional_double(self.conversion_probability());
        body.optional_long(self.conversion_value_micros());
        body.long(rare.map_or(0, |rare| rare.extended_by_ms));
        body.optional_text(last.and_then(|last| last.action_id.as_deref()));
        body.optional_text(last.and_then(|last| last.policy_version.as_deref()));
        body.optional_double(last.and_then(|last| last.propensity));
        body.longs(rare.map_or(&[], |rare| &rare.touchpoint_times));
        body.boolean(self.is_return);
        body.optional_long(self.previous_started_at());
        body.optional_long(self.previous_ended_at());
        body.optional_long(self.late_until());
        body.optional_text(self.previous_outcome().map(Outcome::name));
        body.optional_long(self.previous_total_penalty_micros());
        body.optional_long(self.cleanup_at());
    }

    /// The row of an Avro body, under the policy of the version that it names; `None` where it is damaged.
    ///
    /// `policy_of` gives a policy's number; where it does not know the version, it says so itself.
    pub fn read(body: &[u8], journey_id: &str, mut policy_of: impl FnMut(&str) -> Option<u32>) -> Option<Self> {
        let mut body = Reader::new(body);
        let mut row = Row::new(journey_id, 0);
        let mut rare = Rare::default();
        let mut last = LastValues::default();
        row.offset = body.long()?;
        row.record_offset = body.long()?;
        row.open = body.boolean()?;
        row.policy = policy_of(body.text()?)?;
        rare.timeout_ms = or_none(body.optional_long()?);
        rare.inactivity_ms = or_none(body.optional_long()?);
        rare.budget_micros = or_none(body.optional_long()?);
        let (mut ids, mut count) = ([0; REMEMBERED], 0);
        body.longs(REMEMBERED, |id| {
            ids[count] = id;
            count += 1;
        })?;
        row.set_recent_ids(&ids[..count]);
        row.user_id = body.optional_text()?.map(Into::into);
        row.started_at = body.long()?;
        row.last_activity_at = body.long()?;
        row.last_touchpoint_at = or_none(body.optional_long()?);
        row.state = State::of(body.text()?)?;
        row.touchpoint_count = body.long()?;
        row.total_cost_micros = body.long()?;
        row.conversion_probability_or_nan = body.optional_double()?.unwrap_or(f64::NAN);
        row.conversion_value_or_none = or_none(body.optional_long()?);
        rare.extended_by_ms = body.long()?;
        last.action_id = body.optional_text()?.map(Into::into);
        last.policy_version = body.optional_text()?.map(Into::into);
        last.propensity = body.optional_double()?;
        body.longs(KEPT_TOUCHPOINTS, |at| rare.touchpoint_times.push(at))?;
        row.is_return = body.boolean()?;
        rare.previous_started_at = or_none(body.optional_long()?);
        rare.previous_ended_at = or_none(body.optional_long()?);
        rare.late_until = or_none(body.optional_long()?);
        rare.previous_outcome = match body.optional_text()? {
            None => None,
            Some(name) => Some(Outcome::of(name)?),
        };
        rare.previous_total_penalty_micros = or_none(body.optional_long()?);
        rare.cleanup_at = or_none(body.optional_long()?);
        if !body.is_empty() {
            return None;
        }
        row.set_rare(rare);
        row.set_last(last);
        Some(row)
    }

    /// Take what few rows have, if there is any of it.
    pub fn set_rare(&mut self, rare: Rare) {
        let is_plain = rare.timeout_ms == NONE
            && rare.inactivity_ms == NONE
            && rare.budget_micros == NONE
            && rare.extended_by_ms == 0
            && rare.touchpoint_times.is_empty()
            && rare.previous_started_at == NONE
            && rare.previous_ended_at == NONE
            && rare.late_until == NONE
            && rare.previous_outcome.is_none()
            && rare.previous_total_penalty_micros == NONE
            && rare.cleanup_at == NONE;
        self.rare = (!is_plain).then(|| Box::new(rare));
    }

    /// Take the latest touchpoint's values, if there are any.
    pub fn set_last(&mut self, last: LastValues) {
        let is_plain = last.action_id.is_none() && last.policy_version.is_none() && last.propensity.is_none();
        self.last = (!is_plain).then(|| Box::new(last));
    }
}
