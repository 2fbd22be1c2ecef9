//! A punctuation as it lies in a record, when nothing about it is out of the ordinary.

use crate::rule::clock::RULE_VERSION;
use crate::rule::limits::{EARLIEST, LATEST};
use crate::rule::TimeSource;
use crate::wire::avro::Reader;
use crate::wire::{HEADER_BYTES, LONGEST_VALUE};

/// Time as a record.
pub struct Punctuation {
    /// Instant in ms.
    pub at: i64,
    /// Whose time it is.
    pub time_source: TimeSource,
}

/// The punctuation of a record's value, whose prefix is a punctuation's, if it is valid.
///
/// `None` says only that the reference has to look at it: it may be anything.
pub fn read(value: &[u8]) -> Option<Punctuation> {
    if value.len() > LONGEST_VALUE {
        return None;
    }
    let mut body = Reader::new(&value[HEADER_BYTES..]);
    let at = body.long()?;
    let time_source = TimeSource::of(body.text()?)?;
    body.optional(Reader::text)?; // who wrote it decides nothing
    if body.optional(Reader::long)?.is_some_and(|version| version != RULE_VERSION) {
        return None;
    }
    (body.is_empty() && (EARLIEST..LATEST).contains(&at)).then_some(Punctuation { at, time_source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::avro::Writer;

    fn value(at: i64, time_source: &str, written_by: Option<&str>) -> Vec<u8> {
        under(None, at, time_source, written_by)
    }

    fn under(rule_version: Option<i64>, at: i64, time_source: &str, written_by: Option<&str>) -> Vec<u8> {
        let mut value = vec![0; HEADER_BYTES];
        let mut body = Writer::new(&mut value);
        body.long(at);
        body.text(time_source);
        body.optional(written_by, Writer::text);
        body.optional(rule_version, Writer::long);
        value
    }

    #[test]
    fn what_is_valid_is_read() {
        for (name, time_source) in [("live", TimeSource::Live), ("simulated", TimeSource::Simulated)] {
            for written_by in [None, Some("a worker")] {
                let found = read(&value(EARLIEST, name, written_by));
                assert_eq!(found.map(|found| (found.at, found.time_source)), Some((EARLIEST, time_source)));
                assert!(read(&under(Some(RULE_VERSION), EARLIEST, name, written_by)).is_some());
                // Another version is the reference's to say what to do about.
                for other in [RULE_VERSION - 1, RULE_VERSION + 1, -1, i64::MAX] {
                    assert!(read(&under(Some(other), EARLIEST, name, written_by)).is_none());
                }
            }
        }
    }

    #[test]
    fn what_the_reference_would_refuse_is_left_to_it() {
        let valid = value(LATEST - 1, "live", Some("a worker"));
        assert!(read(&valid).is_some());
        let behind = [&*valid, &[0]].concat();
        let long = value(EARLIEST, "live", Some(&"w".repeat(LONGEST_VALUE)));
        let others = [value(EARLIEST - 1, "live", None), value(LATEST, "live", None), value(EARLIEST, "LIVE", None)];
        for refused in others.iter().chain([&behind, &long]) {
            assert!(read(refused).is_none());
        }
        for end in HEADER_BYTES..valid.len() {
            assert!(read(&valid[..end]).is_none());
        }
    }
}
