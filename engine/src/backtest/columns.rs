//! History by journey: columns in which the records of each journey lie together, in the order of the log.

// As schemas.instants.
const EARLIEST: i64 = 631_152_000_000;
const LATEST: i64 = 221_845_392_000_000;

/// A record of a kind that is not a touchpoint.
pub const REGISTRATION: u8 = 1;
/// The same; 2 is a signal, which ends an episode like this.
pub const ABANDON: u8 = 3;
/// The same.
pub const EXTEND: u8 = 4;

/// In place of an amount or a duration that a record does not give.
pub const NOT_GIVEN: i64 = -1;
/// In `repeats`: a request without an id, which is remembered nowhere.
pub const NO_ID: u32 = u32::MAX;

/// What only records other than touchpoints have; as long as the other columns, or empty where there are none.
#[derive(Default)]
pub struct Requests {
    pub kind: Vec<u8>,
    /// Number of a signal's or command's reason.
    pub reason: Vec<u8>,
    pub timeout_ms: Vec<i64>,
    pub inactivity_ms: Vec<i64>,
    pub budget_micros: Vec<i64>,
    pub extend_by_ms: Vec<i64>,
}

/// Records of some journeys.
#[derive(Default)]
pub struct Columns {
    /// First row of each journey, and the number of rows.
    pub begins: Vec<u32>,
    pub occurred_at: Vec<i64>,
    /// How far the record lies behind the clock at its line.
    pub behind_ms: Vec<i64>,
    /// Whether the next line of the log moves the clock, or there is none.
    pub clock_moves: Vec<u8>,
    /// 0 where the record says none, else the number of the state and one.
    pub state: Vec<u8>,
    pub cost_micros: Vec<i64>,
    /// NaN where the record says none.
    pub probability: Vec<f64>,
    /// `NOT_GIVEN` where the record says none.
    pub value_micros: Vec<i64>,
    /// How many rows above lies the journey's first record with the same id; 0 where this is the first.
    pub repeats: Vec<u32>,
    pub requests: Requests,
}

impl Columns {
    /// What is wrong with columns that came from outside; `None` where they fit together.
    pub fn fault(&self) -> Option<String> {
        let rows = self.occurred_at.len();
        let requests = &self.requests;
        let there = if requests.kind.is_empty() { 0 } else { rows };
        for (name, found, wanted) in [
            ("behind_ms", self.behind_ms.len(), rows),
            ("clock_moves", self.clock_moves.len(), rows),
            ("state", self.state.len(), rows),
            ("cost_micros", self.cost_micros.len(), rows),
            ("conversion_probability", self.probability.len(), rows),
            ("conversion_value_micros", self.value_micros.len(), rows),
            ("repeats", self.repeats.len(), rows),
            ("kind", requests.kind.len(), there),
            ("reason", requests.reason.len(), there),
            ("timeout_ms", requests.timeout_ms.len(), there),
            ("inactivity_ms", requests.inactivity_ms.len(), there),
            ("budget_micros", requests.budget_micros.len(), there),
            ("extend_by_ms", requests.extend_by_ms.len(), there),
        ] {
            if found != wanted {
                return Some(format!("{name}: {found} rows where {wanted} are right"));
            }
        }
        // Within these, no sum of instants and durations leaves 64 bits.
        let instants = EARLIEST..LATEST;
        if !self.occurred_at.iter().all(|at| instants.contains(at)) {
            return Some("occurred_at: an instant before 1990 or after the year 8999".into());
        }
        if self
            .behind_ms
            .iter()
            .any(|behind| !(0..LATEST).contains(behind))
        {
            return Some("behind_ms: below zero".into());
        }
        let wrong = |column: &[u8], most: u8| column.iter().any(|value| *value > most);
        if wrong(&self.state, 5) {
            return Some("state: a number above 5".into());
        }
        if wrong(&requests.kind, EXTEND) {
            return Some("kind: a number above 4".into());
        }
        if wrong(&requests.reason, 5) {
            return Some("reason: a number above 5".into());
        }
        None
    }

    /// Begin a journey wherever the number changes.
    pub fn begin_by(&mut self, numbers: &[u32]) {
        self.begins.clear();
        let mut last = None;
        for (row, number) in numbers.iter().enumerate() {
            if last != Some(number) {
                self.begins.push(row as u32);
                last = Some(number);
            }
        }
        self.begins.push(numbers.len() as u32);
    }
}
