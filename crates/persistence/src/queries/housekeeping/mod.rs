//! Migrations, secret keys, and the Stripe account that the data belongs to.

mod migrations;
mod secret_keys;
mod stripe_accounts;
