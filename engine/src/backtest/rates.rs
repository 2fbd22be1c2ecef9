//! What penalties come to: exact, and nearly always by one multiplication.

use num_bigint::BigUint;
use num_integer::Integer;
use pyo3::prelude::*;

use crate::decimal::decimal;
use crate::names::{Outcome, State};
use crate::policy::Rate;

const LARGEST_SUM_MICROS: i64 = (1 << 62) - 1;
/// Amounts below this many bits go the short way.
const SHORT_BITS: u32 = 40;
const HALF: u64 = 1 << 63;

/// A fraction to multiply with. Its first 64 binary places tell how nearly every amount is rounded.
pub struct QuickRate {
    scaled: Option<u128>,
    exact: Rate,
}

impl QuickRate {
    /// A fraction of its parts.
    pub fn new(numerator: BigUint, denominator: BigUint) -> Self {
        let scaled = u128::try_from((&numerator << 64u32) / &denominator).ok().filter(|scaled| *scaled < 1 << 80);
        QuickRate { scaled, exact: Rate::new(numerator, denominator) }
    }

    /// `micros` times this, rounded half-even, at most the largest sum.
    #[inline]
    pub fn of(&self, micros: i64) -> i64 {
        if let Some(scaled) = self.scaled {
            if micros < 1 << SHORT_BITS {
                let product = micros as u128 * scaled;
                let places = product as u64;
                // What `scaled` leaves out adds less than the amount itself to the last place.
                if places.abs_diff(HALF) > 1 << SHORT_BITS {
                    return (product >> 64) as i64 + i64::from(places > HALF);
                }
            }
        }
        self.exact.of(micros)
    }
}

/// Rates of one policy; Python's penalty table is asked once for each state, reason and days.
pub struct Rates {
    penalties: Py<PyAny>,
    default_value_micros: i64,
    opportunity: (BigUint, BigUint),
    opportunity_rate: f64,
    /// By state and reason, then by days.
    factors: Vec<Vec<Option<QuickRate>>>,
    defaults: [Option<QuickRate>; 5],
}

const REASONS: usize = 6;

impl Rates {
    /// Rates of a penalty table.
    pub fn of(py: Python<'_>, penalties: Py<PyAny>) -> PyResult<Self> {
        let opportunity: (BigUint, BigUint) = penalties.getattr(py, "opportunity_fraction")?.extract(py)?;
        // Python divides integers of any length and rounds once.
        let opportunity_rate =
            (&opportunity.0).into_pyobject(py)?.call_method1("__truediv__", (&opportunity.1,))?.extract()?;
        Ok(Rates {
            default_value_micros: penalties.getattr(py, "default_value_micros")?.extract(py)?,
            opportunity,
            opportunity_rate,
            penalties,
            factors: (0..5 * REASONS).map(|_| Vec::new()).collect(),
            defaults: Default::default(),
        })
    }

    /// Penalty of a cost.
    pub fn penalty(&mut self, cost_micros: i64, state: State, reason: Outcome, days: i64) -> PyResult<i64> {
        let place = days as usize;
        let known = &mut self.factors[state as usize * REASONS + reason as usize];
        if known.len() <= place {
            known.resize_with(place + 1, || None);
        }
        if known[place].is_none() {
            let (numerator, denominator) = Python::attach(|py| {
                let said = self.penalties.bind(py).call_method1("factors", (state.name(), reason.name(), days))?;
                said.getattr("rate")?.extract()
            })?;
            known[place] = Some(QuickRate::new(numerator, denominator));
        }
        Ok(known[place].as_ref().map_or(0, |rate| rate.of(cost_micros)))
    }

    /// Opportunity cost; NaN and -1 stand for what no touchpoint has said.
    pub fn opportunity(&mut self, state: State, probability: f64, value_micros: i64) -> PyResult<i64> {
        let micros = if value_micros < 0 { self.default_value_micros } else { value_micros };
        if !probability.is_nan() {
            return Ok(self.of_probability(probability, micros));
        }
        let known = &mut self.defaults[state as usize];
        if known.is_none() {
            let (numerator, denominator) = Python::attach(|py| {
                let said = self.penalties.bind(py).call_method1("default", (state.name(),))?;
                said.get_item(1)?.extract()
            })?;
            *known = Some(QuickRate::new(numerator, denominator));
        }
        Ok(known.as_ref().map_or(0, |rate| rate.of(micros)))
    }

    /// A probability counts as its shortest decimal text: 0.05 is a twentieth.
    fn of_probability(&self, probability: f64, micros: i64) -> i64 {
        // Four roundings of a double each add less than a 2^53rd: below 2^40 micros, less than a 2^10th of a micro.
        let about = micros as f64 * self.opportunity_rate * probability;
        let places = about - about.floor();
        if about < (1u64 << SHORT_BITS) as f64 && (places - 0.5).abs() > 0.002 {
            return (about + 0.5) as i64;
        }
        let Some((digits, places)) = decimal(probability) else {
            return 0;
        };
        let (numerator, denominator) = &self.opportunity;
        if let Some(amount) = short_opportunity(micros, digits, places, numerator, denominator) {
            return amount;
        }
        let below = denominator * BigUint::from(10u8).pow(places);
        Rate::new(numerator * digits, below).of(micros)
    }
}

/// The same in 128 bits, where that is enough.
fn short_opportunity(micros: i64, digits: u64, places: u32, numerator: &BigUint, denominator: &BigUint) -> Option<i64> {
    let above =
        u128::from(micros.unsigned_abs()).checked_mul(digits.into())?.checked_mul(u128::try_from(numerator).ok()?)?;
    let below = 10u128.checked_pow(places)?.checked_mul(u128::try_from(denominator).ok()?)?;
    let (amount, rest) = match (u64::try_from(above), u64::try_from(below)) {
        (Ok(above), Ok(below)) => (u128::from(above / below), u128::from(above % below)),
        _ => above.div_rem(&below),
    };
    let twice = rest.checked_mul(2)?;
    let up = twice > below || (twice == below && amount % 2 == 1);
    i64::try_from(amount + u128::from(up)).ok().map(|amount| amount.min(LARGEST_SUM_MICROS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_way_rounds_as_the_exact_one() {
        for (numerator, denominator) in [(1u64, 2u64), (1, 3), (336_145_408, 1_220_703_125), (1, 1_000_000), (3, 1)] {
            let quick = QuickRate::new(numerator.into(), denominator.into());
            let exact = Rate::new(numerator.into(), denominator.into());
            for micros in (0..5_000).chain((0..40).map(|bits| (1i64 << bits) + 1)) {
                assert_eq!(quick.of(micros), exact.of(micros), "{micros} * {numerator}/{denominator}");
            }
        }
    }
}
