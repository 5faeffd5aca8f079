//! Enums whose variants are fixed strings of Stripe's API.

/// An enum of fixed strings, used in parameters and in objects.
pub(crate) trait StringEnum: Copy + 'static {
    const ALL: &'static [(&'static str, Self)];

    fn as_str(self) -> &'static str;
}

/// Declares an enum of fixed strings that can be serialized and read from a parameter.
macro_rules! string_enum {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $value:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub(crate) enum $name { $(#[serde(rename = $value)] $variant),+ }

        impl $crate::http::string_enum::StringEnum for $name {
            const ALL: &'static [(&'static str, Self)] = &[$(($value, Self::$variant)),+];

            fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $value),+ }
            }
        }
    };
}

pub(crate) use string_enum;
