//! PaymentIntents: creating, reading, finding and changing them.

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

/// The parameters of a new PaymentIntent for a payment attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPaymentIntent {
    /// The order ID. It is sent as `metadata.order_id` and in the description on receipts.
    pub order_id: OrderId,
    /// The payment ID. It is sent as `metadata.payment_id` and is the idempotency key.
    pub payment_id: PaymentId,
    /// The account to create it on.
    pub account: Account,
    /// The amount to pay.
    pub amount: Money,
    /// The connected account to which the amount minus the fee is transferred. Use it on the platform's own
    /// account only. See <https://docs.stripe.com/connect/destination-charges>.
    pub destination: Option<String>,
    /// The platform fee, in minor units. Use it on connected accounts or with a destination.
    pub application_fee: Option<i64>,
    /// The time of capture.
    pub capture_method: CaptureMethod,
    /// The customer's details.
    pub details: PaymentDetails,
    /// The shop's metadata. Quittance's own keys take precedence. Keys with square brackets are omitted,
    /// because Stripe doesn't accept them.
    pub metadata: Metadata,
}

/// The customer's details for Stripe. They are optional and can change until payment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PaymentDetails {
    /// The email address for the receipt. `None` keeps Stripe's value.
    pub receipt_email: Option<String>,
    /// The shipping address. `None` keeps Stripe's value.
    pub shipping: Option<Shipping>,
}

/// A PaymentIntent from a response of Stripe.
#[derive(Debug, Clone)]
pub struct PaymentIntent {
    /// The observed state.
    ///
    /// Its time is the second in which the request began, by Stripe's clock. A response that Stripe replayed
    /// for its idempotency key is older. It gets the second in which the PaymentIntent was created.
    pub observation: Observation,
    /// The client secret, with which the customer's page confirms the payment. It is never stored or logged.
    pub client_secret: Option<SecretString>,
    /// Stripe's request ID.
    pub request_id: Option<String>,
}

impl Stripe {
    /// Returns the request that creates a PaymentIntent, with the payment ID as its idempotency key. Equal
    /// input gives an equal request.
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

    /// Creates a PaymentIntent, or returns the one that was created with the same key before.
    pub async fn create_payment_intent(&self, request: &FrozenRequest) -> Result<PaymentIntent, Error> {
        self.payment_intent(request.call("payment_intents.create")).await
    }

    /// Reads a PaymentIntent.
    pub async fn retrieve_payment_intent(&self, account: &Account, id: &str) -> Result<PaymentIntent, Error> {
        let request = RetrievePaymentIntent::new(checked_id(id)?).build();
        self.payment_intent(get("payment_intents.retrieve", account, request)).await
    }

    /// Finds an attempt's PaymentIntent by `metadata.payment_id` among those created since `created_since`. Use
    /// it if the response to a create request was lost and its idempotency key has expired.
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

    /// Captures an amount of an authorized payment, in minor units, and releases the rest. Stripe refuses this
    /// if the payment isn't authorized.
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

    /// Cancels a PaymentIntent. Stripe refuses this if it can't be canceled.
    pub async fn cancel_payment_intent(
        &self,
        account: &Account,
        id: &str,
        idempotency_key: &str,
    ) -> Result<PaymentIntent, Error> {
        let request = CancelPaymentIntent::new(checked_id(id)?).build();
        self.payment_intent(post("payment_intents.cancel", account, request, idempotency_key)).await
    }

    /// Sends the receipt address and the shipping address to Stripe.
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

/// Returns the description for receipts and the Dashboard.
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
