//! A probability as the decimal that a person would write: what amounts are reckoned with.

/// Digits and decimal places of the shortest text that reads back as this probability; `None` for zero.
pub fn decimal(probability: f64) -> Option<(u64, u32)> {
    if probability == 0.0 {
        return None;
    }
    let text = format!("{probability:e}");
    let (digits, exponent) = text.split_once('e')?;
    let (whole, places) = digits.split_once('.').unwrap_or((digits, ""));
    let mut number: u64 = 0;
    for digit in whole.bytes().chain(places.bytes()) {
        number = number * 10 + u64::from(digit - b'0');
    }
    // A probability is at most one: there is nothing to the left of the point but that one.
    let places = places.len() as i32 - exponent.parse::<i32>().ok()?;
    Some((number, u32::try_from(places).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_the_shortest() {
        assert_eq!(decimal(0.05), Some((5, 2)));
        assert_eq!(decimal(1.0), Some((1, 0)));
        assert_eq!(decimal(0.1 + 0.2), Some((30_000_000_000_000_004, 17)));
        assert_eq!(decimal(5e-324), Some((5, 324)));
        assert_eq!(decimal(0.125), Some((125, 3)));
        assert_eq!(decimal(1e-7), Some((1, 7)));
        assert_eq!(decimal(0.0), None);
    }
}
