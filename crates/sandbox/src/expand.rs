//! `expand[]`: ids in an answer replaced by their objects: <https://docs.stripe.com/api/expanding_objects>.

use serde_json::Value;

use crate::api_error::ApiError;
use crate::resources;
use crate::state::Tx;

const MAX_DEPTH: usize = 4;

/// Fields that hold an id which can be expanded. Some are always null here, which expands to null.
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

/// Replaces what the paths name in `answer`, an object or a list.
pub(crate) fn expand(tx: &Tx<'_>, answer: &mut Value, paths: &[String]) -> Result<(), ApiError> {
    for path in paths {
        let segments: Vec<&str> = path.split('.').collect();
        if segments.len() > MAX_DEPTH {
            return Err(ApiError::invalid(format!(
                "You cannot expand more than {MAX_DEPTH} levels of a property. Property: {path}"
            ))
            .with_param("expand"));
        }
        expand_path(tx, answer, &segments, path)?;
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
        && let Some(list) = resources::render_included(tx, value, first)
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
        if let Some(object) = resources::render_by_id(tx, id) {
            *field = object;
        }
    } else if field.is_null() {
        return if EXPANDABLE.contains(first) { Ok(()) } else { Err(refused()) };
    } else if !field.is_object() || rest.is_empty() {
        return Err(refused());
    }
    if rest.is_empty() || !field.is_object() { Ok(()) } else { expand_path(tx, field, rest, path) }
}
