//! Kafka's record batch of format 2: where the records in one lie, and how one is written.
//!
//! Varints are Avro's longs. Lengths come from the wire: nothing is allocated by what one says.

use crate::wire::avro::{Reader, Writer};

/// Bytes of the least record there can be.
const LEAST_RECORD: usize = 7;
/// Bytes of a batch in front of its records.
const HEADER: usize = 61;
/// Bytes in front of what the batch's own length counts.
const UNCOUNTED: usize = 12;
const MAGIC: u8 = 2;
/// Stands for the name of a header that is no UTF-8.
const NO_NAME: &str = "\u{fffd}";
/// Stands for an epoch, a producer's id or sequence that is not known yet.
const NOT_SET: i64 = -1;

/// Bytes within others; a length below 0 is a null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    at: u32,
    length: i32,
}

impl Span {
    /// Put bytes, or a null, behind others; `None` where they come to more than can be named.
    pub fn append(part: Option<&[u8]>, bytes: &mut Vec<u8>) -> Option<Self> {
        let at = bytes.len();
        let Some(part) = part else {
            return Some(Span { at: 0, length: -1 });
        };
        bytes.extend_from_slice(part);
        i32::try_from(bytes.len()).ok()?;
        Some(Span { at: at as u32, length: part.len() as i32 })
    }

    /// The bytes that are meant, if it is no null.
    #[inline]
    pub fn of(self, bytes: &[u8]) -> Option<&[u8]> {
        let length = usize::try_from(self.length).ok()?;
        bytes.get(self.at as usize..)?.get(..length)
    }
}

/// Where a record lies, within bytes that are known to hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub offset: i64,
    pub timestamp: i64,
    pub key: Span,
    pub value: Span,
    /// Where the number of headers is.
    pub headers_at: u32,
}

/// One header of a record.
pub type Header<'a> = (&'a str, Option<&'a [u8]>);

impl Place {
    /// Whether the record has a header of this name; most have none at all.
    pub fn has_header(self, bytes: &[u8], name: &str) -> bool {
        bytes.get(self.headers_at as usize).is_some_and(|count| *count != 0)
            && self.headers(bytes).iter().any(|(known, _)| *known == name)
    }

    /// The record's headers, out of the bytes that hold it.
    pub fn headers(self, bytes: &[u8]) -> Vec<Header<'_>> {
        let mut found = Vec::new();
        let rest = bytes.get(self.headers_at as usize..).unwrap_or_default();
        let mut reader = BatchReader { reader: Reader::new(rest), end: rest.len() };
        // It was read once, when the record was found.
        let _ = reader.headers(|header| found.push(header));
        found
    }
}

/// What the header of a batch says of its records.
pub struct Heading {
    pub count: i32,
    pub base_offset: i64,
    pub first_timestamp: i64,
    /// Timestamp of all records, where the broker has set it.
    pub append_time: Option<i64>,
}

/// Places of a batch's records with offsets from `from` on; `None` where the bytes are no such batch's.
///
/// The records, not compressed, are `bytes` from `begin` to their end; places are within `bytes`.
pub fn places(bytes: &[u8], begin: usize, heading: &Heading, mut from: i64) -> Option<Vec<Place>> {
    u32::try_from(bytes.len()).ok()?;
    let count = usize::try_from(heading.count).unwrap_or(0);
    let records = bytes.get(begin..)?;
    let mut found = Vec::with_capacity(count.min(records.len() / LEAST_RECORD));
    let mut reader = BatchReader { reader: Reader::new(records), end: bytes.len() };
    for _ in 0..count {
        let place = reader.record(heading)?;
        if place.offset >= from {
            from = place.offset.saturating_add(1);
            found.push(place);
        }
    }
    reader.reader.is_empty().then_some(found)
}

struct BatchReader<'a> {
    reader: Reader<'a>,
    /// Length of all bytes, of which the reader has the last.
    end: usize,
}

impl<'a> BatchReader<'a> {
    fn at(&self) -> usize {
        self.end - self.reader.left()
    }

    fn record(&mut self, heading: &Heading) -> Option<Place> {
        let length = usize::try_from(self.reader.long()?).ok()?;
        let begin = self.at();
        self.reader.long()?; // attributes, of which there are none
        let timestamp_delta = self.reader.long()?;
        let offset_delta = self.reader.long()?;
        let key = self.span()?;
        let value = self.span()?;
        let headers_at = self.at() as u32;
        self.headers(|_| ())?;
        let place = Place {
            offset: heading.base_offset.checked_add(offset_delta)?,
            timestamp: match heading.append_time {
                Some(at) => at,
                None => heading.first_timestamp.wrapping_add(timestamp_delta),
            },
            key,
            value,
            headers_at,
        };
        (self.at() - begin == length).then_some(place)
    }

    fn span(&mut self) -> Option<Span> {
        let length = self.reader.long()?;
        let at = self.at() as u32;
        let Ok(taken) = usize::try_from(length) else {
            return Some(Span { at, length: -1 });
        };
        self.reader.take(taken)?;
        Some(Span { at, length: i32::try_from(length).ok()? })
    }

