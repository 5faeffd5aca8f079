//! PaymentIntents: the requests we make of them, and what is read from the answers.

pub(crate) mod view;

use chrono::{DateTime, Utc};
use quittance_domain::catalog::Metadata;
use quittance_domain::id::{OrderId, PaymentId};
use quittance_domain::money::Money;
use quittance_domain::order::Shipping;
use quittance_domain::payment::{Account, CaptureMethod, Observation};
use secrecy::SecretString;
use stripe_client_core::StripeRequest;
use stripe_core::payment_intent::{
    CancelPaymentIntent, CapturePaymentIntent, CreatePaymentIntent,
    CreatePaymentIntentAutomaticPaymentMethods, CreatePaymentIntentShipping,
    CreatePaymentIntentShippingAddress, CreatePaymentIntentTransferData, ListPaymentIntent,
    RetrievePaymentIntent, UpdatePaymentIntent, UpdatePaymentIntentShipping,
    UpdatePaymentIntentShippingAddress,
};
use stripe_shared::PaymentIntentCaptureMethod;
use stripe_types::RangeQueryTs;

use crate::Stripe;
use crate::error::Error;
use crate::list::PAGE_LIMIT;
use crate::request::{FrozenRequest, checked_id, currency, get, metadata, post};
use crate::transport::{ApiCall, Reply};
use crate::view::{QuittanceMetadata, StripeObject};
use view::View;

/// A PaymentIntent that is to be made for an attempt to pay an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPaymentIntent {
    /// The order; travels as `metadata.order_id` and in the description, which receipts show.
    pub order_id: OrderId,
    /// The attempt; travels as `metadata.payment_id`, and is the idempotency key.
    pub payment_id: PaymentId,
    /// The account that it is made on.
    pub account: Account,
    /// What is to be paid.
    pub amount: Money,
    /// The connected account to which the money, less the fee, is transferred at once; only on the platform's own
    /// account. See <https://docs.stripe.com/connect/destination-charges>.
    pub destination: Option<String>,
    /// What of it the platform keeps, in minor units; only on connected accounts or with a destination.
    pub application_fee: Option<i64>,
    /// When the money is taken.
    pub capture_method: CaptureMethod,
    /// What is told to Stripe of the customer.
    pub details: PaymentDetails,
    /// The shop's own words. Ours beside them win, and keys with square brackets, which Stripe does not
    /// take, are left out.
    pub metadata: Metadata,
}

/// What is told to Stripe of the customer. None of it is needed to pay, and it may change until paid.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PaymentDetails {
    /// Where Stripe sends the receipt. `None` leaves what Stripe has.
    pub receipt_email: Option<String>,
    /// Where the goods go. `None` leaves what Stripe has.
    pub shipping: Option<Shipping>,
}

/// A PaymentIntent as Stripe answered with it.
#[derive(Debug, Clone)]
pub struct PaymentIntent {
    /// What it says of the payment.
    ///
    /// Its fact is dated by the second, at Stripe's clock, in which the request began; an answer that Stripe
    /// replayed for its idempotency key is older than that by an unknown time, and dated by the second in
    /// which the PaymentIntent was made.
    pub observation: Observation,
    /// What a page needs to let the customer pay. Never stored, never logged.
    pub client_secret: Option<SecretString>,
    /// Stripe's id of the request.
    pub request_id: Option<String>,
}

impl Stripe {
    /// The request that makes a PaymentIntent, with the attempt's id as its idempotency key. The same input
    /// gives the same request.
    #[must_use]
    pub fn freeze_payment_intent(new: &NewPaymentIntent) -> FrozenRequest {
        let mut create = CreatePaymentIntent::new(new.amount.minor(), currency(new.amount.currency()))
            .automatic_payment_methods(CreatePaymentIntentAutomaticPaymentMethods::new(true))
            .capture_method(match new.capture_method {
                CaptureMethod::Automatic => PaymentIntentCaptureMethod::Automatic,
                CaptureMethod::Manual => PaymentIntentCaptureMethod::Manual,
            })
            .description(description(&new.order_id))
            .metadata(metadata(&new.metadata, &new.order_id, &new.payment_id));
        if let Some(destination) = &new.destination {
            create = create.transfer_data(CreatePaymentIntentTransferData::new(destination));
        }
        if let Some(fee) = new.application_fee {
            create = create.application_fee_amount(fee);
        }
        if let Some(email) = &new.details.receipt_email {
            create = create.receipt_email(email);
        }
        if let Some(shipping) = &new.details.shipping {
            create = create.shipping(create_shipping(shipping));
        }
        FrozenRequest::new(create.build(), &new.account, new.payment_id.as_str())
    }

