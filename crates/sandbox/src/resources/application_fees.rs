//! Application fees, what the platform earns of a payment, and their refunds:
//! <https://docs.stripe.com/api/application_fees>. Both belong to the platform.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api_error::ApiError;
use crate::ids;
use crate::list::{Page, created_filter};
use crate::money::decimal;
use crate::request::Call;
use crate::resources::accounts;
use crate::resources::balance_transactions::{self, BalanceTransactionType, Movement};
use crate::routes::Route;
use crate::state::{Account, Resource, Tx};

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/v1/application_fees", list),
    Route::get("/v1/application_fees/{id}", retrieve),
    Route::post("/v1/application_fees/{id}/refunds", create_refund),
    Route::get("/v1/application_fees/{id}/refunds", list_refunds),
    Route::get("/v1/application_fees/{id}/refunds/{child}", retrieve_refund),
    Route::post("/v1/application_fees/{id}/refunds/{child}", update_refund),
];

/// What the platform earned of one payment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ApplicationFee {
    pub(crate) id: String,
    created: i64,
    account: String,
    application: String,
    pub(crate) amount: i64,
    amount_refunded: i64,
    balance_transaction: String,
    charge: String,
    currency: String,
    originating_transaction: Option<String>,
}

impl Resource for ApplicationFee {
    const KIND: &'static str = "application_fee";

    fn id(&self) -> &str {
        &self.id
    }
}

/// A part of a fee, given back to the account that paid it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FeeRefund {
    id: String,
    created: i64,
    amount: i64,
    balance_transaction: String,
    currency: String,
    fee: String,
    metadata: BTreeMap<String, String>,
}

impl Resource for FeeRefund {
    const KIND: &'static str = "fee_refund";

    fn id(&self) -> &str {
        &self.id
    }
}

/// What a fee is taken of.
pub(crate) struct FeeSource<'a> {
    /// The account that pays it.
    pub(crate) account: &'a str,
    /// The charge on that account.
    pub(crate) charge: &'a str,
    /// The charge on the platform that sent the money there, if one did.
    pub(crate) originating_transaction: Option<&'a str>,
    pub(crate) currency: &'a str,
}

fn movement<'a>(
    type_: BalanceTransactionType,
    category: &'a str,
    source: &'a str,
    amount: i64,
    currency: &'a str,
) -> Movement<'a> {
    Movement {
        type_,
        reporting_category: category,
        source,
        amount,
        fee: 0,
        currency,
        description: None,
        pends_for: Duration::ZERO,
    }
}

/// The platform gets its fee; returns its id.
pub(crate) fn collect(tx: &mut Tx<'_>, source: &FeeSource<'_>, amount: i64) -> String {
    let application = accounts::find(tx, source.account).map(|account| account.application().to_owned());
    let id = ids::object("fee");
    tx.on_account(Account::platform(), |tx| {
        let moved = movement(
            BalanceTransactionType::ApplicationFee,
            "platform_earning",
            &id,
            amount,
            source.currency,
        );
        let fee = ApplicationFee {
            id: id.clone(),
            created: tx.now.seconds(),
            account: source.account.to_owned(),
            application: application.unwrap_or_default(),
            amount,
            amount_refunded: 0,
            balance_transaction: balance_transactions::record(tx, moved),
            charge: source.charge.to_owned(),
            currency: source.currency.to_owned(),
            originating_transaction: source.originating_transaction.map(str::to_owned),
        };
        tx.put(fee.clone());
        tx.emit("application_fee.created", fee.render(tx));
    });
    id
}

/// The platform gives a part of its fee back, of which that much is left.
pub(crate) fn give_back(
    tx: &mut Tx<'_>,
    mut fee: ApplicationFee,
    amount: i64,
    metadata: BTreeMap<String, String>,
) -> FeeRefund {
    let id = ids::object("fr");
    let back =
        movement(BalanceTransactionType::Adjustment, "platform_earning_refund", &id, amount, &fee.currency);
    tx.on_account(Account(fee.account.clone()), |tx| balance_transactions::record(tx, back));
    tx.on_account(Account::platform(), |tx| {
        let moved = movement(
            BalanceTransactionType::ApplicationFeeRefund,
            "platform_earning_refund",
            &id,
            -amount,
            &fee.currency,
        );
        let refund = FeeRefund {
            id: id.clone(),
            created: tx.now.seconds(),
            amount,
            balance_transaction: balance_transactions::record(tx, moved),
            currency: fee.currency.clone(),
            fee: fee.id.clone(),
            metadata,
        };
        fee.amount_refunded += amount;
        tx.put(refund.clone());
        tx.put(fee.clone());
        tx.emit("application_fee.refunded", fee.render(tx));
        refund
    })
}

/// A fee, whoever's call asks for it.
pub(crate) fn of_platform(tx: &Tx<'_>, id: &str) -> Option<ApplicationFee> {
    tx.state.of::<ApplicationFee>().get(&Account::platform(), id).cloned()
}

