//! A touchpoint as it lies in a record, when nothing about it is out of the ordinary.

use crate::avro::Reader;
use crate::names::State;

// As journeys.schemas.instants, journeys.schemas.money and journeys.schemas.validation.
pub const EARLIEST: i64 = 631_152_000_000;
pub const LATEST: i64 = 221_845_392_000_000;
const LARGEST_MICROS: i64 = 1_000_000_000_000_000;
pub const LONGEST_TEXT: usize = 1_000;

/// Length of the wire format's head: byte 0 and the schema's id.
pub const HEADER_BYTES: usize = 5;

/// One impression, click or visit; its texts are those of the record.
pub struct Touchpoint<'a> {
    /// Whose it is.
    pub journey_id: &'a str,
    /// Who that is.
    pub user_id: Option<&'a str>,
    /// Its own id.
    pub touchpoint_id: &'a str,
    /// Instant in ms.
    pub occurred_at: i64,
    /// State after it, if it says.
    pub state: Option<State>,
    /// What it cost.
    pub cost_micros: i64,
    /// What it says of the journey's conversion.
    pub conversion_probability: Option<f64>,
    /// The same.
    pub conversion_value_micros: Option<i64>,
    /// What rides along for off-policy evaluation.
    pub action_id: Option<&'a str>,
    /// The same.
    pub policy_version: Option<&'a str>,
    /// The same.
    pub propensity: Option<f64>,
}

/// The touchpoint of a record's value, whose head is a touchpoint's, if it is valid.
///
/// `None` says only that the reference has to look at it: it may be anything.
pub fn read(value: &[u8]) -> Option<Touchpoint<'_>> {
    if value.len() > LONGEST_TEXT {
        return None;
    }
    let mut body = Reader::new(&value[HEADER_BYTES..]);
    let journey_id = body.text()?;
    let user_id = body.optional_text()?;
    let touchpoint_id = body.text()?;
    let occurred_at = body.long()?;
    body.optional_text()?; // channel and event_type decide nothing
    body.optional_text()?;
    let state = match body.optional_text()? {
        None => None,
        Some(name) => Some(State::of(name)?),
    };
    let touchpoint = Touchpoint {
        journey_id,
        user_id,
        touchpoint_id,
        occurred_at,
        state,
        cost_micros: body.long()?,
        conversion_probability: body.optional_double()?,
        conversion_value_micros: body.optional_long()?,
        action_id: body.optional_text()?,
        policy_version: body.optional_text()?,
        propensity: body.optional_double()?,
    };
    (body.is_empty() && is_valid(&touchpoint)).then_some(touchpoint)
}

fn is_valid(touchpoint: &Touchpoint<'_>) -> bool {
    let is_probability = |value: Option<f64>| value.is_none_or(|value| (0.0..=1.0).contains(&value));
    !touchpoint.journey_id.is_empty()
        && !touchpoint.touchpoint_id.is_empty()
        && (EARLIEST..LATEST).contains(&touchpoint.occurred_at)
        && (0..=LARGEST_MICROS).contains(&touchpoint.cost_micros)
        && touchpoint.conversion_value_micros.is_none_or(|value| (0..=LARGEST_MICROS).contains(&value))
        && is_probability(touchpoint.conversion_probability)
        && is_probability(touchpoint.propensity)
}