    /// Makes a PaymentIntent, or returns the one that was made with this key before.
    pub async fn create_payment_intent(&self, request: &FrozenRequest) -> Result<PaymentIntent, Error> {
        self.payment_intent(request.call("payment_intents.create")).await
    }

    /// Reads a PaymentIntent.
    pub async fn retrieve_payment_intent(&self, account: &Account, id: &str) -> Result<PaymentIntent, Error> {
        let request = RetrievePaymentIntent::new(checked_id(id)?).build();
        self.payment_intent(get("payment_intents.retrieve", account, request)).await
    }

    /// Looks for the PaymentIntent of an attempt by its `metadata.payment_id`, among those made on the
    /// account since a time: how a create is resolved whose answer was lost and whose key can not be used
    /// again.
    pub async fn find_payment_intent(
        &self,
        account: &Account,
        payment_id: &PaymentId,
        created_since: DateTime<Utc>,
    ) -> Result<Option<PaymentIntent>, Error> {
        let request = |after: Option<&str>| {
            let created = RangeQueryTs::gte(created_since.timestamp());
            let page = ListPaymentIntent::new().created(created).limit(PAGE_LIMIT);
            after.map_or(page.clone(), |after| page.starting_after(after)).build()
        };
        let read = |reply: &Reply, json: &[u8]| self.read_payment_intent(account, reply, json);
        let matches = |ids: QuittanceMetadata| ids.payment_id().as_ref() == Some(payment_id);
        self.find("payment_intents.list", account, matches, request, read).await
    }

    /// Takes an amount of a held payment, in minor units; what is left of it is released. One that is not held
    /// any more is refused.
    pub async fn capture_payment_intent(
        &self,
        account: &Account,
        id: &str,
        amount: i64,
        idempotency_key: &str,
    ) -> Result<PaymentIntent, Error> {
        let request = CapturePaymentIntent::new(checked_id(id)?).amount_to_capture(amount).build();
        self.payment_intent(post("payment_intents.capture", account, request, idempotency_key)).await
    }

    /// Cancels a PaymentIntent. One that can not be canceled any more is refused.
    pub async fn cancel_payment_intent(
        &self,
        account: &Account,
        id: &str,
        idempotency_key: &str,
    ) -> Result<PaymentIntent, Error> {
        let request = CancelPaymentIntent::new(checked_id(id)?).build();
        self.payment_intent(post("payment_intents.cancel", account, request, idempotency_key)).await
    }

    /// Tells Stripe where the receipt and the goods go.
    pub async fn update_payment_details(
        &self,
        account: &Account,
        id: &str,
        details: &PaymentDetails,
        idempotency_key: &str,
    ) -> Result<PaymentIntent, Error> {
        let mut update = UpdatePaymentIntent::new(checked_id(id)?);
        if let Some(email) = &details.receipt_email {
            update = update.receipt_email(email);
        }
        if let Some(shipping) = &details.shipping {
            update = update.shipping(update_shipping(shipping));
        }
        self.payment_intent(post("payment_intents.update", account, update.build(), idempotency_key)).await
    }

    async fn payment_intent(&self, call: ApiCall<'_>) -> Result<PaymentIntent, Error> {
        self.transport.call(&call, |reply| self.read_payment_intent(call.account, reply, &reply.body)).await
    }

    fn read_payment_intent(
        &self,
        account: &Account,
        reply: &Reply,
        json: &[u8],
    ) -> Result<PaymentIntent, String> {
        let mut view = View::read(json)?;
        let client_secret = view.take_client_secret();
        let context = self.object_context(account, reply, &view.header());
        let observation = view.observe(context)?;
        Ok(PaymentIntent { observation, client_secret, request_id: reply.request_id.clone() })
    }
}

/// What receipts and the dashboard say that a payment is for.
pub(crate) fn description(order_id: &OrderId) -> String {
    format!("Order {order_id}")
}

fn create_shipping(shipping: &Shipping) -> CreatePaymentIntentShipping {
    let address = shipping.address.clone();
    let address = CreatePaymentIntentShippingAddress {
        city: address.city,
        country: Some(address.country),
        line1: Some(address.line1),
        line2: address.line2,
        postal_code: address.postal_code,
        state: address.state,
    };
    CreatePaymentIntentShipping::new(address, &shipping.name)
}

fn update_shipping(shipping: &Shipping) -> UpdatePaymentIntentShipping {
    let address = shipping.address.clone();
    let address = UpdatePaymentIntentShippingAddress {
        city: address.city,
        country: Some(address.country),
        line1: Some(address.line1),
        line2: address.line2,
        postal_code: address.postal_code,
        state: address.state,
    };
    UpdatePaymentIntentShipping::new(address, &shipping.name)
}
