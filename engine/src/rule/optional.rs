//! Numbers that may be absent, in eight bytes. The word for an absent value is `None`; these types only pack it, where
//! a million journeys or records are in memory.

/// An `Option<i64>`; it cannot hold `i64::MIN`, which stands for `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionalI64(i64);

impl OptionalI64 {
    /// No number.
    pub const NONE: Self = OptionalI64(i64::MIN);

    /// The number, if there is one.
    #[inline]
    pub fn get(self) -> Option<i64> {
        self.is_some().then_some(self.0)
    }

    /// Whether there is a number.
    #[inline]
    pub fn is_some(self) -> bool {
        self.0 != i64::MIN
    }

    /// This number, else the other one.
    #[inline]
    pub fn or(self, other: Self) -> Self {
        if self.is_some() {
            self
        } else {
            other
        }
    }
}

impl Default for OptionalI64 {
    fn default() -> Self {
        OptionalI64::NONE
    }
}

impl From<Option<i64>> for OptionalI64 {
    #[inline]
    fn from(number: Option<i64>) -> Self {
        OptionalI64(number.unwrap_or(i64::MIN))
    }
}

impl From<i64> for OptionalI64 {
    #[inline]
    fn from(number: i64) -> Self {
        OptionalI64(number)
    }
}

/// An `Option<f64>`; it cannot hold a NaN, which stands for `None`.
#[derive(Clone, Copy, Debug)]
pub struct OptionalF64(f64);

impl OptionalF64 {
    /// No number.
    pub const NONE: Self = OptionalF64(f64::NAN);

    /// The number, if there is one.
    #[inline]
    pub fn get(self) -> Option<f64> {
        self.is_some().then_some(self.0)
    }

    /// The number, NaN where there is none.
    #[inline]
    pub fn or_nan(self) -> f64 {
        self.0
    }

    /// Whether there is a number.
    #[inline]
    pub fn is_some(self) -> bool {
        !self.0.is_nan()
    }

    /// This number, else the other one.
    #[inline]
    pub fn or(self, other: Self) -> Self {
        if self.is_some() {
            self
        } else {
            other
        }
    }
}

impl Default for OptionalF64 {
    fn default() -> Self {
        OptionalF64::NONE
    }
}

impl From<Option<f64>> for OptionalF64 {
    #[inline]
    fn from(number: Option<f64>) -> Self {
        OptionalF64(number.unwrap_or(f64::NAN))
    }
}

impl From<f64> for OptionalF64 {
    #[inline]
    fn from(number: f64) -> Self {
        OptionalF64(number)
    }
}
