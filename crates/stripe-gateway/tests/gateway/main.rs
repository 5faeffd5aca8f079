//! The gateway from outside: bytes in, facts out; requests out, answers in.

mod calls;
mod checkout_sessions;
mod disputes;
mod event_lists;
mod events;
mod failures;
mod refunds;
mod signatures;
mod stand_in;
