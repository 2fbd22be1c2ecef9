//! A touchpoint as it lies in a record, when nothing about it is out of the ordinary.

use crate::rule::limits::{EARLIEST, LARGEST_MICROS, LATEST, LONGEST_SEGMENT};
use crate::rule::{self, State};
use crate::wire::avro::Reader;
use crate::wire::{HEADER_BYTES, LONGEST_VALUE};

/// One impression, click or visit; its texts are those of the record.
pub struct Touchpoint<'a> {
    pub journey_id: &'a str,
    pub user_id: Option<&'a str>,
    pub touchpoint_id: &'a str,
    /// What the rule asks for.
    pub counted: rule::Touchpoint<'a>,
    /// What the advertiser's agent did, for off-policy evaluation.
    pub action_id: Option<&'a str>,
    /// The agent's policy.
    pub policy_version: Option<&'a str>,
    /// Probability with which that policy chose the action.
    pub propensity: Option<f64>,
}

/// The touchpoint of a record's value, whose prefix is a touchpoint's, if it is valid.
///
/// `None` says only that the reference has to look at it: it may be anything.
pub fn read(value: &[u8]) -> Option<Touchpoint<'_>> {
    if value.len() > LONGEST_VALUE {
        return None;
    }
    let mut body = Reader::new(&value[HEADER_BYTES..]);
    let journey_id = body.text()?;
    let user_id = body.optional(Reader::text)?;
    let touchpoint_id = body.text()?;
    let occurred_at = body.long()?;
    body.optional(Reader::text)?; // channel and event_type decide nothing
    body.optional(Reader::text)?;
    let state = match body.optional(Reader::text)? {
        None => None,
        Some(name) => Some(State::of(name)?),
    };
    let cost_micros = body.long()?;
    let probability = body.optional(Reader::double)?;
    let value_micros = body.optional(Reader::long)?;
    let (action_id, policy_version) = (body.optional(Reader::text)?, body.optional(Reader::text)?);
    let propensity = body.optional(Reader::double)?;
    let segment = body.optional(Reader::text)?;
    let touchpoint = Touchpoint {
        journey_id,
        user_id,
        touchpoint_id,
        counted: rule::Touchpoint {
            occurred_at,
            cost_micros,
            state,
            conversion_probability: probability.into(),
            conversion_value_micros: value_micros.into(),
            segment,
        },
        action_id,
        policy_version,
        propensity,
    };
    let is_probability = |value: Option<f64>| value.is_none_or(|value| (0.0..=1.0).contains(&value));
    let is_valid = body.is_empty()
        && !journey_id.is_empty()
        && !touchpoint_id.is_empty()
        && (EARLIEST..LATEST).contains(&occurred_at)
        && (0..=LARGEST_MICROS).contains(&cost_micros)
        && value_micros.is_none_or(|value| (0..=LARGEST_MICROS).contains(&value))
        && is_probability(probability)
        && is_probability(touchpoint.propensity)
        && segment.is_none_or(|text| (1..=LONGEST_SEGMENT).contains(&text.chars().count()));
    is_valid.then_some(touchpoint)
}
