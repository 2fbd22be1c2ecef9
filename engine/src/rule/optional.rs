//! Numbers that may be absent, in eight bytes. The word for an absent value is `None`; these types only pack it, where
//! a million journeys or records are in memory.

/// A packed `Option` of a number, one value of which stands for `None`.
macro_rules! optional {
    ($(#[$doc:meta])* $name:ident of $number:ty, none: $none:expr, $is_some:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name($number);

        impl $name {
            /// No number.
            pub const NONE: Self = $name($none);

            /// Whether there is a number.
            #[inline]
            pub fn is_some(self) -> bool {
                $is_some(self.0)
            }

            /// The number, if there is one.
            #[inline]
            pub fn get(self) -> Option<$number> {
                self.is_some().then_some(self.0)
            }
        }

        impl Default for $name {
            fn default() -> Self {
                $name::NONE
            }
        }

        impl From<Option<$number>> for $name {
            #[inline]
            fn from(number: Option<$number>) -> Self {
                $name(number.unwrap_or($none))
            }
        }

        impl From<$number> for $name {
            #[inline]
            fn from(number: $number) -> Self {
                $name(number)
            }
        }
    };
}

optional!(
    /// An `Option<i64>`; it cannot hold `i64::MIN`.
    OptionalI64 of i64, none: i64::MIN, |number| number != i64::MIN
);

optional!(
    /// An `Option<f64>`; it cannot hold a NaN.
    OptionalF64 of f64, none: f64::NAN, |number: f64| !number.is_nan()
);
