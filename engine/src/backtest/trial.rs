//! One policy at work on one journey after the other, as `journeys.streams.partition.driver.replay_unpunctuated` has it for all at once.
//!
//! What a journey knows of the others is the clock alone: each line of the log moves it, and fires what is due, before
//! the line itself is applied. So whatever is due by a record's clock was abandoned before the record, and a journey is
//! forgotten as soon as its clock says so.

use pyo3::prelude::*;

use crate::backtest::book::{Book, Entry};
use crate::backtest::clock::Steps;
use crate::backtest::history::{History, Kind, Record, Request};
use crate::rule::{Journey, Rule};

/// A policy and what it comes to.
pub struct Trial {
    pub rule: Rule,
    pub book: Book,
}

impl Trial {
    /// Run one journey of a history; `journey` is kept between calls for its memory alone.
    pub fn run(&mut self, history: &History, number: usize, clock: &Steps, journey: &mut Journey) -> PyResult<()> {
        let first = history.begins[number] as usize;
        let records = &history.records[first..history.begins[number + 1] as usize];
        journey.clear();
        let Trial { rule, book } = self;
        let end = book.end;
        let mut entry = Entry::new(book, number, clock);
        for (row, record) in records.iter().enumerate() {
            let now = record.clock;
            if now > end.last_clock {
                break;
            }
            if journey.is_due(now) {
                fire(journey, now, rule, &mut entry)?;
            }
            if journey.is_forgotten(now) {
                journey.clear();
            }
            entry.clock = now;
            entry.clock_moves = record.clock_moves;
            let id = row as i64 - i64::from(record.repeats);
            if record.kind == Kind::Touchpoint {
                touch(journey, record, id, rule, &mut entry)?;
            } else {
                let request = history.requests.get(first + row).copied().unwrap_or_default();
                apply(journey, record, &request, id, rule, &mut entry)?;
            }
        }
        if journey.is_due(end.behind_all) {
            fire(journey, end.behind_all, rule, &mut entry)?;
        }
        entry.finish(journey.is_open());
        Ok(())
    }
}

/// Extend or abandon an open episode that is due by the clock `now`, of a later line or behind all.
fn fire(journey: &mut Journey, now: i64, rule: &mut Rule, entry: &mut Entry<'_>) -> PyResult<()> {
    journey.extend_automatically(now, &rule.policy, entry);
    if journey.is_due(now) {
        journey.end_at_deadline(rule, entry)?;
    }
    Ok(())
}

/// Whether a record that opens or continues an episode comes too late.
#[inline]
fn is_late(journey: &Journey, record: &Record, rule: &Rule) -> bool {
    journey.is_late(record.occurred_at, || Some(record.clock - rule.policy.cleanup_ms))
}

#[inline]
fn touch(journey: &mut Journey, record: &Record, id: i64, rule: &mut Rule, entry: &mut Entry<'_>) -> PyResult<()> {
    if record.repeats != 0 && journey.remembers(id) {
        entry.tally().duplicates += 1;
    } else if is_late(journey, record, rule) {
        entry.tally().late += 1;
    } else {
        entry.tally().applied += 1;
        journey.touch(&record.touchpoint(), id, rule, entry)?;
    }
    Ok(())
}

/// Apply a record that is no touchpoint.
fn apply(
    journey: &mut Journey,
    record: &Record,
    request: &Request,
    id: i64,
    rule: &mut Rule,
    entry: &mut Entry<'_>,
) -> PyResult<()> {
    let at = record.occurred_at;
    if record.kind == Kind::Registration {
        if is_late(journey, record, rule) {
            entry.tally().refused += 1;
        } else {
            entry.tally().applied += 1;
            journey.register(at, request.overrides, &rule.policy, entry);
        }
        return Ok(());
    }
    if record.has_id && record.repeats != 0 && journey.remembers(id) {
        entry.tally().duplicates += 1;
        return Ok(());
    }
    if journey.refuses(at) {
        entry.tally().refused += 1;
        return Ok(());
    }
    entry.tally().applied += 1;
    if record.has_id {
        journey.recent_ids.add(id, rule.policy.remembered_ids);
    }
    if record.kind == Kind::Extend {
        journey.extend(request.extend_by_ms, &rule.policy);
        return Ok(());
    }
    journey.end_at_record(request.reason, at, rule, entry)
}
