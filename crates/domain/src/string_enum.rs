//! Enums whose variants are fixed strings in JSON, in the database or at Stripe.

/// An error for a string that isn't the value of an enum.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {name} `{value}`")]
pub struct UnknownValue {
    /// The enum's name.
    pub name: &'static str,
    /// The rejected string.
    pub value: String,
}

/// Declares an enum whose variants have one string each.
///
/// The enum gets `ALL`, `as_str` and `FromStr`, and derives `Debug`, `Clone`, `Copy`, `PartialEq`, `Eq` and `Hash`.
/// Parsing is case-sensitive. Unknown strings return an [`UnknownValue`](crate::string_enum::UnknownValue).
///
/// ```
/// quittance_domain::string_enum! {
///     /// The color of a traffic light.
///     pub enum Light {
///         /// Stop.
///         Red = "red",
///         /// Go.
///         Green = "green",
///     }
/// }
///
/// assert_eq!("green".parse(), Ok(Light::Green));
/// assert_eq!(Light::ALL.map(Light::as_str), ["red", "green"]);
/// assert_eq!("blue".parse::<Light>().unwrap_err().to_string(), "unknown Light `blue`");
/// ```
#[macro_export]
macro_rules! string_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $($(#[$variant_meta:meta])* $variant:ident = $value:literal,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
        }

        impl $name {
            /// All values, in the order of their declaration.
            pub const ALL: [Self; [$($value),+].len()] = [$(Self::$variant),+];

            /// Returns the string of this value.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $value,)+
                }
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::string_enum::UnknownValue;

            fn from_str(text: &str) -> ::std::result::Result<Self, Self::Err> {
                match text {
                    $($value => ::std::result::Result::Ok(Self::$variant),)+
                    _ => ::std::result::Result::Err($crate::string_enum::UnknownValue {
                        name: ::std::stringify!($name),
                        value: text.to_owned(),
                    }),
                }
            }
        }
    };
}
