//! Limits of instants, durations, amounts and lists, as `journeys.schemas.instants`, `journeys.schemas.money` and `journeys.schemas.validation`
//! have them. Within these, no sum of instants and durations leaves 64 bits.

/// Milliseconds of a day.
pub const DAY_MS: i64 = 86_400_000;
/// Days of the longest duration.
pub const LONGEST_DAYS: i64 = 36_500;
/// The longest duration.
pub const LONGEST_MS: i64 = LONGEST_DAYS * DAY_MS;
/// First valid instant, in epoch milliseconds: 1990.
pub const EARLIEST: i64 = 631_152_000_000;
/// First instant that is no longer valid: the year 9000.
pub const LATEST: i64 = 221_845_392_000_000;
/// Largest amount that a record may give.
pub const LARGEST_MICROS: i64 = 1_000_000_000_000_000;
/// Largest sum or penalty: greater ones are cut to it.
pub const LARGEST_SUM_MICROS: i64 = (1 << 62) - 1;
/// Ids of applied records that a journey remembers by the default policy.
pub const REMEMBERED_IDS: usize = 8;
/// The most of them that a policy may ask for.
pub const MOST_REMEMBERED_IDS: usize = 1024;
/// Times of touchpoints that an episode keeps, where the policy has a rule that needs them.
pub const KEPT_TOUCHPOINTS: usize = 64;
/// Characters of the longest segment.
pub const LONGEST_SEGMENT: usize = 200;
