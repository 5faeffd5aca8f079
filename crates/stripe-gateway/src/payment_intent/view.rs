//! A PaymentIntent as Stripe writes it, in events and responses.

use quittance_domain::payment::{Fact, Failure, Observation, ObservedState, OpenStatus, Provenance, Success};
use secrecy::SecretString;
use serde::Deserialize;

use crate::view::{
    ObjectContext, ObjectHeader, QuittanceMetadata, Reference, StripeObject, require_id, stripe_object,
};

/// The next actions that take the customer days: paying a voucher at a shop, a bank transfer, or the
/// verification of a bank account with microdeposits. All vouchers have the type `…_display_details`, including
/// future ones. QR codes aren't included, because they are paid immediately from a phone. Only Pix can be paid
/// on the next day, which is rare. See
/// <https://docs.stripe.com/api/payment_intents/object#payment_intent_object-next_action>.
const AWAITING_ACTIONS: [&str; 2] = ["display_bank_transfer_instructions", "verify_with_microdeposits"];
const VOUCHER_SUFFIX: &str = "_display_details";

/// The fields that Quittance reads. See <https://docs.stripe.com/api/payment_intents/object>.
#[derive(Deserialize)]
pub(crate) struct View {
    id: Option<String>,
    object: Option<String>,
    status: Option<String>,
    created: Option<i64>,
    livemode: Option<bool>,
    amount: Option<i64>,
    amount_received: Option<i64>,
    application_fee_amount: Option<i64>,
    currency: Option<String>,
    client_secret: Option<String>,
    metadata: Option<QuittanceMetadata>,
    last_payment_error: Option<LastPaymentError>,
    next_action: Option<NextAction>,
}

#[derive(Deserialize)]
struct NextAction {
    r#type: Option<String>,
}

impl NextAction {
    fn takes_days(&self) -> bool {
        self.r#type
            .as_deref()
            .is_some_and(|kind| AWAITING_ACTIONS.contains(&kind) || kind.ends_with(VOUCHER_SUFFIX))
    }
}

#[derive(Deserialize)]
struct LastPaymentError {
    code: Option<String>,
    decline_code: Option<String>,
    message: Option<String>,
    charge: Option<Reference>,
    payment_method: Option<Reference>,
}

stripe_object!(View: "payment_intent", "PaymentIntent");

impl View {
    /// Returns the header fields.
    pub(crate) fn header(&self) -> ObjectHeader {
        ObjectHeader { created: self.created, livemode: self.livemode }
    }

    /// Removes and returns the client secret.
    pub(crate) fn take_client_secret(&mut self) -> Option<SecretString> {
        self.client_secret.take().map(SecretString::from)
    }

    /// Returns the observed state. The error names a missing field.
    pub(crate) fn observe(mut self, context: ObjectContext) -> Result<Observation, String> {
        let ObjectContext { account, mode, provenance } = context;
        let payment_intent_id = require_id(self.id.take(), Self::NAME)?;
        let (order_id, payment_id) = self.metadata.take().unwrap_or_default().payment_ids();
        let state = self.state(&provenance)?;
        Ok(Observation {
            account,
            mode,
            payment_intent_id,
            order_id,
            payment_id,
            fact: Fact { provenance, state },
        })
    }

    fn state(self, provenance: &Provenance) -> Result<ObservedState, String> {
        let status = match self.status.as_deref().ok_or("the PaymentIntent has no status")? {
            "requires_payment_method" => OpenStatus::RequiresPaymentMethod,
            "requires_confirmation" => OpenStatus::RequiresConfirmation,
            "requires_action" if self.next_action.as_ref().is_some_and(NextAction::takes_days) => {
                OpenStatus::AwaitsTransfer
            }
            "requires_action" => OpenStatus::RequiresAction,
            "processing" => OpenStatus::Processing,
            "requires_capture" => OpenStatus::RequiresCapture,
            "canceled" => return Ok(ObservedState::Canceled),
            "succeeded" => return self.success().map(ObservedState::Succeeded),
            _ => return Err("the PaymentIntent's status is unknown".to_owned()),
        };
        let failure = match status {
            OpenStatus::RequiresPaymentMethod => {
                self.last_payment_error.map(|error| error.into_failure(provenance))
            }
            _ => None,
        };
        Ok(ObservedState::Open { status, failure })
    }

    fn success(self) -> Result<Success, String> {
        Ok(Success {
            amount: self.amount.ok_or("the PaymentIntent has no amount")?,
            currency: self.currency.ok_or("the PaymentIntent has no currency")?,
            amount_received: self.amount_received.ok_or("the PaymentIntent has no amount_received")?,
            application_fee: self.application_fee_amount,
        })
    }
}

impl LastPaymentError {
    /// Returns the failure. The charge identifies it in all events and responses. If no charge exists, such as
    /// after a failed 3D Secure check, the payment method does.
    fn into_failure(self, provenance: &Provenance) -> Failure {
        let id = self.charge.or(self.payment_method).and_then(Reference::into_id);
        let fallback = || if provenance.event.is_empty() { "read" } else { &provenance.event }.to_owned();
        Failure {
            id: id.unwrap_or_else(fallback),
            code: self.code,
            decline_code: self.decline_code,
            message: self.message,
        }
    }
}
