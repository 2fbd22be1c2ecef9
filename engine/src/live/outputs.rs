//! What goes out: abandonments and lifecycle records, as `journeys.streams.rule.publish` makes them, in wire format.

use crate::live::row::Labels;
use crate::rule::{self, Ending, Episode, Journey, Observer, Outcome, Penalty, Policy, Previous, State};
use crate::wire::avro::Writer;
use crate::wire::identity::{abandonment_id, lifecycle_id};
use crate::wire::messages::Messages;
use crate::wire::touchpoint::Touchpoint;

const TOPIC: &str = "journey-events";

/// Where in a log a decision was made, and when.
#[derive(Clone, Copy)]
pub struct Finding {
    pub occurred_at: i64,
    pub detected_at: i64,
    pub offset: i64,
}

/// What is counted of an abandonment.
pub struct Counted {
    pub reason: Outcome,
    pub total_penalty_micros: i64,
    /// Delay between its end and its detection.
    pub delay_ms: i64,
}

/// Makes the messages of one partition, in firing order.
pub struct Outbox {
    partition: u32,
    abandoned_head: Vec<u8>,
    lifecycle_head: Vec<u8>,
    /// Abandonments that have not been taken yet.
    pub abandonments: Messages,
    /// Lifecycle records that have not been taken yet.
    pub lifecycle: Messages,
    /// Of each abandonment since the last call that took them.
    pub counted: Vec<Counted>,
    scratch: Vec<u8>,
    /// The last value that was made: its memory is used again.
    value: Vec<u8>,
}

/// What a lifecycle record says beside what all of them do.
#[derive(Default)]
struct Details<'a> {
    abandonment_id: Option<String>,
    abandonment_reason: Option<&'static str>,
    total_penalty_micros: Option<i64>,
    converts_at_once: Option<bool>,
    conversion_value_micros: Option<i64>,
    extended_by_ms: Option<i64>,
    timeout_deadline_at: Option<i64>,
    touchpoint_id: Option<&'a str>,
    cost_micros: Option<i64>,
}

/// Writes what the rule finds of one journey into the outbox.
pub struct Witness<'a> {
    pub outbox: &'a mut Outbox,
    pub labels: &'a Labels,
    /// The touchpoint that is being applied, if it is one.
    pub touchpoint: Option<&'a Touchpoint<'a>>,
    /// The record that is being applied; of an abandonment at a deadline, the offset of the journey's last one.
    pub at: Finding,
}

impl Witness<'_> {
    fn episode(&mut self, kind: &str, occurred_at: i64, episode: &Episode, policy: &Policy, details: &Details<'_>) {
        let Labels { journey_id, user_id, .. } = self.labels;
        let at = Finding { occurred_at, ..self.at };
        let user_id = user_id.as_deref();
        self.outbox.lifecycle(
            kind,
            journey_id,
            user_id,
            Some(episode.started_at),
            Some((episode, policy)),
            at,
            details,
        );
    }
}

impl Observer for Witness<'_> {
    fn began(
        &mut self,
        journey: &Journey,
        episode: &Episode,
        touchpoint: Option<&rule::Touchpoint<'_>>,
        policy: &Policy,
    ) {
        let at = episode.started_at;
        if !episode.is_return {
            return self.episode("started", at, episode, policy, &Details::default());
        }
        let details = Details {
            converts_at_once: touchpoint.map(|touchpoint| touchpoint.state == Some(State::Converted)),
            touchpoint_id: self.touchpoint.map(|touchpoint| touchpoint.touchpoint_id),
            ..self.outbox.details_of(&self.labels.journey_id, journey.previous())
        };
        self.episode("returned", at, episode, policy, &details);
    }

    fn extended(&mut self, episode: &Episode, by_ms: i64, due_at: i64, policy: &Policy) {
        let details = Details {
            extended_by_ms: Some(by_ms),
            timeout_deadline_at: Some(episode.timeout_deadline_at),
            ..Details::default()
        };
        self.episode("extended_automatically", due_at, episode, policy, &details);
    }

    fn converted(&mut self, journey: &Journey, episode: &Episode, ended_at: i64, policy: &Policy) {
        let reversed = journey.returned_from(episode, ended_at, policy);
        let details = Details {
            touchpoint_id: self.touchpoint.map(|touchpoint| touchpoint.touchpoint_id),
            conversion_value_micros: episode.conversion_value_micros.get(),
            ..self.outbox.details_of(&self.labels.journey_id, reversed)
        };
        self.episode("converted", ended_at, episode, policy, &details);
    }

    fn abandoned(&mut self, journey: &Journey, episode: &Episode, ending: &Ending, penalty: &Penalty, policy: &Policy) {
        let Ending { outcome, ended_at, .. } = *ending;
        let Witness { outbox, labels: Labels { journey_id, user_id, action }, at, .. } = self;
        let action = action.as_deref();
        let id = abandonment_id(journey_id, episode.started_at, &mut outbox.scratch);
        let mut value = std::mem::take(&mut outbox.value);
        value.clear();
        value.extend_from_slice(&outbox.abandoned_head);
        let mut body = Writer::new(&mut value);
        body.text(&id);
        body.text(journey_id);
        body.optional(user_id.as_deref(), Writer::text);
        body.text(outcome.name());
        body.text(episode.state.name());
        body.long(episode.started_at);
        body.optional(episode.last_touchpoint_at.get(), Writer::long);
        body.long(ended_at);
        body.long(at.detected_at);
        body.long(penalty.days_active);
        body.long(episode.touchpoint_count);
        body.long(episode.total_cost_micros);
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
        body.optional(action.and_then(|action| action.action_id.as_deref()), Writer::text);
        body.optional(action.and_then(|action| action.policy_version.as_deref()), Writer::text);
        body.optional(action.and_then(|action| action.propensity), Writer::double);
        body.null(); // command_id, requested_by, note
        body.null();
        body.null();
        outbox.source(&mut value, at.offset);
        let mut body = Writer::new(&mut value);
        body.optional(journey.segment(), Writer::text);
        body.optional(Some(journey.touchpoints(episode)), Writer::long);
        body.optional(ending.deadline_rule(episode, policy), Writer::text);
        body.optional(Some(episode.conversion_probability.get().is_none()), Writer::boolean);
        body.optional(Some(episode.conversion_value_micros.get().is_none()), Writer::boolean);
        outbox.abandonments.push(journey_id.as_bytes(), &value);
        outbox.value = value;
        let delay_ms = at.detected_at - ended_at;
        outbox.counted.push(Counted { reason: outcome, total_penalty_micros: penalty.total_micros(), delay_ms });
    }
}

