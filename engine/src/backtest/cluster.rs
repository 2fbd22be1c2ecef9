//! From a bucket to journeys: its records by journey, in the order in which the journeys come, each in the log's order.

use std::collections::HashMap;

use hashbrown::HashTable;

use crate::backtest::history::{given, state_of, History, Kind, Record, Request};
use crate::backtest::split::{FIXED, MOVES_AT, OF_REQUEST};
use crate::rule::{Outcome, Overrides};

/// Ids of so many records are compared each with each; of more, by a map.
const FEW: usize = 48;

/// Names of journeys: text end to end, and where each begins.
pub struct Names {
    pub begins: Vec<i64>,
    pub text: Vec<u8>,
}

/// Put the records of a bucket in order. `None` for bytes that no splitter has made.
pub fn cluster(bucket: &[u8]) -> Option<(History, Names)> {
    let (places, numbers, firsts) = journeys_of(bucket)?;
    let mut begins = vec![0u32; firsts.len() + 1];
    for number in &numbers {
        begins[*number as usize + 1] += 1;
    }
    for journey in 1..begins.len() {
        begins[journey] += begins[journey - 1];
    }
    let mut next = begins.clone();
    let mut order = vec![0usize; places.len()];
    for (place, number) in places.iter().zip(&numbers) {
        let row = &mut next[*number as usize];
        order[*row as usize] = *place;
        *row += 1;
    }
    let history = history_of(bucket, &order, begins)?;
    let mut names = Names { begins: vec![0], text: Vec::new() };
    for first in firsts {
        names.text.extend_from_slice(name_of(&bucket[first..])?);
        names.begins.push(names.text.len() as i64);
    }
    Some((history, names))
}

/// Where each record lies, the number of its journey, and where each journey's first one lies.
fn journeys_of(bucket: &[u8]) -> Option<(Vec<usize>, Vec<u32>, Vec<usize>)> {
    let mut places = Vec::with_capacity(bucket.len() / FIXED);
    let mut numbers = Vec::with_capacity(bucket.len() / FIXED);
    let mut firsts = Vec::new();
    let mut known: HashTable<(u128, u32)> = HashTable::new();
    let mut place = 0;
    while place < bucket.len() {
        let journey = u128::from_le_bytes(bucket.get(place..place + 16)?.try_into().ok()?);
        let hash = journey as u64;
        let number = match known.find(hash, |(other, _)| *other == journey) {
            Some((_, number)) => *number,
            None => {
                let number = firsts.len() as u32;
                known.insert_unique(hash, (journey, number), |(other, _)| *other as u64);
                firsts.push(place);
                number
            }
        };
        places.push(place);
        numbers.push(number);
        let record = bucket.get(place..place + FIXED)?;
        let is_request = record[65] != 0;
        place += FIXED + name_length(record) + segment_length(record) + if is_request { OF_REQUEST } else { 0 };
    }
    Some((places, numbers, firsts))
}

fn name_length(record: &[u8]) -> usize {
    usize::from(u16::from_le_bytes([record[68], record[69]]))
}

fn segment_length(record: &[u8]) -> usize {
    usize::from(u16::from_le_bytes([record[70], record[71]]))
}

/// The producer's label, empty where the record has none.
fn segment_of(record: &[u8]) -> Option<&str> {
    let begin = FIXED + name_length(record);
    std::str::from_utf8(record.get(begin..begin + segment_length(record))?).ok()
}

fn name_of(record: &[u8]) -> Option<&[u8]> {
    record.get(FIXED..FIXED + name_length(record))
}

fn number(bytes: &[u8], at: usize) -> i64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[at..at + 8]);
    i64::from_le_bytes(eight)
}

fn history_of(bucket: &[u8], order: &[usize], begins: Vec<u32>) -> Option<History> {
    let has_requests = order.iter().any(|place| bucket[place + 65] != 0);
    let mut history = History {
        begins,
        records: Vec::with_capacity(order.len()),
        requests: Vec::with_capacity(if has_requests { order.len() } else { 0 }),
        ..History::default()
    };
    let mut ids = Vec::with_capacity(order.len());
    let mut segments = Segments::default();
    for place in order {
        let line = bucket.get(*place..place + FIXED)?;
        ids.push((line[66] == 0).then_some(number(line, 16)));
        let occurred_at = number(line, 24);
        history.records.push(Record {
            occurred_at,
            clock: occurred_at + number(line, 32),
            cost_micros: number(line, 40),
            value_micros: given(number(line, 48)),
            probability: f64::from_bits(number(line, 56) as u64).into(),
            repeats: 0,
            state: state_of(line[64]),
            kind: Kind::of(line[65])?,
            has_id: line[66] == 0,
            clock_moves: line[MOVES_AT] != 0,
        });
        if has_requests {
            history.requests.push(request_of(&bucket[*place..])?);
        }
        segments.add(segment_of(&bucket[*place..])?);
    }
    segments.put_into(&mut history);
    for journey in history.begins.windows(2) {
        let rows = journey[0] as usize..journey[1] as usize;
        find_repeats(&ids[rows.clone()], &mut history.records[rows]);
    }
    Some(history)
}

