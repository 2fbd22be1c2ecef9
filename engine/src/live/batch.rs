//! A batch of the log, applied record by record.

use pyo3::prelude::*;

use crate::live::entry::{next_entries, Content, Entry, Prefixes};
use crate::live::partition::Partition;
use crate::live::progress::Progress;
use crate::live::situation::{Fate, Situation};
use crate::live::turns::Turns;
use crate::rule::clock::is_near_append_time;
use crate::rule::TimeSource;
use crate::wire::punctuation::Punctuation;
use crate::wire::records::Records;
use crate::wire::touchpoint::Touchpoint;

impl Partition {
    /// Apply the next records of a batch in front of `stop`, as many as are looked up together; gives whether there may be
    /// more.
    pub fn apply_some(
        &mut self,
        py: Python<'_>,
        records: &Records,
        stop: usize,
        prefixes: &Prefixes,
        progress: &mut Progress,
        now: &mut Situation<'_>,
        turns: &mut Turns<'_>,
    ) -> PyResult<bool> {
        while progress.index < stop && records.offset(progress.index) <= progress.applied_offset {
            progress.skipped += 1;
            progress.index += 1;
        }
        let (entries, is_all) = next_entries(py, records, prefixes, progress.index..stop, progress.applied_offset);
        self.hashes.clear();
        self.hashes.extend(entries.iter().filter_map(Entry::journey_id).map(|journey_id| self.store.hash(journey_id)));
        self.store.reach(&self.hashes, &mut self.reached);
        let mut touchpoints = 0;
        for entry in &entries {
            let is_taken = match &entry.content {
                Content::Touchpoint(touchpoint) => {
                    touchpoints += 1;
                    self.take_touchpoint(entry, touchpoint, self.hashes[touchpoints - 1], progress, now)?
                }
                Content::Punctuation(punctuation) => self.take_punctuation(entry, punctuation, progress, now, turns)?,
            };
            if !is_taken {
                return Ok(false);
            }
            progress.index += 1;
            progress.applied_offset = entry.offset;
        }
        turns.worked(entries.len() as u32);
        Ok(!is_all)
    }

    /// Apply a touchpoint, unless it is the reference's; gives whether it was applied.
    fn take_touchpoint(
        &mut self,
        entry: &Entry<'_>,
        touchpoint: &Touchpoint<'_>,
        hash: u64,
        progress: &mut Progress,
        now: &Situation<'_>,
    ) -> PyResult<bool> {
        // On live topics nothing happens later than it is appended, clocks' skew apart.
        let skew_ms = self.rules[now.policy as usize].policy.future_skew_ms;
        let is_ahead = entry.append_time.is_some_and(|at| touchpoint.counted.occurred_at > at.saturating_add(skew_ms));
        if is_ahead && now.time_source != Some(TimeSource::Simulated.name()) {
            return Ok(false);
        }
        match self.touch(touchpoint, hash, entry.offset, now)? {
            Fate::Applied => progress.applied += 1,
            Fate::Duplicate => progress.duplicate += 1,
            Fate::Late => progress.late += 1,
            Fate::Skipped => progress.skipped += 1,
            Fate::NotHere => return Ok(false),
        }
        Ok(true)
    }

    /// Do as a punctuation says, unless it is a dead letter: of another time source than the first one, or ahead of its
    /// append time; gives whether that was done.
    fn take_punctuation(
        &mut self,
        entry: &Entry<'_>,
        punctuation: &Punctuation,
        progress: &mut Progress,
        now: &mut Situation<'_>,
        turns: &mut Turns<'_>,
    ) -> PyResult<bool> {
        let time_source = punctuation.time_source.name();
        let is_live = punctuation.time_source == TimeSource::Live;
        if now.time_source.is_some_and(|known| known != time_source)
            || (is_live && !is_near_append_time(punctuation.at, entry.append_time))
        {
            return Ok(false);
        }
        now.time_source = Some(time_source);
        let clock = now.clock.map_or(punctuation.at, |clock| clock.max(punctuation.at));
        now.clock = Some(clock);
        self.punctuate(clock, entry.offset, now.policy, turns)?;
        progress.punctuations += 1;
        Ok(true)
    }
}
