//! Live partitions: a row for each journey, found by its id and by its deadline; outputs and changed rows as messages.

mod batch;
mod correction;
mod engine;
mod entry;
mod indexes;
mod outputs;
mod partition;
mod progress;
mod punctuate;
mod row;
mod situation;
mod store;
mod stored_row;
mod turns;

pub use engine::Engine;
pub use progress::Progress;