impl ApplicationFee {
    /// What has not been given back.
    pub(crate) fn rest(&self) -> i64 {
        self.amount - self.amount_refunded
    }

    pub(crate) fn render(&self, tx: &Tx<'_>) -> Value {
        let refunds: Vec<&FeeRefund> = refunds_of(tx, &self.id);
        let shown: Vec<Value> = refunds.iter().take(10).map(|refund| refund.render()).collect();
        json!({
            "id": self.id,
            "object": "application_fee",
            "account": self.account,
            "amount": self.amount,
            "amount_refunded": self.amount_refunded,
            "application": self.application,
            "balance_transaction": self.balance_transaction,
            "charge": self.charge,
            "created": self.created,
            "currency": self.currency,
            "fee_source": { "charge": self.charge, "type": "charge" },
            "livemode": false,
            "originating_transaction": self.originating_transaction,
            "refunded": self.rest() == 0,
            "refunds": {
                "object": "list",
                "data": shown,
                "has_more": refunds.len() > 10,
                "url": format!("/v1/application_fees/{}/refunds", self.id),
            },
        })
    }
}

impl FeeRefund {
    pub(crate) fn render(&self) -> Value {
        json!({
            "id": self.id,
            "object": "fee_refund",
            "amount": self.amount,
            "balance_transaction": self.balance_transaction,
            "created": self.created,
            "currency": self.currency,
            "fee": self.fee,
            "metadata": self.metadata,
        })
    }
}

fn refunds_of<'a>(tx: &'a Tx<'_>, fee: &str) -> Vec<&'a FeeRefund> {
    tx.newest_first::<FeeRefund>().filter(|refund| refund.fee == fee).collect()
}

fn find(call: &Call<'_, '_>) -> Result<ApplicationFee, ApiError> {
    let fee = call.tx.get::<ApplicationFee>(call.id).cloned();
    fee.ok_or_else(|| ApiError::missing("application fee", call.id, "id"))
}

fn find_refund(call: &Call<'_, '_>) -> Result<FeeRefund, ApiError> {
    let fee = find(call)?;
    let refund = call.tx.get::<FeeRefund>(call.child).filter(|refund| refund.fee == fee.id);
    refund.cloned().ok_or_else(|| ApiError::missing("application fee refund", call.child, "id"))
}

fn retrieve(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    let fee = find(call)?;
    Ok(fee.render(call.tx))
}

fn list(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let page = Page::parse(&mut params)?;
    let created = created_filter(&mut params)?;
    let charge = params.string("charge")?;
    params.finish()?;
    let tx = &*call.tx;
    let fees: Vec<&ApplicationFee> = tx
        .newest_first::<ApplicationFee>()
        .filter(|fee| created.contains(&fee.created))
        .filter(|fee| {
            charge.as_ref().is_none_or(|charge| {
                fee.charge == *charge || fee.originating_transaction.as_ref() == Some(charge)
            })
        })
        .collect();
    page.cut(&fees, "application fee", "/v1/application_fees", |fee| &fee.id, |fee| fee.render(tx))
}

fn create_refund(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let amount = params.integer("amount")?;
    let change = params.metadata()?;
    if amount.is_some_and(|amount| amount < 1) {
        return Err(params
            .invalid("amount", "This value must be greater than or equal to 1.")
            .with_code("parameter_invalid_integer"));
    }
    params.finish()?;
    let fee = find(call)?;
    if fee.rest() == 0 {
        return Err(ApiError::refused(format!("Application fee {} has already been refunded.", fee.id)));
    }
    let amount = amount.unwrap_or_else(|| fee.rest());
    if amount > fee.rest() {
        return Err(ApiError::refused(format!(
            "Refund amount ({}) is greater than unrefunded amount on fee ({})",
            decimal(amount, &fee.currency),
            decimal(fee.rest(), &fee.currency)
        ))
        .with_param("amount"));
    }
    let mut metadata = BTreeMap::new();
    if let Some(change) = change {
        change.apply(&mut metadata)?;
    }
    Ok(give_back(call.tx, fee, amount, metadata).render())
}

fn list_refunds(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let page = Page::parse(&mut params)?;
    params.finish()?;
    let fee = find(call)?;
    let refunds = refunds_of(call.tx, &fee.id);
    let url = format!("/v1/application_fees/{}/refunds", fee.id);
    page.cut(&refunds, "application fee refund", &url, |refund| &refund.id, |refund| refund.render())
}

fn retrieve_refund(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    find_refund(call).map(|refund| refund.render())
}

fn update_refund(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let metadata = params.metadata()?;
    params.finish()?;
    let mut refund = find_refund(call)?;
    if let Some(change) = metadata {
        change.apply(&mut refund.metadata)?;
    }
    call.tx.put(refund.clone());
    Ok(refund.render())
}
