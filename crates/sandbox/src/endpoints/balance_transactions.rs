//! Balance transactions and the balance: <https://docs.stripe.com/api/balance_transactions>.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::endpoints::route::{Call, Route};
use crate::http::amounts;
use crate::http::error::ApiError;
use crate::http::pagination::{Page, created_filter};
use crate::objects::balance_transaction::{BalanceTransaction, BalanceTransactionType};

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/v1/balance", balance),
    Route::get("/v1/balance_transactions", list),
    Route::get("/v1/balance_transactions/{id}", retrieve),
];

fn retrieve(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    let transaction = call.tx.get::<BalanceTransaction>(call.id);
    let transaction = transaction.ok_or_else(|| ApiError::not_found("balance transaction", call.id, "id"))?;
    Ok(transaction.render(call.tx.now))
}

fn list(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let page = Page::parse(&mut params)?;
    let created = created_filter(&mut params)?;
    let currency = amounts::currency(&mut params)?;
    let source = params.string("source")?;
    let type_ = params.enum_value::<BalanceTransactionType>("type")?;
    params.reject_unsupported(&["payout"])?;
    params.finish()?;
    let now = call.tx.now;
    let transactions: Vec<&BalanceTransaction> = call
        .tx
        .newest_first::<BalanceTransaction>()
        .filter(|transaction| created.contains(&transaction.created))
        .filter(|transaction| currency.as_ref().is_none_or(|currency| transaction.currency == *currency))
        .filter(|transaction| source.as_ref().is_none_or(|source| transaction.source == *source))
        .filter(|transaction| type_.is_none_or(|type_| transaction.type_ == type_))
        .collect();
    page.render(
        &transactions,
        "balance transaction",
        "/v1/balance_transactions",
        |transaction| &transaction.id,
        |transaction| transaction.render(now),
    )
}

/// Returns the sums of all balance transactions by currency, available and pending.
fn balance(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    let mut sums: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for transaction in call.tx.newest_first::<BalanceTransaction>() {
        let (available, pending) = sums.entry(&transaction.currency).or_default();
        let sum = if transaction.is_available(call.tx.now) { available } else { pending };
        *sum += transaction.net();
    }
    if sums.is_empty() {
        sums.insert("usd", (0, 0));
    }
    let amounts = |pick: fn(&(i64, i64)) -> i64| -> Vec<Value> {
        let amounts = sums.iter().map(|(currency, both)| {
            let amount = pick(both);
            json!({ "amount": amount, "currency": currency, "source_types": { "card": amount } })
        });
        amounts.collect()
    };
    Ok(json!({
        "object": "balance",
        "available": amounts(|both| both.0),
        "livemode": false,
        "pending": amounts(|both| both.1),
        "refund_and_dispute_prefunding": { "available": [], "pending": [] },
    }))
}
