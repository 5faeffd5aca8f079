//! Funds shared between the platform and a connected account: validation, distribution at capture, and reversal at a
//! refund. <https://docs.stripe.com/connect/charges>

use std::collections::BTreeMap;

use crate::http::error::ApiError;
use crate::objects::account::ConnectedAccount;
use crate::objects::charge::Charge;
use crate::objects::payment_intent::PaymentIntent;
use crate::objects::payment_method_type::PaymentMethodType;
use crate::objects::transfer::{Transfer, TransferRequest};
use crate::operations::account_lookup;
use crate::operations::application_fees::{self, FeeSource};
use crate::operations::transfers;
use crate::state::Tx;

/// Returns the portion of `share` for `amount` out of `whole`, rounded to the nearest unit.
pub(crate) fn prorate(share: i64, amount: i64, whole: i64) -> i64 {
    let (share, amount, whole) = (i128::from(share), i128::from(amount), i128::from(whole.max(1)));
    i64::try_from((share * amount + whole / 2) / whole).unwrap_or(i64::MAX)
}

fn missing(noun: &str, id: &str, param: &str) -> ApiError {
    ApiError::not_found(noun, id, param).with_status(400)
}

/// Finds a connected account, if the caller is the platform.
fn connected_account<'a>(tx: &'a Tx<'_>, id: &str) -> Option<&'a ConnectedAccount> {
    account_lookup::connected(tx, id).filter(|_| tx.account.is_platform())
}

/// Rejects invalid combinations of fees and transfers.
pub(crate) fn check_shares(tx: &Tx<'_>, intent: &PaymentIntent) -> Result<(), ApiError> {
    if let Some(fee) = intent.application_fee_amount {
        if fee < 0 || fee > intent.amount {
            return Err(ApiError::invalid(
                "The application fee must be between zero and the amount of the payment.",
            )
            .with_param("application_fee_amount"));
        }
        if intent.application.is_none() && intent.transfer_data.is_none() {
            return Err(ApiError::invalid(
                "Can only apply an application_fee_amount when the PaymentIntent is attempting a direct payment (using \
                 an OAuth key or Stripe-Account header) or destination payment (using `transfer_data[destination]`).",
            )
            .with_param("application_fee_amount"));
        }
    }
    if let Some(account) = intent.on_behalf_of.as_ref().filter(|id| connected_account(tx, id).is_none()) {
        return Err(missing("account", account, "on_behalf_of"));
    }
    let Some(data) = &intent.transfer_data else { return Ok(()) };
    if connected_account(tx, &data.destination).is_none() {
        return Err(missing("destination", &data.destination, "transfer_data[destination]"));
    }
    match (data.amount, intent.application_fee_amount) {
        (Some(_), Some(_)) => Err(ApiError::invalid(
            "You may only specify one of these parameters: application_fee_amount, transfer_data[amount].",
        )
        .with_param("application_fee_amount")),
        (Some(amount), None) if amount < 1 || amount > intent.amount => {
            Err(ApiError::invalid("The transfer's amount must be between 1 and the amount of the payment.")
                .with_param("transfer_data[amount]"))
        }
        _ => Ok(()),
    }
}

/// Rejects a payment if an account involved lacks the required capabilities.
pub(crate) fn check_capabilities(tx: &Tx<'_>, intent: &PaymentIntent) -> Result<(), ApiError> {
    let takes_cards = intent.payment_method_types.contains(&PaymentMethodType::Card);
    if let Some(account) = account_lookup::find(tx, &tx.account.0) {
        if !account.charges_enabled {
            return Err(ApiError::refused(
                "This Connect account cannot currently make charges. The `requirements.disabled_reason` property on \
                 the account will provide information about why this account is currently disabled. If you are a \
                 customer trying to make a purchase, please contact the owner of this site. Your transaction has not \
                 been processed.",
            ));
        }
        if takes_cards && !account.has_capability("card_payments") {
            return Err(ApiError::refused(
                "You cannot create a charge on a connected account without the `card_payments` capability enabled.",
            ));
        }
    }
    let behalf = intent.on_behalf_of.as_ref().and_then(|id| account_lookup::find(tx, id));
    if behalf.is_some_and(|account| takes_cards && !account.has_capability("card_payments")) {
        return Err(ApiError::refused(
            "The account referenced in the 'on_behalf_of' parameter is missing the required capabilities: \
             card_payments or legacy_payments",
        )
        .with_param("on_behalf_of"));
    }
    let destination =
        intent.transfer_data.as_ref().and_then(|data| account_lookup::find(tx, &data.destination));
    if destination.is_some_and(|account| !account.has_capability("transfers")) {
        return Err(ApiError::refused(
            "Your destination account needs to have at least one of the following capabilities enabled: transfers, \
             crypto_transfers, legacy_payments",
        )
        .with_code("insufficient_capabilities_for_transfer")
        .with_param("transfer_data[destination]"));
    }
    Ok(())
}

