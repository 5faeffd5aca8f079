//! Stripe's resources, one file each: the stored object, its rendering, its endpoints, its routes.

use serde_json::Value;

use crate::routes::Route;
use crate::state::Tx;

pub(crate) mod account_links;
pub(crate) mod accounts;
pub(crate) mod address;
pub(crate) mod application_fees;
pub(crate) mod balance_transactions;
pub(crate) mod capabilities;
pub(crate) mod charges;
pub(crate) mod checkout_sessions;
pub(crate) mod connect;
pub(crate) mod customers;
pub(crate) mod disputes;
mod event_log;
pub(crate) mod oauth;
pub(crate) mod payment_intents;
pub(crate) mod payment_methods;
pub(crate) mod prices;
pub(crate) mod products;
pub(crate) mod refunds;
pub(crate) mod transfers;
pub(crate) mod webhook_endpoints;

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
    event_log::ROUTES,
    webhook_endpoints::ROUTES,
    crate::control::ROUTES,
    crate::control::world::ROUTES,
    crate::control::accounts::ROUTES,
    crate::chaos::ROUTES,
];

/// The object of an id of any kind, for `expand[]`.
pub(crate) fn render_by_id(tx: &Tx<'_>, id: &str) -> Option<Value> {
    match id.split_once('_')?.0 {
        "pi" => tx.get::<payment_intents::PaymentIntent>(id).map(payment_intents::PaymentIntent::render),
        "ch" | "py" => {
            let charge = tx.get::<charges::Charge>(id).map(charges::Charge::render);
            charge.or_else(|| render_payment(tx, id))
        }
        "fee" => application_fees::of_platform(tx, id).map(|fee| fee.render(tx)),
        "fr" => tx.get::<application_fees::FeeRefund>(id).map(application_fees::FeeRefund::render),
        "tr" => tx.get::<transfers::Transfer>(id).map(|transfer| transfer.render(tx)),
        "trr" => tx.get::<transfers::Reversal>(id).map(transfers::Reversal::render),
        "pm" => tx.get::<payment_methods::PaymentMethod>(id).map(payment_methods::PaymentMethod::render),
        "ca" => Some(accounts::render_application(id)),
        "acct" => accounts::connected(tx, id).map(accounts::ConnectedAccount::render),
        "cus" => tx.get::<customers::Customer>(id).map(customers::Customer::render),
        "prod" => tx.get::<products::Product>(id).map(products::Product::render),
        "price" => tx.get::<prices::Price>(id).map(prices::Price::render),
        "re" | "pyr" => tx.get::<refunds::Refund>(id).map(refunds::Refund::render),
        "du" => tx.get::<disputes::Dispute>(id).map(|dispute| dispute.render(tx)),
        "txn" => {
            let transaction = tx.get::<balance_transactions::BalanceTransaction>(id);
            transaction.map(|transaction| transaction.render(tx.now))
        }
        _ => None,
    }
}

/// A payment by the platform: on the account that got it, and from the platform that sent it.
fn render_payment(tx: &Tx<'_>, id: &str) -> Option<Value> {
    let (account, payment) = tx.state.of::<transfers::DestinationPayment>().find(id)?;
    (tx.account.is_platform() || tx.account == *account).then(|| payment.render())
}

/// A list that an object shows only if it is asked for by `expand[]`.
pub(crate) fn render_included(tx: &Tx<'_>, object: &Value, field: &str) -> Option<Value> {
    let id = object["id"].as_str()?;
    match (object["object"].as_str()?, field) {
        ("charge", "refunds") => Some(refunds::list_of_charge(tx, id)),
        ("checkout.session", "line_items") => tx
            .get::<checkout_sessions::CheckoutSession>(id)
            .map(checkout_sessions::CheckoutSession::render_line_items),
        _ => None,
    }
}