fn request_of(record: &[u8]) -> Option<Request> {
    if record[65] == 0 {
        return Some(Request::default());
    }
    let begin = FIXED + name_length(record) + segment_length(record);
    let line = record.get(begin..begin + OF_REQUEST)?;
    Some(Request {
        reason: *Outcome::ALL.get(usize::from(line[0]))?,
        overrides: Overrides {
            timeout_ms: given(number(line, 1)),
            inactivity_ms: given(number(line, 9)),
            budget_micros: given(number(line, 17)),
        },
        extend_by_ms: number(line, 25),
    })
}

/// Segments of records, each text once.
#[derive(Default)]
struct Segments<'a> {
    numbers: HashMap<&'a str, u32>,
    names: Vec<Box<str>>,
    of: Vec<u32>,
}

impl<'a> Segments<'a> {
    /// Take the segment of the next record, empty for none.
    fn add(&mut self, segment: &'a str) {
        let number = match segment {
            "" => 0,
            _ => *self.numbers.entry(segment).or_insert_with(|| {
                self.names.push(segment.into());
                self.names.len() as u32
            }),
        };
        self.of.push(number);
    }

    fn put_into(self, history: &mut History) {
        if !self.names.is_empty() {
            history.segments = self.names;
            history.segment_of = self.of;
        }
    }
}

/// For each record of a journey, how far above the first one with its id lies; 0 where it has no id.
fn find_repeats(ids: &[Option<i64>], records: &mut [Record]) {
    let mut firsts = HashMap::new();
    for (row, id) in ids.iter().enumerate() {
        let Some(known) = id else {
            continue;
        };
        let first = if ids.len() <= FEW {
            ids[..row].iter().position(|other| other == id)
        } else {
            Some(*firsts.entry(*known).or_insert(row))
        };
        records[row].repeats = (row - first.unwrap_or(row)) as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backtest::split::{Line, Splitter};

    #[test]
    fn journeys_come_together_in_the_order_of_the_log() {
        let mut splitter = Splitter::new(1, true);
        let lines = [("b", "1", 10), ("a", "1", 20), ("b", "2", 15), ("b", "1", 20)];
        for (journey_id, id, occurred_at) in lines {
            splitter.add(&Line {
                journey_id: journey_id.as_bytes(),
                id: id.as_bytes(),
                record: Record { occurred_at, ..Record::default() },
                ..Line::default()
            });
        }
        splitter.finish();
        let found = cluster(&splitter.buckets[0]);
        assert!(found.is_some());
        if let Some((history, names)) = found {
            assert_eq!(history.begins, [0, 3, 4]);
            let of = |value: fn(&Record) -> i64| -> Vec<i64> { history.records.iter().map(value).collect() };
            assert_eq!(of(|record| record.occurred_at), [10, 15, 20, 20]);
            assert_eq!(of(|record| record.clock), [10, 20, 20, 20]);
            assert_eq!(of(|record| i64::from(record.clock_moves)), [1, 0, 1, 0]);
            assert_eq!(of(|record| i64::from(record.repeats)), [0, 0, 2, 0]);
            assert_eq!(names.text, b"ba");
            assert_eq!(names.begins, [0, 1, 2]);
        }
        assert!(cluster(&splitter.buckets[0][..FIXED]).is_none());
    }

    #[test]
    fn repeats_are_the_same_in_short_and_long_journeys() {
        let ids: Vec<Option<i64>> = (0..200i64).map(|row| (row % 7 != 0).then_some(row % 10)).collect();
        let repeats_of = |ids: &[Option<i64>]| -> Vec<u32> {
            let mut records = vec![Record::default(); ids.len()];
            find_repeats(ids, &mut records);
            records.iter().map(|record| record.repeats).collect()
        };
        let (long, short) = (repeats_of(&ids), repeats_of(&ids[..FEW]));
        assert_eq!(long[..FEW], short);
        assert_eq!(short[..3], [0, 0, 0]);
        assert_eq!(short[11], 10);
    }
}
