//! Refunds: the requests we make of them, and what is read from answers and events.

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

/// A refund that is to be made of what a PaymentIntent brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRefund {
    /// Ours of it; travels as `metadata.refund_id`.
    pub refund_id: RefundId,
    /// The order; travels as `metadata.order_id`.
    pub order_id: OrderId,
    /// The account that the PaymentIntent lives on.
    pub account: Account,
    /// The PaymentIntent whose money goes back.
    pub payment_intent_id: String,
    /// How much, in the currency of the PaymentIntent.
    pub amount: Money,
    /// Why.
    pub reason: Option<RefundReason>,
    /// What else goes back with it.
    pub terms: RefundTerms,
}

/// A refund as Stripe answered when asked to make it.
#[derive(Debug, Clone)]
pub struct RefundReply {
    /// How it stands. Dated as [`PaymentIntent`](crate::PaymentIntent)s are: an answer that Stripe replayed for
    /// its idempotency key by the second in which the refund was made.
    pub observation: RefundObservation,
    /// Stripe's id of the request.
    pub request_id: Option<String>,
}

impl Stripe {
    /// Makes a refund, or returns the one that was made with this key before. The same input gives the same
    /// request. A refusal that will never pass is
    /// [`is_refund_impossible`](crate::Refusal::is_refund_impossible); any other may be asked about again, under another
    /// key, because Stripe gives it again for as long as it knows this one.
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
        // Where there is neither a transfer nor a fee, Stripe refuses to hear of it.
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

    /// Reads every refund of a PaymentIntent, newest first.
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
        // A refund does not say whether its money is real.
        let header = ObjectHeader { created: view.created, livemode: None };
        let observed = view.observe(self.object_context(account, reply, &header))?;
        observed.ok_or_else(|| "the refund is of no PaymentIntent".to_owned())
    }
}

/// What we look at. See <https://docs.stripe.com/api/refunds/object>.
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
    /// What was seen, in our words; nothing if it is of a charge that was made without a PaymentIntent. The
    /// error says what is missing.
    pub(crate) fn observe(self, context: ObjectContext) -> Result<Option<RefundObservation>, String> {
        let stripe_refund_id = require_id(self.id, Self::NAME)?;
        let Some(payment_intent_id) = self.payment_intent.and_then(Reference::into_id) else {
            return Ok(None);
        };
        let currency: Currency = self
            .currency
            .ok_or("the refund has no currency")?
            .parse()
            .map_err(|_| "the refund's currency is none that we know")?;
        let amount = self.amount.ok_or("the refund has no amount")?;
        let amount =
            Money::new(amount, currency).map_err(|_| "the refund's amount is none of its currency")?;
        let status = self.status.as_deref().ok_or("the refund has no status")?;
        let status = status.parse().map_err(|_| "the refund's status is none that we know")?;
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
