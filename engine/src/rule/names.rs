//! States, outcomes and the like: text on the wire and to Python, a number in a row.

/// Names that a small set of values has, by number.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name { $(#[doc = $text] $variant),+ }

        impl $name {
            /// All values, by number.
            #[allow(dead_code)] // those of a time source are asked for by name alone
            pub const ALL: &'static [Self] = &[$($name::$variant),+];

            /// Its text.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }

            /// The value of a text; `None` for a text that names none.
            pub fn of(text: &str) -> Option<Self> {
                match text { $($text => Some($name::$variant),)+ _ => None }
            }
        }
    };
}

named!(
    /// State of a journey.
    State { Unaware = "UNAWARE", Aware = "AWARE", Considering = "CONSIDERING", Intent = "INTENT", Converted = "CONVERTED" }
);

named!(
    /// Whose time a partition keeps.
    TimeSource { Live = "live", Simulated = "simulated" }
);

named!(
    /// How an episode ended: the reason of its abandonment, or CONVERTED.
    Outcome {
        Timeout = "TIMEOUT",
        Inactivity = "INACTIVITY",
        CompetitorConversion = "COMPETITOR_CONVERSION",
        BudgetExhausted = "BUDGET_EXHAUSTED",
        UserFatigue = "USER_FATIGUE",
        ManualTermination = "MANUAL_TERMINATION",
        Converted = "CONVERTED",
    }
);

/// Outcomes that are reasons of abandonments: all but the last.
pub const REASONS: usize = Outcome::Converted as usize;
