//! The gateway from outside: bytes in, facts out; requests out, answers in.

mod calls;
mod events;
mod failures;
mod signatures;
mod stand_in;