/// The objects that distribute a payment's funds.
#[derive(Default)]
pub(crate) struct FundsDistribution {
    /// The application fee's ID.
    pub(crate) application_fee: Option<String>,
    /// The fee that the charge's account has paid.
    pub(crate) fee_paid: i64,
    /// The transfer's ID.
    pub(crate) transfer: Option<String>,
}

/// Distributes a charge's funds: collects the application fee, or creates the transfer of a destination charge.
pub(crate) fn distribute_funds(
    tx: &mut Tx<'_>,
    charge: &Charge,
    amount: i64,
    transfer_group: &str,
) -> FundsDistribution {
    let fee = charge.application_fee_amount.unwrap_or(0).min(amount);
    if !tx.account.is_platform() {
        let account = tx.account.0.clone();
        let source = FeeSource {
            account: &account,
            charge: &charge.id,
            originating_transaction: None,
            currency: &charge.currency,
        };
        let application_fee = (fee > 0).then(|| application_fees::collect(tx, &source, fee));
        return FundsDistribution { application_fee, fee_paid: fee, transfer: None };
    }
    let data =
        charge.transfer_data.as_ref().filter(|data| account_lookup::find(tx, &data.destination).is_some());
    let Some(data) = data else { return FundsDistribution::default() };
    let request = TransferRequest {
        charge: &charge.id,
        destination: &data.destination,
        amount: data.amount.unwrap_or(amount).min(amount),
        application_fee: fee,
        currency: &charge.currency,
        transfer_group,
    };
    let ids = transfers::create(tx, &request);
    FundsDistribution { application_fee: ids.application_fee, fee_paid: 0, transfer: Some(ids.transfer) }
}

/// The shares that a refund reverses.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RefundOptions {
    pub(crate) reverses_transfer: bool,
    pub(crate) refunds_fee: bool,
}

/// Reverses the transfer and refunds the fee in proportion to `amount`. Returns the reversal's ID.
pub(crate) fn reverse_shares(
    tx: &mut Tx<'_>,
    charge: &Charge,
    refund: &str,
    amount: i64,
    what: RefundOptions,
) -> Result<Option<String>, ApiError> {
    let whole = charge.amount_captured;
    let mut reversal = None;
    if what.reverses_transfer {
        let transfer = charge.transfer.as_ref().and_then(|id| tx.get::<Transfer>(id)).cloned();
        let transfer = transfer.ok_or_else(|| {
            ApiError::refused(format!(
                "Cannot reverse transfer on charge {} because it does not have an associated transfer.",
                charge.id
            ))
            .with_param("reverse_transfer")
        })?;
        let prorated = prorate(transfer.amount, amount, whole).min(transfer.remaining());
        if prorated > 0 {
            let options =
                transfers::ReversalOptions { source_refund: Some(refund.to_owned()), ..Default::default() };
            reversal = Some(transfers::reverse(tx, transfer, prorated, options).id);
        }
    }
    if what.refunds_fee {
        let fee = charge.application_fee.as_ref().and_then(|id| application_fees::find_on_platform(tx, id));
        let fee = fee.ok_or_else(|| {
            ApiError::refused(format!(
                "Attempting to refund_application_fee on {}, but it has no application fee",
                charge.id
            ))
            .with_param("refund_application_fee")
        })?;
        let prorated = prorate(fee.amount, amount, whole).min(fee.remaining());
        if prorated > 0 {
            application_fees::refund_fee(tx, fee, prorated, BTreeMap::new());
        }
    }
    Ok(reversal)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::prorate;

    #[test]
    fn prorated_amount_is_rounded_to_nearest() {
        assert_eq!(prorate(100, 333, 1_000), 33);
        assert_eq!(prorate(100, 335, 1_000), 34);
        assert_eq!(prorate(123, 1_000, 1_000), 123);
        assert_eq!(prorate(5, 0, 0), 0);
    }

    proptest! {
        #[test]
        fn prorated_amount_never_exceeds_share(
            share in 0..=99_999_999_i64,
            whole in 1..=99_999_999_i64,
            part in 0.0..=1.0_f64,
        ) {
            #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "any number will do")]
            let amount = ((whole as f64 * part) as i64).clamp(0, whole);
            let prorated = prorate(share, amount, whole);
            prop_assert!((0..=share).contains(&prorated));
            prop_assert_eq!(prorate(share, whole, whole), share);
        }
    }
}
