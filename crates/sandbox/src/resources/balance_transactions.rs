//! Movements of the account's balance, and the balance itself: <https://docs.stripe.com/api/balance_transactions>.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api_error::ApiError;
use crate::clock::Moment;
use crate::ids;
use crate::list::{Page, created_filter};
use crate::money;
use crate::params::words;
use crate::request::Call;
use crate::routes::Route;
use crate::state::{Resource, Tx};

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/v1/balance", balance),
    Route::get("/v1/balance_transactions", list),
    Route::get("/v1/balance_transactions/{id}", retrieve),
];

/// What Stripe takes of a payment here: 2.9 % and 30 of the currency's smallest unit.
const FEE_PERMILLE: i64 = 29;
const FEE_FIXED: i64 = 30;
/// What a dispute costs: 1500 of the currency's smallest unit.
pub(crate) const DISPUTE_FEE: i64 = 1_500;
/// How long the money of a payment is on its way.
pub(crate) const PENDING_TIME: Duration = Duration::from_hours(2 * 24);

words! {
    /// Why the balance changed.
    BalanceTransactionType {
        Adjustment = "adjustment",
        ApplicationFee = "application_fee",
        ApplicationFeeRefund = "application_fee_refund",
        Charge = "charge",
        Payment = "payment",
        PaymentRefund = "payment_refund",
        Refund = "refund",
        RefundFailure = "refund_failure",
        Transfer = "transfer",
        TransferRefund = "transfer_refund",
    }
}

/// One movement of the balance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BalanceTransaction {
    pub(crate) id: String,
    created: i64,
    available_on_ms: i64,
    amount: i64,
    /// What the platform takes of it.
    #[serde(default)]
    application_fee: i64,
    fee: i64,
    currency: String,
    description: Option<String>,
    reporting_category: String,
    source: String,
    #[serde(rename = "type")]
    type_: BalanceTransactionType,
}

impl Resource for BalanceTransaction {
    const KIND: &'static str = "balance_transaction";

    fn id(&self) -> &str {
        &self.id
    }
}

/// What moves the balance.
pub(crate) struct Movement<'a> {
    pub(crate) type_: BalanceTransactionType,
    pub(crate) reporting_category: &'a str,
    /// The id of the charge, refund or dispute.
    pub(crate) source: &'a str,
    /// What comes in, or goes out if negative.
    pub(crate) amount: i64,
    pub(crate) fee: i64,
    pub(crate) currency: &'a str,
    pub(crate) description: Option<String>,
    /// How long the money is on its way.
    pub(crate) pends_for: Duration,
}

/// The fee of a payment.
pub(crate) fn payment_fee(amount: i64) -> i64 {
    (amount * FEE_PERMILLE + 500) / 1_000 + FEE_FIXED
}

/// Moves the balance; returns the id of the record of it.
pub(crate) fn record(tx: &mut Tx<'_>, movement: Movement<'_>) -> String {
    record_with_fee(tx, movement, 0)
}

/// As `record`, with what the platform takes of it besides.
pub(crate) fn record_with_fee(tx: &mut Tx<'_>, movement: Movement<'_>, application_fee: i64) -> String {
    let id = ids::object("txn");
    let transaction = BalanceTransaction {
        id: id.clone(),
        created: tx.now.seconds(),
        available_on_ms: tx.now.after(movement.pends_for).0,
        amount: movement.amount,
        application_fee,
        fee: movement.fee,
        currency: movement.currency.to_owned(),
        description: movement.description,
        reporting_category: movement.reporting_category.to_owned(),
        source: movement.source.to_owned(),
        type_: movement.type_,
    };
    tx.put(transaction);
    id
}

impl BalanceTransaction {
    fn net(&self) -> i64 {
        self.amount - self.fee - self.application_fee
    }

    fn is_available(&self, now: Moment) -> bool {
        self.available_on_ms <= now.0
    }

    pub(crate) fn render(&self, now: Moment) -> Value {
        let stripe_fee = (self.fee != 0).then(|| {
            let is_dispute = self.type_ == BalanceTransactionType::Adjustment;
            json!({
                "amount": self.fee,
                "application": null,
                "currency": self.currency,
                "description": if is_dispute { "Dispute fee" } else { "Stripe processing fees" },
                "type": "stripe_fee",
            })
        });
        let application_fee = (self.application_fee != 0).then(|| {
            json!({
                "amount": self.application_fee,
                "application": null,
                "currency": self.currency,
                "description": "Application fee",
                "type": "application_fee",
            })
        });
        let fee_details: Vec<Value> = application_fee.into_iter().chain(stripe_fee).collect();
        json!({
            "id": self.id,
            "object": "balance_transaction",
            "amount": self.amount,
            "available_on": Moment(self.available_on_ms).seconds(),
            "balance_type": "payments",
            "created": self.created,
            "currency": self.currency,
            "description": self.description,
            "exchange_rate": null,
            "fee": self.fee + self.application_fee,
            "fee_details": fee_details,
            "net": self.net(),
            "reporting_category": self.reporting_category,
            "source": self.source,
            "status": if self.is_available(now) { "available" } else { "pending" },
            "type": self.type_,
        })
    }
}

fn retrieve(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    let transaction = call.tx.get::<BalanceTransaction>(call.id);
    let transaction = transaction.ok_or_else(|| ApiError::missing("balance transaction", call.id, "id"))?;
    Ok(transaction.render(call.tx.now))
}

fn list(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let page = Page::parse(&mut params)?;
    let created = created_filter(&mut params)?;
    let currency = money::currency(&mut params)?;
    let source = params.string("source")?;
    let type_ = params.word::<BalanceTransactionType>("type")?;
    params.refuse_unsupported(&["payout"])?;
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
    page.cut(
        &transactions,
        "balance transaction",
        "/v1/balance_transactions",
        |transaction| &transaction.id,
        |transaction| transaction.render(now),
    )
}

/// What the movements add up to, by currency: what is there, and what is on its way.
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
