//! Refunds: creating, listing and reading them.

use std::collections::HashMap;

use quittance_domain::id::{OrderId, RefundId};
use quittance_domain::money::{Currency, Money};
use quittance_domain::payment::Account;
use quittance_domain::refund::{RefundObservation, RefundReason, RefundTerms};
use serde::Deserialize;
use stripe_client_core::StripeRequest;
use stripe_core::refund::{CreateRefund, CreateRefundReason, ListRefund};

use crate::Stripe;
use crate::error::Error;
use crate::list::PAGE_LIMIT;
use crate::request::{checked_id, post};
use crate::transport::Reply;
use crate::view::{
    ObjectContext, ObjectHeader, QuittanceMetadata, Reference, StripeObject, require_id, stripe_object,
};

/// The parameters of a new refund of a PaymentIntent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRefund {
    /// The refund ID. It is sent as `metadata.refund_id`.
    pub refund_id: RefundId,
    /// The order ID. It is sent as `metadata.order_id`.
    pub order_id: OrderId,
    /// The account that owns the PaymentIntent.
    pub account: Account,
    /// The PaymentIntent to refund.
    pub payment_intent_id: String,
    /// The amount, in the PaymentIntent's currency.
    pub amount: Money,
    /// The reason.
    pub reason: Option<RefundReason>,
    /// The parts of the payment that the refund reverses.
    pub terms: RefundTerms,
}

/// A refund from the response to its creation.
#[derive(Debug, Clone)]
pub struct RefundReply {
    /// The observed state. Its time is determined like that of a [`PaymentIntent`](crate::PaymentIntent).
    pub observation: RefundObservation,
    /// Stripe's request ID.
    pub request_id: Option<String>,
}

impl Stripe {
    /// Creates a refund, or returns the one that was created with the same key before. Equal input gives an
    /// equal request. A refusal that is [`is_refund_impossible`](crate::Refusal::is_refund_impossible) is
    /// final. After any other refusal, use a new key for the next try, because Stripe replays the refusal for
    /// the old one.
    pub async fn create_refund(&self, new: &NewRefund, idempotency_key: &str) -> Result<RefundReply, Error> {
        let ours = [("order_id", new.order_id.to_string()), ("refund_id", new.refund_id.to_string())];
        let metadata: HashMap<String, String> = ours.map(|(key, id)| (key.to_owned(), id)).into();
        let mut create = CreateRefund::new()
            .amount(new.amount.minor())
            .metadata(metadata)
            .payment_intent(&new.payment_intent_id);
        if let Some(reason) = new.reason {
            create = create.reason(match reason {
                RefundReason::Duplicate => CreateRefundReason::Duplicate,
                RefundReason::Fraudulent => CreateRefundReason::Fraudulent,
                RefundReason::RequestedByCustomer => CreateRefundReason::RequestedByCustomer,
            });
        }
        // Stripe refuses these parameters if no transfer or fee exists.
        if new.terms.reverse_transfer {
            create = create.reverse_transfer(true);
        }
        if new.terms.refund_application_fee {
            create = create.refund_application_fee(true);
        }
        let call = post("refunds.create", &new.account, create.build(), idempotency_key);
        let read = |reply: &Reply| {
            let observation = self.read_refund(&new.account, reply, &reply.body)?;
            Ok(RefundReply { observation, request_id: reply.request_id.clone() })
        };
        self.transport.call(&call, read).await
    }

    /// Reads all refunds of a PaymentIntent, newest first.
    pub async fn list_refunds(
        &self,
        account: &Account,
        payment_intent_id: &str,
    ) -> Result<Vec<RefundObservation>, Error> {
        let first_page = ListRefund::new().payment_intent(checked_id(payment_intent_id)?).limit(PAGE_LIMIT);
        let request = |after: Option<&str>| match after {
            Some(after) => first_page.clone().starting_after(after).build(),
            None => first_page.build(),
        };
        let mut refunds = Vec::new();
        let each = |reply: &Reply, json: &[u8]| {
            refunds.push(self.read_refund(account, reply, json)?);
            Ok(())
        };
        self.for_each_object("refunds.list", account, request, each).await?;
        Ok(refunds)
    }

    fn read_refund(
        &self,
        account: &Account,
        reply: &Reply,
        json: &[u8],
    ) -> Result<RefundObservation, String> {
        let view = View::read(json)?;
        // A refund doesn't contain its mode.
        let header = ObjectHeader { created: view.created, livemode: None };
        let observed = view.observe(self.object_context(account, reply, &header))?;
        observed.ok_or_else(|| "the refund has no PaymentIntent".to_owned())
    }
}

/// The fields that Quittance reads. See <https://docs.stripe.com/api/refunds/object>.
#[derive(Deserialize)]
pub(crate) struct View {
    id: Option<String>,
    object: Option<String>,
    payment_intent: Option<Reference>,
    amount: Option<i64>,
    currency: Option<String>,
    status: Option<String>,
    reason: Option<String>,
    failure_reason: Option<String>,
    created: Option<i64>,
    metadata: Option<QuittanceMetadata>,
}

stripe_object!(View: "refund", "refund");

impl View {
    /// Returns the observed state, or `None` if the charge has no PaymentIntent. The error names a missing
    /// field.
    pub(crate) fn observe(self, context: ObjectContext) -> Result<Option<RefundObservation>, String> {
        let stripe_refund_id = require_id(self.id, Self::NAME)?;
        let Some(payment_intent_id) = self.payment_intent.and_then(Reference::into_id) else {
            return Ok(None);
        };
        let currency: Currency = self
            .currency
            .ok_or("the refund has no currency")?
            .parse()
            .map_err(|_| "the refund's currency is unknown")?;
        let amount = self.amount.ok_or("the refund has no amount")?;
        let amount =
            Money::new(amount, currency).map_err(|_| "the refund's amount is invalid for its currency")?;
        let status = self.status.as_deref().ok_or("the refund has no status")?;
        let status = status.parse().map_err(|_| "the refund's status is unknown")?;
        let ObjectContext { account, mode, provenance } = context;
        Ok(Some(RefundObservation {
            account,
            mode,
            stripe_refund_id,
            payment_intent_id,
            refund_id: self.metadata.and_then(QuittanceMetadata::refund_id),
            amount,
            reason: self.reason,
            provenance,
            status,
            failure_reason: self.failure_reason,
        }))
    }
}
