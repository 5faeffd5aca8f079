//! The two kinds of API clients, which see different details of the same objects.

/// The kind of client that a response is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// The shop, or the platform that sells for others. It sees everything.
    Shop,
    /// The customer who places an order or holds its client token.
    Holder,
}
