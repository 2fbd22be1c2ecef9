//! Fractions that amounts are multiplied with: exact, and nearly always by one multiplication.

use num_bigint::BigUint;
use num_integer::Integer;

use crate::rule::decimal::decimal;
use crate::rule::limits::LARGEST_SUM_MICROS;

/// Amounts below this many bits go the short way.
const SHORT_BITS: u32 = 40;
const HALF: u64 = 1 << 63;

/// A fraction. Its first 64 binary places tell how nearly every amount is rounded.
pub struct Rate {
    /// Its whole part, if that is small enough for the short way.
    whole: Option<u16>,
    /// Its first 64 binary places.
    places: u64,
    exact: Box<Exact>,
}

/// A fraction as it is.
enum Exact {
    /// Both parts are small: the common case.
    Small(u128, u128),
    /// Any.
    Large(BigUint, BigUint),
}

impl Rate {
    /// A fraction of numerator and denominator.
    pub fn of_fraction((numerator, denominator): (BigUint, BigUint)) -> Self {
        let (whole, rest) = numerator.div_rem(&denominator);
        let places = u64::try_from((rest << 64u32) / &denominator).unwrap_or(0); // a proper fraction's: they always fit
        Rate { whole: u16::try_from(whole).ok(), places, exact: Box::new(Exact::of(numerator, denominator)) }
    }

    /// `micros` times this, rounded half-even, at most the largest sum.
    #[inline]
    pub fn of(&self, micros: i64) -> i64 {
        if let Some(whole) = self.whole {
            if micros < 1 << SHORT_BITS {
                let product = micros as u128 * (u128::from(whole) << 64 | u128::from(self.places));
                let places = product as u64;
                // What lies behind the 64 places adds less than the amount itself to the last place.
                if places.abs_diff(HALF) > 1 << SHORT_BITS {
                    return (product >> 64) as i64 + i64::from(places > HALF);
                }
            }
        }
        self.exact.amount(micros)
    }
}

impl Exact {
    fn of(numerator: BigUint, denominator: BigUint) -> Self {
        // An amount has at most 62 bits: with 64 more the product fits.
        match (u64::try_from(&numerator), u64::try_from(&denominator)) {
            (Ok(above), Ok(below)) => Exact::Small(above.into(), below.into()),
            _ => Exact::Large(numerator, denominator),
        }
    }

    fn amount(&self, micros: i64) -> i64 {
        let micros = micros.unsigned_abs();
        match self {
            Exact::Small(numerator, denominator) => {
                let (amount, rest) = (u128::from(micros) * numerator).div_rem(denominator);
                let up = 2 * rest > *denominator || (2 * rest == *denominator && amount % 2 == 1);
                i64::try_from(amount + u128::from(up)).unwrap_or(i64::MAX).min(LARGEST_SUM_MICROS)
            }
            Exact::Large(numerator, denominator) => {
                let (amount, rest) = (numerator * micros).div_rem(denominator);
                let twice = rest << 1;
                let up = twice > *denominator || (twice == *denominator && amount.is_odd());
                i64::try_from(amount + u8::from(up)).unwrap_or(i64::MAX).min(LARGEST_SUM_MICROS)
            }
        }
    }
}

/// A fraction that is multiplied with a probability, too.
pub struct OfProbability {
    pub numerator: BigUint,
    pub denominator: BigUint,
    /// The double nearest to the fraction.
    pub about: f64,
}

impl OfProbability {
    /// `micros` times fraction and probability, rounded half-even, at most the largest sum.
    ///
    /// A probability counts as its shortest decimal text: 0.05 is a twentieth.
    #[inline]
    pub fn amount(&self, probability: f64, micros: i64) -> i64 {
        // Four roundings of a double each add less than a 2^53rd: below 2^40 micros, less than a 2^10th of a micro.
        let about = micros as f64 * self.about * probability;
        let places = about - about.floor();
        if about < (1u64 << SHORT_BITS) as f64 && (places - 0.5).abs() > 0.002 {
            return (about + 0.5) as i64;
        }
        self.exact_amount(probability, micros)
    }

    fn exact_amount(&self, probability: f64, micros: i64) -> i64 {
        let Some((digits, places)) = decimal(probability) else {
            return 0;
        };
        if let Some(amount) = self.amount_in_128_bits(digits, places, micros) {
            return amount;
        }
        let below = &self.denominator * BigUint::from(10u8).pow(places);
        Exact::of(&self.numerator * digits, below).amount(micros)
    }

    fn amount_in_128_bits(&self, digits: u64, places: u32, micros: i64) -> Option<i64> {
        let numerator = u128::try_from(&self.numerator).ok()?;
        let denominator = u128::try_from(&self.denominator).ok()?;
        let above = u128::from(micros.unsigned_abs()).checked_mul(digits.into())?.checked_mul(numerator)?;
        let below = 10u128.checked_pow(places)?.checked_mul(denominator)?;
        let (amount, rest) = match (u64::try_from(above), u64::try_from(below)) {
            (Ok(above), Ok(below)) => (u128::from(above / below), u128::from(above % below)),
            _ => above.div_rem(&below),
        };
        let twice = rest.checked_mul(2)?;
        let up = twice > below || (twice == below && amount % 2 == 1);
        i64::try_from(amount + u128::from(up)).ok().map(|amount| amount.min(LARGEST_SUM_MICROS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_half_even_whatever_its_size() {
        let large: BigUint = BigUint::from(1u8) << 200;
        for (micros, expected) in [(1, 0), (3, 2), (5, 2), (7, 4), (4, 2)] {
            assert_eq!(Exact::of(1u8.into(), 2u8.into()).amount(micros), expected);
            assert_eq!(Exact::of(large.clone(), &large << 1).amount(micros), expected);
            assert_eq!(Rate::of_fraction((large.clone(), &large << 1)).of(micros), expected);
        }
        assert_eq!(Exact::of(u64::MAX.into(), 1u8.into()).amount(LARGEST_SUM_MICROS), LARGEST_SUM_MICROS);
        assert_eq!(Rate::of_fraction((large, 1u8.into())).of(1), LARGEST_SUM_MICROS);
    }

    #[test]
    fn the_short_way_rounds_as_the_exact_one() {
        for (numerator, denominator) in [(1u64, 2u64), (1, 3), (336_145_408, 1_220_703_125), (1, 1_000_000), (3, 1)] {
            let rate = Rate::of_fraction((numerator.into(), denominator.into()));
            for micros in (0..5_000).chain((0..40).map(|bits| (1i64 << bits) + 1)) {
                assert_eq!(rate.of(micros), rate.exact.amount(micros), "{micros} * {numerator}/{denominator}");
            }
        }
    }

    #[test]
    fn all_ways_to_multiply_with_a_probability_round_alike() {
        let opportunity = OfProbability { numerator: 1u8.into(), denominator: 4u8.into(), about: 0.25 };
        for probability in [0.0, 0.05, 0.1 + 0.2, 0.5, 1.0, 1e-7, 5e-324] {
            for micros in (0..2_000).chain((0..50).map(|bits| (1i64 << bits) + 2)) {
                let expected = match decimal(probability) {
                    Some((digits, places)) => {
                        Exact::of(digits.into(), BigUint::from(10u8).pow(places) * 4u8).amount(micros)
                    }
                    None => 0,
                };
                assert_eq!(opportunity.amount(probability, micros), expected, "{micros} * {probability} / 4");
                assert_eq!(opportunity.exact_amount(probability, micros), expected, "{micros} * {probability} / 4");
            }
        }
    }
}
