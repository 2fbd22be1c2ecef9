//! What goes out: abandonments and lifecycle records, as `journeys.streams.rule.publish` makes them, in wire format.

use crate::avro::Writer;
use crate::identity::{abandonment_id, lifecycle_id};
use crate::messages::Messages;
use crate::names::{Outcome, State};
use crate::penalty::Penalty;
use crate::policy::Policy;
use crate::row::Row;
use crate::touchpoint::Touchpoint;

const TOPIC: &str = "journey-events";

/// Where in a log a thing was found out, and when.
#[derive(Clone, Copy)]
pub struct Finding {
    pub occurred_at: i64,
    pub detected_at: i64,
    pub offset: i64,
}

/// What is counted of an abandonment.
pub struct Booked {
    pub reason: Outcome,
    pub total_penalty_micros: i64,
    /// How long after its end it was found out.
    pub delay_ms: i64,
}

/// Makes the messages of one partition, in firing order.
pub struct Outbox {
    partition: u32,
    abandoned_head: Vec<u8>,
    lifecycle_head: Vec<u8>,
    /// Not taken yet.
    pub abandonments: Messages,
    /// The same.
    pub lifecycle: Messages,
    /// Of each abandonment since the last call that took them.
    pub booked: Vec<Booked>,
    scratch: Vec<u8>,
    /// The last value that was made: its memory is used again.
    value: Vec<u8>,
}

/// What a lifecycle record says beside what all of them do.
#[derive(Default)]
struct Said<'a> {
    abandonment_id: Option<String>,
    abandonment_reason: Option<&'a str>,
    total_penalty_micros: Option<i64>,
    converts_at_once: Option<bool>,
    conversion_value_micros: Option<i64>,
    extended_by_ms: Option<i64>,
    timeout_deadline_at: Option<i64>,
    touchpoint_id: Option<&'a str>,
    cost_micros: Option<i64>,
}

/// The episode that a lifecycle record is about.
#[derive(Default)]
struct Episode<'a> {
    started_at: Option<i64>,
    state: Option<State>,
    touchpoint_count: Option<i64>,
    total_cost_micros: Option<i64>,
    policy_version: Option<&'a str>,
}

impl Outbox {
    /// For one partition, with the heads of JourneyAbandoned and JourneyLifecycle.
    pub fn new(partition: u32, abandoned_head: Vec<u8>, lifecycle_head: Vec<u8>) -> Self {
        Outbox {
            partition,
            abandoned_head,
            lifecycle_head,
            abandonments: Messages::default(),
            lifecycle: Messages::default(),
            booked: Vec::new(),
            scratch: Vec::new(),
            value: Vec::new(),
        }
    }

    /// The open episode of `row` is abandoned; the row is as it was before.
    pub fn abandoned(&mut self, row: &Row, policy: &Policy, reason: Outcome, penalty: &Penalty, at: Finding) {
        let id = abandonment_id(&row.journey_id, row.started_at, &mut self.scratch);
        let last = row.last.as_deref();
        let mut value = std::mem::take(&mut self.value);
        value.clear();
        value.extend_from_slice(&self.abandoned_head);
        let mut body = Writer::new(&mut value);
        body.text(&id);
        body.text(&row.journey_id);
        body.optional_text(row.user_id.as_deref());
        body.text(reason.name());
        body.text(row.state.name());
        body.long(row.started_at);
        body.optional_long(crate::row::some(row.last_touchpoint_at));
        body.long(at.occurred_at);
        body.long(at.detected_at);
        body.long(penalty.days_active);
        body.long(row.touchpoint_count);
        body.long(row.total_cost_micros);
        body.double(penalty.conversion_probability);
        body.long(penalty.conversion_value_micros);
        body.long(penalty.penalty_amount_micros);
        body.long(penalty.opportunity_cost_micros);
        body.long(penalty.total_micros());
        body.double(penalty.state_weight);
        body.double(penalty.time_factor);
        body.double(penalty.reason_multiplier);
        body.long(policy.formula_version);
        body.text(&policy.version);
        body.boolean(false); // terminated: a competitor's conversion is none of the engine's reasons
        body.boolean(true);
        body.optional_text(last.and_then(|last| last.action_id.as_deref()));
        body.optional_text(last.and_then(|last| last.policy_version.as_deref()));
        body.optional_double(last.and_then(|last| last.propensity));
        body.null(); // command_id, requested_by, note
        body.null();
        body.null();
        self.source(&mut value, at.offset);
        self.abandonments.push(row.journey_id.as_bytes(), &value);
        self.value = value;
        let delay_ms = at.detected_at - at.occurred_at;
        self.booked.push(Booked { reason, total_penalty_micros: penalty.total_micros(), delay_ms });
    }

    /// An episode begins.
    pub fn started(&mut self, row: &Row, policy: &Policy, at: Finding) {
        self.of_open("started", row, policy, at, &Said::default());
    }