impl Outbox {
    /// For one partition, with the prefixes of JourneyAbandoned and JourneyLifecycle.
    pub fn new(partition: u32, abandoned_head: Vec<u8>, lifecycle_head: Vec<u8>) -> Self {
        Outbox {
            partition,
            abandoned_head,
            lifecycle_head,
            abandonments: Messages::default(),
            lifecycle: Messages::default(),
            counted: Vec::new(),
            scratch: Vec::new(),
            value: Vec::new(),
        }
    }

    /// A touchpoint belongs to the last ended episode of a journey, or to none that is known.
    pub fn late(&mut self, journey: &Journey, touchpoint: &Touchpoint<'_>, at: Finding) {
        let previous = journey.previous();
        let started_at = previous.map(|previous| previous.started_at);
        let details = Details {
            total_penalty_micros: None,
            touchpoint_id: Some(touchpoint.touchpoint_id),
            cost_micros: Some(touchpoint.counted.cost_micros),
            ..self.details_of(touchpoint.journey_id, previous)
        };
        let Touchpoint { journey_id, user_id, .. } = *touchpoint;
        self.lifecycle("late_touchpoint", journey_id, user_id, started_at, None, at, &details);
    }

    /// The abandonment that a record names, where the previous episode was abandoned.
    fn details_of<'a>(&mut self, journey_id: &str, previous: Option<&Previous>) -> Details<'a> {
        let Some(previous) = previous.filter(|previous| previous.was_abandoned()) else {
            return Details::default();
        };
        Details {
            abandonment_id: Some(abandonment_id(journey_id, previous.started_at, &mut self.scratch)),
            abandonment_reason: Some(previous.outcome.name()),
            total_penalty_micros: previous.total_penalty_micros.get(),
            ..Details::default()
        }
    }

    #[allow(clippy::too_many_arguments)] // what all lifecycle records say
    fn lifecycle(
        &mut self,
        kind: &str,
        journey_id: &str,
        user_id: Option<&str>,
        started_at: Option<i64>,
        open: Option<(&Episode, &Policy)>,
        at: Finding,
        details: &Details<'_>,
    ) {
        let id = lifecycle_id(self.partition, at.offset, kind, journey_id, &mut self.scratch);
        let mut value = std::mem::take(&mut self.value);
        value.clear();
        value.extend_from_slice(&self.lifecycle_head);
        let mut body = Writer::new(&mut value);
        body.text(&id);
        body.text(kind);
        body.text(journey_id);
        body.optional(user_id, Writer::text);
        body.long(at.occurred_at);
        body.long(at.detected_at);
        body.optional(started_at, Writer::long);
        body.optional(open.map(|(episode, _)| episode.state.name()), Writer::text);
        body.optional(open.map(|(episode, _)| episode.touchpoint_count), Writer::long);
        body.optional(open.map(|(episode, _)| episode.total_cost_micros), Writer::long);
        body.optional(open.map(|(_, policy)| &*policy.version), Writer::text);
        body.optional(details.abandonment_id.as_deref(), Writer::text);
        body.optional(details.abandonment_reason, Writer::text);
        body.optional(details.total_penalty_micros, Writer::long);
        body.optional(details.converts_at_once, Writer::boolean);
        body.optional(details.conversion_value_micros, Writer::long);
        body.optional(details.extended_by_ms, Writer::long);
        body.optional(details.timeout_deadline_at, Writer::long);
        body.optional(details.touchpoint_id, Writer::text);
        body.optional(details.cost_micros, Writer::long);
        for _ in 0..5 {
            body.null(); // refused_kind, refusal, command_id, requested_by, note
        }
        self.source(&mut value, at.offset);
        self.lifecycle.push(journey_id.as_bytes(), &value);
        self.value = value;
    }

    fn source(&self, value: &mut Vec<u8>, offset: i64) {
        let mut body = Writer::new(value);
        body.optional(Some(TOPIC), Writer::text);
        body.optional(Some(self.partition.into()), Writer::long);
        body.optional(Some(offset), Writer::long);
    }
}
