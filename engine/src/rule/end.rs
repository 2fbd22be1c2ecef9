//! How an episode ends: by a conversion, a rule or a request at once, or at its deadline.

use pyo3::prelude::*;

use crate::rule::{Episode, Journey, OptionalI64, Outcome, Penalty, Policy, Previous, Rare, Rule, State, Touchpoint};

/// How and when an episode ends.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    pub outcome: Outcome,
    pub ended_at: i64,
    /// Whether it ran until its deadline, without a record that ended it.
    pub is_by_deadline: bool,
}

/// Told of what happens to a journey. Journey and episode are as they are just before an end.
pub trait Observer {
    /// An episode has begun: by a touchpoint or, without one, by a registration.
    fn began(&mut self, journey: &Journey, episode: &Episode, touchpoint: Option<&Touchpoint>, policy: &Policy);

    /// The policy has extended an engaged episode, whose timeout was due at `due_at`.
    fn extended(&mut self, episode: &Episode, by_ms: i64, due_at: i64, policy: &Policy);

    /// The episode converts.
    fn converted(&mut self, journey: &Journey, episode: &Episode, ended_at: i64, policy: &Policy);

    /// The episode is abandoned.
    fn abandoned(&mut self, episode: &Episode, ending: &Ending, penalty: &Penalty, policy: &Policy);
}

impl Journey {
    /// Apply a touchpoint that is neither a duplicate nor late: begin an episode where none is open, count the
    /// touchpoint, and end the episode where that does.
    #[inline]
    pub fn touch(
        &mut self,
        touchpoint: &Touchpoint,
        id: i64,
        rule: &mut Rule,
        observer: &mut impl Observer,
    ) -> PyResult<()> {
        let at = touchpoint.occurred_at;
        let policy = &rule.policy;
        if !self.is_open() {
            let is_return = self.previous().is_some_and(Previous::was_abandoned);
            self.begin(at, is_return, policy);
            if let Some(episode) = &self.episode {
                observer.began(self, episode, Some(touchpoint), policy);
            }
        }
        self.recent_ids.add(id, policy.remembered_ids);
        if policy.keeps_times() {
            self.keep_time(at);
        }
        let Journey { episode: Some(episode), rare, .. } = self else {
            return Ok(());
        };
        episode.count(touchpoint);
        match outcome_of(touchpoint, episode, rare.as_deref(), policy) {
            Some(outcome) => self.end_at_record(outcome, at, rule, observer),
            None => Ok(()),
        }
    }

    /// End the open episode at once, by a record of the instant `at`.
    pub fn end_at_record(
        &mut self,
        outcome: Outcome,
        at: i64,
        rule: &mut Rule,
        observer: &mut impl Observer,
    ) -> PyResult<()> {
        let ended_at = self.episode.as_ref().map_or(at, |episode| at.max(episode.last_activity_at));
        self.end(&Ending { outcome, ended_at, is_by_deadline: false }, rule, observer)
    }

    /// Abandon the open episode at its deadline. Where both deadlines are the same, it is the timeout.
    pub fn end_at_deadline(&mut self, rule: &mut Rule, observer: &mut impl Observer) -> PyResult<()> {
        let Some(episode) = &self.episode else {
            return Ok(());
        };
        let ended_at = episode.deadline_at();
        let is_timeout = ended_at == episode.timeout_deadline_at;
        let outcome = if is_timeout { Outcome::Timeout } else { Outcome::Inactivity };
        self.end(&Ending { outcome, ended_at, is_by_deadline: true }, rule, observer)
    }

    /// The abandonment that a conversion at `ended_at` names: that of the previous episode, where the open one is a
    /// return and the conversion comes within the cleanup period.
    pub fn returned_from(&self, episode: &Episode, ended_at: i64, policy: &Policy) -> Option<&Previous> {
        let previous = self.previous().filter(|_| episode.is_return)?;
        (ended_at < previous.ended_at + policy.cleanup_ms).then_some(previous)
    }

    /// Close the episode: it becomes the previous one.
    fn end(&mut self, ending: &Ending, rule: &mut Rule, observer: &mut impl Observer) -> PyResult<()> {
        let Ending { outcome, ended_at, is_by_deadline } = *ending;
        let Some(episode) = &self.episode else {
            return Ok(());
        };
        let policy = &rule.policy;
        let mut total_penalty_micros = OptionalI64::NONE;
        if outcome == Outcome::Converted {
            observer.converted(self, episode, ended_at, policy);
        } else {
            let penalty = rule.penalties.of_episode(episode, outcome, ended_at)?;
            observer.abandoned(episode, ending, &penalty, policy);
            total_penalty_micros = penalty.total_micros().into();
        }
        let late_until = if outcome == Outcome::Converted {
            ended_at + policy.quiet_period_ms
        } else if is_by_deadline {
            ended_at - 1 // exclusive: a record at exactly the deadline is after the end
        } else {
            ended_at
        };
        let started_at = episode.started_at;
        self.episode = None;
        let rare = self.rare_mut();
        rare.previous = Some(Previous { started_at, ended_at, late_until, outcome, total_penalty_micros });
        rare.cleanup_at = (ended_at + policy.cleanup_ms).into();
        rare.extended_by_ms = 0;
        rare.touchpoint_times.clear();
        Ok(())
    }
}

/// How a touchpoint that has been counted ends its episode; `None` where it does not.
#[inline]
fn outcome_of(touchpoint: &Touchpoint, episode: &Episode, rare: Option<&Rare>, policy: &Policy) -> Option<Outcome> {
    if touchpoint.state == Some(State::Converted) {
        return Some(Outcome::Converted);
    }
    let budget_micros = rare.and_then(|rare| rare.overrides.budget_micros.get()).or(policy.budget_micros);
    if budget_micros.is_some_and(|budget| episode.total_cost_micros >= budget) {
        return Some(Outcome::BudgetExhausted);
    }
    // Fatigue: so many touchpoints within the window that ends with the latest.
    let (touchpoints, window_ms) = policy.fatigue?;
    let (times, opens_at) = (&rare?.touchpoint_times, episode.last_touchpoint_at.get()? - window_ms);
    let within = times.len() - times.partition_point(|touched| *touched <= opens_at);
    (within >= touchpoints).then_some(Outcome::UserFatigue)
}