    /// An episode begins behind an abandonment.
    pub fn returned(&mut self, row: &Row, policy: &Policy, touchpoint: &Touchpoint<'_>, at: Finding) {
        let said = Said {
            converts_at_once: Some(touchpoint.state == Some(State::Converted)),
            touchpoint_id: Some(touchpoint.touchpoint_id),
            ..self.previous(row)
        };
        self.of_open("returned", row, policy, at, &said);
    }

    /// The open episode of `row` converts; the row is as it was before it ends.
    pub fn converted(&mut self, row: &Row, policy: &Policy, touchpoint: &Touchpoint<'_>, at: Finding) {
        let named = row.is_return && at.occurred_at < row.previous_ended_at().unwrap_or(0) + policy.cleanup_ms;
        let previous = if named { self.previous(row) } else { Said::default() };
        let said = Said {
            touchpoint_id: Some(touchpoint.touchpoint_id),
            conversion_value_micros: row.conversion_value_micros(),
            ..previous
        };
        self.of_open("converted", row, policy, at, &said);
    }

    /// The policy has extended the open episode of `row`; the row is as it is now.
    pub fn extended(&mut self, row: &Row, policy: &Policy, extended_by_ms: i64, at: Finding) {
        let said = Said {
            extended_by_ms: Some(extended_by_ms),
            timeout_deadline_at: Some(row.timeout_deadline_at),
            ..Said::default()
        };
        self.of_open("extended_automatically", row, policy, at, &said);
    }

    /// A touchpoint belongs to the last ended episode of a journey, or to none that is known.
    pub fn late(&mut self, row: Option<&Row>, touchpoint: &Touchpoint<'_>, at: Finding) {
        let episode = Episode { started_at: row.and_then(Row::previous_started_at), ..Episode::default() };
        let abandoned = row.filter(|row| row.previous_was_abandoned());
        let said = Said {
            abandonment_id: abandoned.and_then(|row| self.previous_id(row)),
            abandonment_reason: abandoned.and_then(Row::previous_outcome).map(Outcome::name),
            touchpoint_id: Some(touchpoint.touchpoint_id),
            cost_micros: Some(touchpoint.cost_micros),
            ..Said::default()
        };
        self.lifecycle("late_touchpoint", touchpoint.journey_id, touchpoint.user_id, &episode, at, &said);
    }

    fn previous<'a>(&mut self, row: &Row) -> Said<'a> {
        Said {
            abandonment_id: self.previous_id(row),
            abandonment_reason: row.previous_outcome().map(Outcome::name),
            total_penalty_micros: row.previous_total_penalty_micros(),
            ..Said::default()
        }
    }

    fn previous_id(&mut self, row: &Row) -> Option<String> {
        if !row.previous_was_abandoned() {
            return None;
        }
        Some(abandonment_id(&row.journey_id, row.previous_started_at()?, &mut self.scratch))
    }

    fn of_open(&mut self, kind: &str, row: &Row, policy: &Policy, at: Finding, said: &Said<'_>) {
        let episode = Episode {
            started_at: Some(row.started_at),
            state: Some(row.state),
            touchpoint_count: Some(row.touchpoint_count),
            total_cost_micros: Some(row.total_cost_micros),
            policy_version: Some(&policy.version),
        };
        self.lifecycle(kind, &row.journey_id, row.user_id.as_deref(), &episode, at, said);
    }

    fn lifecycle(
        &mut self,
        kind: &str,
        journey_id: &str,
        user_id: Option<&str>,
        episode: &Episode<'_>,
        at: Finding,
        said: &Said<'_>,
    ) {
        let id = lifecycle_id(self.partition, at.offset, kind, journey_id, &mut self.scratch);
        let mut value = std::mem::take(&mut self.value);
        value.clear();
        value.extend_from_slice(&self.lifecycle_head);
        let mut body = Writer::new(&mut value);
        body.text(&id);
        body.text(kind);
        body.text(journey_id);
        body.optional_text(user_id);
        body.long(at.occurred_at);
        body.long(at.detected_at);
        body.optional_long(episode.started_at);
        body.optional_text(episode.state.map(State::name));
        body.optional_long(episode.touchpoint_count);
        body.optional_long(episode.total_cost_micros);
        body.optional_text(episode.policy_version);
        body.optional_text(said.abandonment_id.as_deref());
        body.optional_text(said.abandonment_reason);
        body.optional_long(said.total_penalty_micros);
        body.optional_boolean(said.converts_at_once);
        body.optional_long(said.conversion_value_micros);
        body.optional_long(said.extended_by_ms);
        body.optional_long(said.timeout_deadline_at);
        body.optional_text(said.touchpoint_id);
        body.optional_long(said.cost_micros);
        for _ in 0..5 {
            body.null(); // refused_kind, refusal, command_id, requested_by, note
        }
        self.source(&mut value, at.offset);
        self.lifecycle.push(journey_id.as_bytes(), &value);
        self.value = value;
    }

    fn source(&self, value: &mut Vec<u8>, offset: i64) {
        let mut body = Writer::new(value);
        body.optional_text(Some(TOPIC));
        body.optional_long(Some(self.partition.into()));
        body.optional_long(Some(offset));
    }
}
