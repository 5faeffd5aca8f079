//! Stripe's resources, one file each: the stored object, its rendering, its endpoints, its routes.

use serde_json::Value;

use crate::routes::Route;
use crate::state::Tx;

pub(crate) mod address;
pub(crate) mod charges;
pub(crate) mod customers;
mod event_log;
pub(crate) mod payment_intents;
pub(crate) mod payment_methods;
pub(crate) mod webhook_endpoints;

/// The routes of every resource.
pub(crate) const ROUTES: &[&[Route]] = &[
    payment_intents::ROUTES,
    charges::ROUTES,
    payment_methods::ROUTES,
    customers::ROUTES,
    event_log::ROUTES,
    webhook_endpoints::ROUTES,
    crate::control::ROUTES,
    crate::chaos::ROUTES,
];

/// The object of an id of any kind, for `expand[]`.
pub(crate) fn render_by_id(tx: &Tx<'_>, id: &str) -> Option<Value> {
    match id.split_once('_')?.0 {
        "pi" => tx.get::<payment_intents::PaymentIntent>(id).map(payment_intents::PaymentIntent::render),
        "ch" | "py" => tx.get::<charges::Charge>(id).map(charges::Charge::render),
        "pm" => tx.get::<payment_methods::PaymentMethod>(id).map(payment_methods::PaymentMethod::render),
        "cus" => tx.get::<customers::Customer>(id).map(customers::Customer::render),
        _ => None,
    }
}
