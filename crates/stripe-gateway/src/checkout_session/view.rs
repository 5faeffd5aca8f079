//! A Checkout Session as Stripe writes it.

use quittance_domain::checkout::SessionStatus;
use quittance_domain::payment::{Observation, ObservedState, OpenStatus, SessionObservation, Success};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::payment_intent;
use crate::view::{
    ObjectContext, ObjectHeader, QuittanceMetadata, Reference, StripeObject, require_id, shape_error,
    stripe_object,
};

/// The fields that Quittance reads. See <https://docs.stripe.com/api/checkout/sessions/object>.
#[derive(Deserialize)]
pub(crate) struct View<'a> {
    id: Option<String>,
    object: Option<String>,
    mode: Option<String>,
    status: Option<String>,
    payment_status: Option<String>,
    created: Option<i64>,
    livemode: Option<bool>,
    amount_total: Option<i64>,
    currency: Option<String>,
    metadata: Option<QuittanceMetadata>,
    /// The URL of the payment page.
    pub(crate) url: Option<String>,
    /// The second in which it expires.
    pub(crate) expires_at: Option<i64>,
    #[serde(borrow)]
    payment_intent: Option<&'a RawValue>,
}

/// The observed state of a Session and of its PaymentIntent.
pub(crate) struct ObservedSession {
    pub(crate) session: SessionObservation,
    /// The PaymentIntent, if it is expanded.
    pub(crate) payment_intent: Option<Observation>,
}

stripe_object!(View<'a>: "checkout.session", "Checkout Session");

impl View<'_> {
    /// Returns the header fields.
    pub(crate) fn header(&self) -> ObjectHeader {
        ObjectHeader { created: self.created, livemode: self.livemode }
    }

    /// Returns whether the Session is for a payment, not for a subscription or for saving a payment method.
    pub(crate) fn is_payment(&self) -> bool {
        self.mode.as_deref().is_none_or(|mode| mode == "payment")
    }

    /// Returns the observed state. The error names a missing field.
    pub(crate) fn observe(mut self, context: &ObjectContext) -> Result<ObservedSession, String> {
        let checkout_session_id = require_id(self.id.take(), Self::NAME)?;
        let (order_id, payment_id) = self.metadata.take().unwrap_or_default().payment_ids();
        let (payment_intent_id, payment_intent) = self.payment_intent(context)?;
        let (status, paid) = self.session_state(payment_intent.as_ref().map(|known| &known.fact.state))?;
        let session = SessionObservation {
            account: context.account.clone(),
            mode: context.mode,
            checkout_session_id,
            event: context.provenance.event.clone(),
            payment_intent_id,
            order_id,
            payment_id,
            status,
            paid,
        };
        Ok(ObservedSession { session, payment_intent })
    }

    fn payment_intent(
        &self,
        context: &ObjectContext,
    ) -> Result<(Option<String>, Option<Observation>), String> {
        let Some(json) = self.payment_intent.map(RawValue::get) else { return Ok((None, None)) };
        if json.starts_with('{') {
            let view = payment_intent::view::View::read(json.as_bytes())?;
            let observation = view.observe(context.clone())?;
            return Ok((Some(observation.payment_intent_id.clone()), Some(observation)));
        }
        let reference: Reference =
            serde_json::from_str(json).map_err(|error| shape_error("PaymentIntent", &error))?;
        Ok((reference.into_id(), None))
    }

    /// Returns the status and the payment. If the PaymentIntent is known, it decides, because a Session
    /// contains neither the captured amount nor a failed payment.
    fn session_state(
        &self,
        payment_intent: Option<&ObservedState>,
    ) -> Result<(SessionStatus, Option<Success>), String> {
        match self.status.as_deref().ok_or("the Checkout Session has no status")? {
            "open" => return Ok((SessionStatus::Open, None)),
            "expired" => return Ok((SessionStatus::Expired, None)),
            "complete" => {}
            _ => return Err("the Checkout Session's status is unknown".to_owned()),
        }
        let is_paid =
            match self.payment_status.as_deref().ok_or("the Checkout Session has no payment_status")? {
                "paid" | "no_payment_required" => true,
                "unpaid" => false,
                _ => return Err("the Checkout Session's payment_status is unknown".to_owned()),
            };
        Ok(match payment_intent {
            None if is_paid => (SessionStatus::Complete, Some(self.success()?)),
            Some(ObservedState::Succeeded(success)) if is_paid => {
                (SessionStatus::Complete, Some(success.clone()))
            }
            Some(
                ObservedState::Canceled
                | ObservedState::Open { status: OpenStatus::RequiresPaymentMethod, .. },
            ) if !is_paid => (SessionStatus::Failed, None),
            _ => (SessionStatus::Complete, None),
        })
    }

    fn success(&self) -> Result<Success, String> {
        let amount = self.amount_total.ok_or("the Checkout Session has no amount_total")?;
        let currency = self.currency.clone().ok_or("the Checkout Session has no currency")?;
        Ok(Success { amount, currency, amount_received: amount, application_fee: None })
    }
}
