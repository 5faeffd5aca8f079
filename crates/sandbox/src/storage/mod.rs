//! Storage primitives: the clock, IDs, tables of objects, and the state file.

pub(crate) mod clock;
pub(crate) mod file;
pub(crate) mod ids;
pub(crate) mod table;
