//! Stripe events: the inbox, applying events, and event backfills.

mod apply;
mod attempt_lookup;
mod backfills;
mod inbox;
