//! The rule for one journey, stated once: live partitions and backtests both apply it, and keep and index journeys in
//! their own ways. It is the one that `journeys.streams.rule.decide`, `journeys.streams.rule.evolve` and `journeys.streams.rule.penalty` state in Python.
//!
//! | question | file |
//! |---|---|
//! | what is known of a journey | `journey` |
//! | when does an episode begin, and what does it keep of its journey | `begin` |
//! | what does a touchpoint add to an episode | `count` |
//! | how does an episode end, and for which reason | `end` |
//! | until when does it run, and what moves that | `deadline` |
//! | what comes too late, and when is a journey forgotten | `lateness` |
//! | what may move a clock, and what does a corrected one take back | `clock` |
//! | what is applied once only | `duplicates` |
//! | what does an abandonment cost | `penalty`, with `rate` for exact amounts |
//! | how large can things be | `limits` |
//!
//! A record is asked in this order: has the journey been forgotten, has its deadline passed, is the record a duplicate,
//! is it late; then it is applied. `Journey::touch` applies a touchpoint, `register` a registration,
//! `extend` and `end_at_record` signals and commands. What happens is told to an `Observer`.

mod begin;
pub mod clock;
mod count;
mod deadline;
mod decimal;
mod duplicates;
mod end;
mod journey;
mod lateness;
pub mod limits;
mod names;
mod optional;
mod penalty;
mod policy;
mod rate;
#[cfg(test)]
mod tests;

pub use begin::Overrides;
pub use count::Touchpoint;
pub use duplicates::RecentIds;
pub use end::{Ending, Observer};
pub use journey::{Episode, Journey, Previous, Rare, UNKNOWN};
pub use names::{Outcome, State, TimeSource, REASONS};
pub use optional::{OptionalF64, OptionalI64};
pub use penalty::{Penalties, Penalty};
pub use policy::{Policy, Rule};
