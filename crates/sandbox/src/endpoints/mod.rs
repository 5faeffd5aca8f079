//! API endpoints, one file per resource: parameters, handlers and routes.

use crate::endpoints::route::Route;

mod account_links;
mod account_params;
mod accounts;
mod application_fees;
mod balance_transactions;
mod capabilities;
mod charges;
mod checkout_session_params;
mod checkout_sessions;
pub(crate) mod control;
mod customers;
mod disputes;
mod events;
mod line_item_params;
mod oauth;
mod payment_intent_params;
mod payment_intents;
mod payment_method_params;
mod payment_method_type_params;
mod payment_methods;
mod price_params;
mod prices;
mod product_params;
mod products;
mod refunds;
pub(crate) mod route;
mod transfers;
mod webhook_endpoints;

/// The routes of every resource.
pub(crate) const ROUTES: &[&[Route]] = &[
    payment_intents::ROUTES,
    charges::ROUTES,
    refunds::ROUTES,
    disputes::ROUTES,
    balance_transactions::ROUTES,
    checkout_sessions::ROUTES,
    payment_methods::ROUTES,
    customers::ROUTES,
    products::ROUTES,
    prices::ROUTES,
    accounts::ROUTES,
    capabilities::ROUTES,
    account_links::ROUTES,
    oauth::ROUTES,
    application_fees::ROUTES,
    transfers::ROUTES,
    events::ROUTES,
    webhook_endpoints::ROUTES,
    control::clock::ROUTES,
    control::payments::ROUTES,
    control::accounts::ROUTES,
    control::chaos::ROUTES,
];

/// Returns every route.
pub(crate) fn routes() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().copied().flatten()
}
