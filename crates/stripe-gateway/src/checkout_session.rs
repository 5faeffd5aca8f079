//! Checkout Sessions: creating, reading, finding and expiring them.

pub(crate) mod view;

use chrono::{DateTime, Utc};
use quittance_domain::catalog::Metadata;
use quittance_domain::id::{OrderId, PaymentId};
use quittance_domain::order::{Line, Shipping};
use quittance_domain::payment::{Account, CaptureMethod, Observation, SessionObservation};
use stripe_checkout::checkout_session::{
    CreateCheckoutSession, CreateCheckoutSessionAdaptivePricing, CreateCheckoutSessionLineItems,
    CreateCheckoutSessionLineItemsPriceData, CreateCheckoutSessionPaymentIntentData,
    CreateCheckoutSessionPaymentIntentDataCaptureMethod, CreateCheckoutSessionPaymentIntentDataShipping,
    CreateCheckoutSessionPaymentIntentDataShippingAddress,
    CreateCheckoutSessionPaymentIntentDataTransferData, ExpireCheckoutSession, ListCheckoutSession,
    ProductData, RetrieveCheckoutSession,
};
use stripe_client_core::StripeRequest;
use stripe_shared::CheckoutSessionMode;
use stripe_types::RangeQueryTs;

use crate::error::Error;
use crate::list::PAGE_LIMIT;
use crate::payment_intent::description;
use crate::request::{FrozenRequest, checked_id, currency, get, metadata, post};
use crate::transport::{ApiCall, Reply};
use crate::view::{QuittanceMetadata, StripeObject};
use crate::{PaymentDetails, Stripe};
use view::{ObservedSession, View};

/// The parameters of a new Checkout Session for a payment attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCheckoutSession {
    /// The order ID. It is sent as `metadata.order_id`, as `client_reference_id`, and in the description on
    /// receipts.
    pub order_id: OrderId,
    /// The payment ID. It is sent as `metadata.payment_id` and is the idempotency key.
    pub payment_id: PaymentId,
    /// The account to create it on.
    pub account: Account,
    /// The lines to pay, with the names and prices of the order.
    pub lines: Vec<Line>,
    /// The connected account to which the amount minus the fee is transferred. Use it on the platform's own
    /// account only. See <https://docs.stripe.com/connect/destination-charges>.
    pub destination: Option<String>,
    /// The platform fee, in minor units. Use it on connected accounts or with a destination.
    pub application_fee: Option<i64>,
    /// The time of capture.
    pub capture_method: CaptureMethod,
    /// The customer's details. Stripe's page shows the email address.
    pub details: PaymentDetails,
    /// The shop's metadata. Quittance's own keys take precedence. Keys with square brackets are omitted,
    /// because Stripe doesn't accept them.
    pub metadata: Metadata,
    /// The URL to return to after payment. Stripe replaces `{CHECKOUT_SESSION_ID}` in it.
    pub success_url: String,
    /// The URL to return to without payment.
    pub cancel_url: String,
    /// The time when the Session expires: from 30 minutes to 24 hours after its creation.
    pub expires_at: DateTime<Utc>,
}

/// A Checkout Session from a response of Stripe.
#[derive(Debug, Clone)]
pub struct CheckoutSession {
    /// The observed state.
    pub observation: SessionObservation,
    /// The state of its PaymentIntent, if one exists and the response contains it. A read contains it. Its time
    /// is determined like that of a [`PaymentIntent`](crate::PaymentIntent).
    pub payment_intent: Option<Observation>,
    /// The URL of the payment page, while the Session is open.
    pub url: Option<String>,
    /// The time when the Session expires.
    pub expires_at: Option<DateTime<Utc>>,
    /// Stripe's request ID.
    pub request_id: Option<String>,
}

impl Stripe {
    /// Returns the request that creates a Checkout Session, with the payment ID as its idempotency key. Equal
    /// input gives an equal request.
    ///
    /// The PaymentIntent gets the same metadata, because Stripe doesn't copy it. Adaptive pricing is disabled,
    /// so that the currency and amount stay those of the order.
    #[must_use]
    pub fn freeze_checkout_session(new: &NewCheckoutSession) -> FrozenRequest {
        let metadata = metadata(&new.metadata, &new.order_id, &new.payment_id);
        let mut pricing = CreateCheckoutSessionAdaptivePricing::new();
        pricing.enabled = Some(false);
        let mut payment_intent = CreateCheckoutSessionPaymentIntentData::new();
        payment_intent.application_fee_amount = new.application_fee;
        payment_intent.capture_method = Some(match new.capture_method {
            CaptureMethod::Automatic => CreateCheckoutSessionPaymentIntentDataCaptureMethod::Automatic,
            CaptureMethod::Manual => CreateCheckoutSessionPaymentIntentDataCaptureMethod::Manual,
        });
        payment_intent.description = Some(description(&new.order_id));
        payment_intent.metadata = Some(metadata.clone());
        payment_intent.transfer_data =
            new.destination.as_ref().map(CreateCheckoutSessionPaymentIntentDataTransferData::new);
        payment_intent.shipping = new.details.shipping.as_ref().map(shipping);
        let mut create = CreateCheckoutSession::new()
            .adaptive_pricing(pricing)
            .cancel_url(&new.cancel_url)
            .client_reference_id(new.order_id.as_str())
            .expires_at(new.expires_at.timestamp())
            .line_items(new.lines.iter().map(line_item).collect::<Vec<_>>())
            .metadata(metadata)
            .mode(CheckoutSessionMode::Payment)
            .payment_intent_data(payment_intent)
            .success_url(&new.success_url);
        if let Some(email) = &new.details.receipt_email {
            create = create.customer_email(email);
        }
        FrozenRequest::new(create.build(), &new.account, new.payment_id.as_str())
    }

