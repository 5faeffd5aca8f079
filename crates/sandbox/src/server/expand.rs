//! `expand[]`: replaces IDs in a response with their objects. <https://docs.stripe.com/api/expanding_objects>

use serde_json::Value;

use crate::http::error::ApiError;
use crate::objects::account::{ConnectedAccount, render_application};
use crate::objects::application_fee::FeeRefund;
use crate::objects::balance_transaction::BalanceTransaction;
use crate::objects::charge::Charge;
use crate::objects::checkout_session::CheckoutSession;
use crate::objects::customer::Customer;
use crate::objects::destination_payment::DestinationPayment;
use crate::objects::dispute::Dispute;
use crate::objects::payment_intent::PaymentIntent;
use crate::objects::payment_method::PaymentMethod;
use crate::objects::price::Price;
use crate::objects::product::Product;
use crate::objects::refund::Refund;
use crate::objects::transfer::{Reversal, Transfer};
use crate::operations::{account_lookup, application_fees, disputes, refunds, transfers};
use crate::state::Tx;

const MAX_DEPTH: usize = 4;

/// Fields whose IDs can be expanded. Some are always null in the sandbox and stay null.
const EXPANDABLE: &[&str] = &[
    "account",
    "application",
    "application_fee",
    "balance_transaction",
    "charge",
    "customer",
    "default_price",
    "destination",
    "destination_payment",
    "failure_balance_transaction",
    "fee",
    "latest_charge",
    "on_behalf_of",
    "originating_transaction",
    "payment_intent",
    "payment_method",
    "product",
    "review",
    "setup_intent",
    "source",
    "source_refund",
    "source_transaction",
    "source_transfer",
    "source_transfer_reversal",
    "transfer",
    "transfer_reversal",
];

/// Expands the paths in `response`, an object or a list.
pub(crate) fn expand(tx: &Tx<'_>, response: &mut Value, paths: &[String]) -> Result<(), ApiError> {
    for path in paths {
        let segments: Vec<&str> = path.split('.').collect();
        if segments.len() > MAX_DEPTH {
            return Err(ApiError::invalid(format!(
                "You cannot expand more than {MAX_DEPTH} levels of a property. Property: {path}"
            ))
            .with_param("expand"));
        }
        expand_path(tx, response, &segments, path)?;
    }
    Ok(())
}

fn expand_path(tx: &Tx<'_>, value: &mut Value, segments: &[&str], path: &str) -> Result<(), ApiError> {
    let Some((first, rest)) = segments.split_first() else { return Ok(()) };
    let refused = || {
        ApiError::invalid(format!(
            "This property cannot be expanded ({first}). You may want to try expanding 'data.{path}' instead \
             if this is a list."
        ))
        .with_param("expand")
    };
    if *first == "data" && value["object"] == "list" {
        let items = value["data"].as_array_mut().ok_or_else(refused)?;
        return items.iter_mut().try_for_each(|item| expand_path(tx, item, rest, path));
    }
    if value.get(*first).is_none()
        && let Some(list) = render_included(tx, value, first)
    {
        value[*first] = list;
        let list = &mut value[*first];
        return if rest.is_empty() { Ok(()) } else { expand_path(tx, list, rest, path) };
    }
    let field = value.get_mut(*first).ok_or_else(refused)?;
    if let Value::String(id) = field {
        if !EXPANDABLE.contains(first) {
            return Err(refused());
        }
        if let Some(object) = render_by_id(tx, id) {
            *field = object;
        }
    } else if field.is_null() {
        return if EXPANDABLE.contains(first) { Ok(()) } else { Err(refused()) };
    } else if !field.is_object() || rest.is_empty() {
        return Err(refused());
    }
    if rest.is_empty() || !field.is_object() { Ok(()) } else { expand_path(tx, field, rest, path) }
}

/// Renders the object with this ID, of any type.
fn render_by_id(tx: &Tx<'_>, id: &str) -> Option<Value> {
    match id.split_once('_')?.0 {
        "pi" => tx.get::<PaymentIntent>(id).map(PaymentIntent::render),
        "ch" | "py" => {
            let charge = tx.get::<Charge>(id).map(Charge::render);
            charge.or_else(|| render_payment(tx, id))
        }
        "fee" => application_fees::find_on_platform(tx, id).map(|fee| application_fees::render(tx, &fee)),
        "fr" => tx.get::<FeeRefund>(id).map(FeeRefund::render),
        "tr" => tx.get::<Transfer>(id).map(|transfer| transfers::render(tx, transfer)),
        "trr" => tx.get::<Reversal>(id).map(Reversal::render),
        "pm" => tx.get::<PaymentMethod>(id).map(PaymentMethod::render),
        "ca" => Some(render_application(id)),
        "acct" => account_lookup::connected(tx, id).map(ConnectedAccount::render),
        "cus" => tx.get::<Customer>(id).map(Customer::render),
        "prod" => tx.get::<Product>(id).map(Product::render),
        "price" => tx.get::<Price>(id).map(Price::render),
        "re" | "pyr" => tx.get::<Refund>(id).map(Refund::render),
        "du" => tx.get::<Dispute>(id).map(|dispute| disputes::render(tx, dispute)),
        "txn" => {
            let transaction = tx.get::<BalanceTransaction>(id);
            transaction.map(|transaction| transaction.render(tx.now))
        }
        _ => None,
    }
}

/// Renders a destination payment, for its own account and for the platform.
fn render_payment(tx: &Tx<'_>, id: &str) -> Option<Value> {
    let (account, payment) = tx.state.table::<DestinationPayment>().find(id)?;
    (tx.account.is_platform() || tx.account == *account).then(|| payment.render())
}

/// Renders a list that an object contains only on request.
fn render_included(tx: &Tx<'_>, object: &Value, field: &str) -> Option<Value> {
    let id = object["id"].as_str()?;
    match (object["object"].as_str()?, field) {
        ("charge", "refunds") => Some(refunds::render_list_for_charge(tx, id)),
        ("checkout.session", "line_items") => {
            tx.get::<CheckoutSession>(id).map(CheckoutSession::render_line_items)
        }
        _ => None,
    }
}
