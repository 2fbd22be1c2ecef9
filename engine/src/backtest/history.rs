//! History by journey: the records of each journey together, in the order of the log.

// As journeys.schemas.instants.
const EARLIEST: i64 = 631_152_000_000;
const LATEST: i64 = 221_845_392_000_000;

/// A record of a kind that is not a touchpoint.
pub const REGISTRATION: u8 = 1;
/// The same; 2 and 3 are a signal and the command to abandon.
pub const EXTEND: u8 = 4;

/// In place of an amount or a duration that a record does not give.
pub const NOT_GIVEN: i64 = -1;
/// In `repeats`: a request without an id, which is remembered nowhere.
pub const NO_ID: u32 = u32::MAX;

/// What decides of a record; in one place, as each policy reads all of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Record {
    pub occurred_at: i64,
    /// The clock at its line.
    pub clock: i64,
    pub cost_micros: i64,
    /// `NOT_GIVEN` where it says none.
    pub value_micros: i64,
    /// NaN where it says none.
    pub probability: f64,
    /// How many records above lies the journey's first one with the same id; 0 where this is the first.
    pub repeats: u32,
    /// 0 where it says none, else the number of the state and one.
    pub state: u8,
    pub kind: u8,
    /// Whether the next line of the log moves the clock, or there is none.
    pub clock_moves: bool,
}

/// What only records have that are no touchpoints.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request {
    /// Number of a signal's or command's reason.
    pub reason: u8,
    pub timeout_ms: i64,
    pub inactivity_ms: i64,
    pub budget_micros: i64,
    pub extend_by_ms: i64,
}

/// Records of some journeys.
#[derive(Debug, Default)]
pub struct History {
    /// First record of each journey, and the number of records.
    pub begins: Vec<u32>,
    pub records: Vec<Record>,
    /// As long as the records, or empty where all of them are touchpoints.
    pub requests: Vec<Request>,
}

impl History {
    /// Number of journeys.
    pub fn journeys(&self) -> usize {
        self.begins.len().saturating_sub(1)
    }

    /// What is wrong with records that came from outside; `None` where they can be run.
    pub fn fault(&self) -> Option<&'static str> {
        // Within these, no sum of instants and durations leaves 64 bits.
        let instants = EARLIEST..LATEST;
        let are_instants = |record: &Record| {
            instants.contains(&record.occurred_at) && (record.occurred_at..LATEST).contains(&record.clock)
        };
        if !self.records.iter().all(are_instants) {
            return Some("occurred_at, behind_ms: not between 1990 and the year 8999");
        }
        if self.records.iter().any(|record| record.state > 5) {
            return Some("state: a number above 5");
        }
        if self.records.iter().any(|record| record.kind > EXTEND) {
            return Some("kind: a number above 4");
        }
        if self.requests.iter().any(|request| request.reason > 5) {
            return Some("reason: a number above 5");
        }
        None
    }

    /// Begin a journey wherever the number changes.
    pub fn begin_by(&mut self, numbers: &[u32]) {
        self.begins.clear();
        if let Some(first) = numbers.first() {
            self.begins.push(0);
            let mut last = first;
            for (row, number) in numbers.iter().enumerate() {
                if number != last {
                    self.begins.push(row as u32);
                    last = number;
                }
            }
        }
        self.begins.push(numbers.len() as u32);
    }
}