    fn headers(&mut self, mut take: impl FnMut(Header<'a>)) -> Option<()> {
        let count = self.reader.long()?;
        if count < 0 {
            return None;
        }
        for _ in 0..count {
            let length = usize::try_from(self.reader.long()?).ok()?;
            // A producer may write any bytes: the record is whole all the same.
            let name = std::str::from_utf8(self.reader.take(length)?).unwrap_or(NO_NAME);
            let length = self.reader.long()?;
            let value = match usize::try_from(length) {
                Ok(length) => Some(self.reader.take(length)?),
                Err(_) => None,
            };
            take((name, value));
        }
        Some(())
    }
}

/// Writes a batch, record by record, all of one timestamp.
pub struct BatchWriter {
    out: Vec<u8>,
    timestamp: i64,
    count: i64,
}

impl BatchWriter {
    /// A batch without records.
    pub fn new(timestamp: i64) -> Self {
        BatchWriter { out: vec![0; HEADER], timestamp, count: 0 }
    }

    /// Add a record, unless the batch has some and would come to `most` bytes or more; gives whether it was added.
    pub fn add(&mut self, key: &[u8], value: &[u8], most: usize) -> bool {
        let length = 1 // attributes
            + 1 // timestamp, less the batch's
            + size(self.count)
            + size(key.len() as i64)
            + key.len()
            + size(value.len() as i64)
            + value.len()
            + 1; // headers, of which there are none
        if self.count != 0 && self.out.len() + size(length as i64) + length >= most {
            return false;
        }
        let mut record = Writer::new(&mut self.out);
        record.long(length as i64);
        record.long(0);
        record.long(0);
        record.long(self.count);
        record.bytes(key);
        record.bytes(value);
        record.long(0);
        self.count += 1;
        true
    }

    /// The batch, without checksum and producer: both are the sender's to set.
    pub fn finish(mut self) -> Vec<u8> {
        let length = (self.out.len() - UNCOUNTED) as i32;
        let mut header = Vec::with_capacity(HEADER);
        header.extend_from_slice(&0_i64.to_be_bytes()); // base offset: the broker's to set
        header.extend_from_slice(&length.to_be_bytes());
        header.extend_from_slice(&(NOT_SET as i32).to_be_bytes()); // leader's epoch: the broker's, too
        header.push(MAGIC);
        header.extend_from_slice(&0_u32.to_be_bytes()); // checksum
        header.extend_from_slice(&0_i16.to_be_bytes()); // attributes
        header.extend_from_slice(&(self.count as i32 - 1).to_be_bytes()); // last offset, less the first
        header.extend_from_slice(&self.timestamp.to_be_bytes());
        header.extend_from_slice(&self.timestamp.to_be_bytes());
        header.extend_from_slice(&NOT_SET.to_be_bytes()); // producer's id
        header.extend_from_slice(&(NOT_SET as i16).to_be_bytes()); // its epoch
        header.extend_from_slice(&(NOT_SET as i32).to_be_bytes()); // its sequence
        header.extend_from_slice(&(self.count as i32).to_be_bytes());
        self.out[..HEADER].copy_from_slice(&header);
        self.out
    }
}

/// Bytes of a varint.
fn size(value: i64) -> usize {
    let number = ((value << 1) ^ (value >> 63)) as u64;
    let bits = 64 - (number | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADING: Heading = Heading { count: 2, base_offset: 40, first_timestamp: 1_000, append_time: None };

    fn batch(records: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut writer = BatchWriter::new(1_000);
        for (key, value) in records {
            assert!(writer.add(key, value, usize::MAX));
        }
        writer.finish()
    }

    #[test]
    fn what_is_written_is_read() {
        let long = vec![7; 300];
        let bytes = batch(&[(b"key", &long), (b"", b"value")]);
        let found = places(&bytes, HEADER, &HEADING, 0).expect("a batch");
        let parts: Vec<_> =
            found.iter().map(|place| (place.offset, place.key.of(&bytes), place.value.of(&bytes))).collect();
        assert_eq!(parts, [(40, Some(&b"key"[..]), Some(&long[..])), (41, Some(&b""[..]), Some(&b"value"[..]))]);
        assert!(found.iter().all(|place| place.timestamp == 1_000 && place.headers(&bytes).is_empty()));
    }

    #[test]
    fn records_in_front_of_the_position_are_left_out() {
        let bytes = batch(&[(b"a", b"1"), (b"b", b"2")]);
        assert_eq!(places(&bytes, HEADER, &HEADING, 41).map(|found| found.len()), Some(1));
        assert_eq!(places(&bytes, HEADER, &HEADING, 42).map(|found| found.len()), Some(0));
    }

    #[test]
    fn no_cut_and_no_changed_byte_makes_it_panic() {
        let bytes = batch(&[(b"key", b"value"), (b"other", b"another")]);
        for end in HEADER..bytes.len() {
            assert_eq!(places(&bytes[..end], HEADER, &HEADING, 0), None);
        }
        for at in HEADER..bytes.len() {
            for value in 0..=255 {
                let mut changed = bytes.clone();
                changed[at] = value;
                for place in places(&changed, HEADER, &HEADING, 0).unwrap_or_default() {
                    place.headers(&changed);
                }
            }
        }
    }

    #[test]
    fn a_count_from_the_wire_takes_no_memory() {
        let bytes = batch(&[(b"key", b"value")]);
        let heading = Heading { count: i32::MAX, ..HEADING };
        assert_eq!(places(&bytes, HEADER, &heading, 0), None);
        assert_eq!(places(&bytes, HEADER, &Heading { count: -1, ..HEADING }, 0), None);
    }

    #[test]
    fn a_batch_is_full_only_when_it_has_a_record() {
        let mut writer = BatchWriter::new(0);
        assert!(writer.add(b"key", &[0; 500], 100));
        assert!(!writer.add(b"key", b"", 100));
    }
}
