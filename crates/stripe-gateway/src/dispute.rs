//! Disputes: listing and reading them.

use quittance_domain::dispute::{DisputeObservation, DisputeState};
use quittance_domain::payment::Account;
use serde::Deserialize;
use stripe_client_core::StripeRequest;
use stripe_core::dispute::ListDispute;

use crate::Stripe;
use crate::error::Error;
use crate::list::PAGE_LIMIT;
use crate::request::checked_id;
use crate::transport::Reply;
use crate::view::{ObjectContext, ObjectHeader, Reference, StripeObject, require_id, stripe_object};

impl Stripe {
    /// Reads all disputes of a PaymentIntent, newest first.
    pub async fn list_disputes(
        &self,
        account: &Account,
        payment_intent_id: &str,
    ) -> Result<Vec<DisputeObservation>, Error> {
        let first_page = ListDispute::new().payment_intent(checked_id(payment_intent_id)?).limit(PAGE_LIMIT);
        let request = |after: Option<&str>| match after {
            Some(after) => first_page.clone().starting_after(after).build(),
            None => first_page.build(),
        };
        let mut disputes = Vec::new();
        let each = |reply: &Reply, json: &[u8]| {
            let view = View::read(json)?;
            let header = ObjectHeader { created: view.created, livemode: view.livemode };
            let observed = view.observe(self.object_context(account, reply, &header))?;
            disputes.push(observed.ok_or("the dispute has no PaymentIntent")?);
            Ok(())
        };
        self.for_each_object("disputes.list", account, request, each).await?;
        Ok(disputes)
    }
}

/// The fields that Quittance reads. See <https://docs.stripe.com/api/disputes/object>.
#[derive(Deserialize)]
pub(crate) struct View {
    id: Option<String>,
    object: Option<String>,
    payment_intent: Option<Reference>,
    amount: Option<i64>,
    currency: Option<String>,
    status: Option<String>,
    reason: Option<String>,
    created: Option<i64>,
    livemode: Option<bool>,
    evidence_details: Option<EvidenceDetails>,
}

#[derive(Deserialize)]
struct EvidenceDetails {
    due_by: Option<i64>,
}

stripe_object!(View: "dispute", "dispute");

impl View {
    /// Returns the observed state, or `None` if the charge has no PaymentIntent. The error names a missing
    /// field.
    pub(crate) fn observe(self, context: ObjectContext) -> Result<Option<DisputeObservation>, String> {
        let stripe_dispute_id = require_id(self.id, Self::NAME)?;
        let Some(payment_intent_id) = self.payment_intent.and_then(Reference::into_id) else {
            return Ok(None);
        };
        let status = self.status.as_deref().ok_or("the dispute has no status")?;
        let state = DisputeState {
            status: status.parse().map_err(|_| "the dispute's status is unknown")?,
            amount: self.amount.ok_or("the dispute has no amount")?,
            currency: self.currency.ok_or("the dispute has no currency")?,
            reason: self.reason,
            evidence_due_by: self.evidence_details.and_then(|details| details.due_by),
        };
        let ObjectContext { account, mode, provenance } = context;
        Ok(Some(DisputeObservation {
            account,
            mode,
            stripe_dispute_id,
            payment_intent_id,
            provenance,
            state,
        }))
    }
}