    /// Creates a Checkout Session, or returns the one that was created with the same key before.
    pub async fn create_checkout_session(&self, request: &FrozenRequest) -> Result<CheckoutSession, Error> {
        self.checkout_session(request.call("checkout_sessions.create")).await
    }

    /// Reads a Checkout Session and its PaymentIntent.
    pub async fn retrieve_checkout_session(
        &self,
        account: &Account,
        id: &str,
    ) -> Result<CheckoutSession, Error> {
        let request = RetrieveCheckoutSession::new(checked_id(id)?).expand(["payment_intent".to_owned()]);
        self.checkout_session(get("checkout_sessions.retrieve", account, request.build())).await
    }

    /// Finds an attempt's Checkout Session by `metadata.payment_id` among those created since `created_since`.
    /// Use it if the response to a create request was lost and its idempotency key has expired.
    pub async fn find_checkout_session(
        &self,
        account: &Account,
        payment_id: &PaymentId,
        created_since: DateTime<Utc>,
    ) -> Result<Option<CheckoutSession>, Error> {
        let request = |after: Option<&str>| {
            let page = ListCheckoutSession::new()
                .created(RangeQueryTs::gte(created_since.timestamp()))
                .expand(["data.payment_intent".to_owned()])
                .limit(PAGE_LIMIT);
            after.map_or(page.clone(), |after| page.starting_after(after)).build()
        };
        let read = |reply: &Reply, json: &[u8]| self.read_checkout_session(account, reply, json);
        let matches = |ids: QuittanceMetadata| ids.payment_id().as_ref() == Some(payment_id);
        self.find("checkout_sessions.list", account, matches, request, read).await
    }

    /// Expires a Checkout Session, so that it can't be paid. Stripe refuses this if the Session isn't open.
    pub async fn expire_checkout_session(
        &self,
        account: &Account,
        id: &str,
        idempotency_key: &str,
    ) -> Result<CheckoutSession, Error> {
        let request = ExpireCheckoutSession::new(checked_id(id)?).build();
        self.checkout_session(post("checkout_sessions.expire", account, request, idempotency_key)).await
    }

    async fn checkout_session(&self, call: ApiCall<'_>) -> Result<CheckoutSession, Error> {
        self.transport.call(&call, |reply| self.read_checkout_session(call.account, reply, &reply.body)).await
    }

    fn read_checkout_session(
        &self,
        account: &Account,
        reply: &Reply,
        json: &[u8],
    ) -> Result<CheckoutSession, String> {
        let mut view = View::read(json)?;
        if !view.is_payment() {
            return Err("the Checkout Session isn't for a payment".to_owned());
        }
        let (url, expires_at) = (view.url.take(), view.expires_at);
        // In a replayed response, the PaymentIntent gets the time when the Session was created, which isn't
        // later.
        let context = self.object_context(account, reply, &view.header());
        let ObservedSession { session, payment_intent } = view.observe(&context)?;
        Ok(CheckoutSession {
            observation: session,
            payment_intent,
            url,
            expires_at: expires_at.and_then(|second| DateTime::from_timestamp(second, 0)),
            request_id: reply.request_id.clone(),
        })
    }
}

fn line_item(line: &Line) -> CreateCheckoutSessionLineItems {
    let mut price = CreateCheckoutSessionLineItemsPriceData::new(currency(line.unit_price.currency()));
    price.product_data = Some(ProductData::new(&line.name));
    price.unit_amount = Some(line.unit_price.minor());
    let mut item = CreateCheckoutSessionLineItems::new();
    item.price_data = Some(price);
    item.quantity = Some(line.quantity.get().into());
    item
}

fn shipping(shipping: &Shipping) -> CreateCheckoutSessionPaymentIntentDataShipping {
    let address = shipping.address.clone();
    let address = CreateCheckoutSessionPaymentIntentDataShippingAddress {
        city: address.city,
        country: Some(address.country),
        line1: address.line1,
        line2: address.line2,
        postal_code: address.postal_code,
        state: address.state,
    };
    CreateCheckoutSessionPaymentIntentDataShipping::new(address, &shipping.name)
}
