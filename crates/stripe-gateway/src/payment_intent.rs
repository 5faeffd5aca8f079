//! PaymentIntents: the requests we make of them, and what is read from the answers.

pub(crate) mod view;

use std::collections::HashMap;
use std::fmt;

use chrono::{DateTime, Utc};
use quittance_domain::catalog::Metadata;
use quittance_domain::id::{OrderId, PaymentId};
use quittance_domain::money::{Currency, Money};
use quittance_domain::order::Shipping;
use quittance_domain::payment::{Account, CaptureMethod, Observation, Sighting};
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use stripe_client_core::{RequestBuilder, StripeRequest};
use stripe_core::payment_intent::{
    CancelPaymentIntent, CreatePaymentIntent, CreatePaymentIntentAutomaticPaymentMethods,
    CreatePaymentIntentShipping, CreatePaymentIntentShippingAddress, ListPaymentIntent,
    RetrievePaymentIntent, UpdatePaymentIntent, UpdatePaymentIntentShipping,
    UpdatePaymentIntentShippingAddress,
};
use stripe_shared::PaymentIntentCaptureMethod;
use stripe_types::RangeQueryTs;

use crate::Stripe;
use crate::error::Error;
use crate::transport::{Call, Reply, Verb};
use view::{Listed, Provenance, View, shape_error};

/// How many PaymentIntents one page of a list holds: the most that Stripe gives.
const PAGE_LIMIT: i64 = 100;

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
    /// What of it the platform keeps, in minor units; only on connected accounts.
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

/// A request that is sent letter for letter as often as it takes: its parameters and its idempotency key are
/// stored before Stripe hears of it, since Stripe refuses a key that comes again with other parameters.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrozenRequest {
    /// The path with `/v1`.
    pub path: String,
    /// The form, urlencoded. Holds personal data.
    pub body: String,
    /// The idempotency key. Stripe forgets it after 24 hours; from then on only a look-up is safe.
    pub idempotency_key: String,
    /// The account that it acts on.
    #[serde(serialize_with = "write_account", deserialize_with = "read_account")]
    pub account: Account,
}

impl fmt::Debug for FrozenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrozenRequest")
            .field("path", &self.path)
            .field("idempotency_key", &self.idempotency_key)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

fn write_account<S: Serializer>(account: &Account, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(account.as_str())
}

fn read_account<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Account, D::Error> {
    // The platform's own account is the empty text.
    String::deserialize(deserializer).map(Account::connected)
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
}

impl Stripe {
    /// The request that makes a PaymentIntent, with the attempt's id as its idempotency key. The same input
    /// gives the same request.
    #[must_use]
    pub fn freeze_payment_intent(new: &NewPaymentIntent) -> FrozenRequest {
        // Stripe takes no brackets in a key: they are its own way of writing a path, and could lead to ours.
        let theirs = new.metadata.clone().into_iter().filter(|(key, _)| !key.contains(['[', ']']));
        let mut metadata: HashMap<String, String> = theirs.collect();
        metadata.insert("order_id".to_owned(), new.order_id.to_string());
        metadata.insert("payment_id".to_owned(), new.payment_id.to_string());
        let mut create = CreatePaymentIntent::new(new.amount.minor(), currency(new.amount.currency()))
            .automatic_payment_methods(CreatePaymentIntentAutomaticPaymentMethods::new(true))
            .capture_method(match new.capture_method {
                CaptureMethod::Automatic => PaymentIntentCaptureMethod::Automatic,
                CaptureMethod::Manual => PaymentIntentCaptureMethod::Manual,
            })
            .description(format!("Order {}", new.order_id))
            .metadata(metadata);
        if let Some(fee) = new.application_fee {
            create = create.application_fee_amount(fee);
        }
        if let Some(email) = &new.details.receipt_email {
            create = create.receipt_email(email);
        }
        if let Some(shipping) = &new.details.shipping {
            create = create.shipping(create_shipping(shipping));
        }
        let request = create.build();
        FrozenRequest {
            path: versioned(&request.path),
            body: sorted(&request.body.unwrap_or_default()),
            idempotency_key: new.payment_id.to_string(),
            account: new.account.clone(),
        }
    }

    /// Makes a PaymentIntent, or returns the one that was made with this key before.
    pub async fn create_payment_intent(&self, request: &FrozenRequest) -> Result<PaymentIntent, Error> {
        let call = Call {
            operation: "payment_intents.create",
            path: request.path.clone(),
            account: &request.account,
            verb: Verb::Post { body: request.body.clone(), idempotency_key: &request.idempotency_key },
        };
        self.payment_intent(call).await
    }

    /// Reads a PaymentIntent.
    pub async fn retrieve_payment_intent(&self, account: &Account, id: &str) -> Result<PaymentIntent, Error> {
        let request = RetrievePaymentIntent::new(checked_id(id)?).build();
        self.payment_intent(get("payment_intents.retrieve", account, request)).await
    }

    /// Looks for the PaymentIntent of an attempt by its `metadata.payment_id`, among those made on the
    /// account since a time: how a create is resolved whose answer was lost and whose key can not be used
    /// again.
    ///
    /// Lists rather than searches, because Stripe's search lags behind. Returns the oldest match: a seller
    /// can make PaymentIntents on their own account that carry our ids, but only once they have seen ours.
    pub async fn find_payment_intent(
        &self,
        account: &Account,
        payment_id: &PaymentId,
        created_since: DateTime<Utc>,
    ) -> Result<Option<PaymentIntent>, Error> {
        let first_page =
            ListPaymentIntent::new().created(RangeQueryTs::gte(created_since.timestamp())).limit(PAGE_LIMIT);
        let mut page = first_page.clone();
        let mut found = None;
        loop {
            let call = get("payment_intents.list", account, page.build());
            let read = |reply: &Reply| self.read_page(account, payment_id, reply);
            let Page { oldest_match, next } = self.transport.call(&call, read).await?;
            found = oldest_match.or(found);
            match next {
                Some(last_id) => page = first_page.clone().starting_after(last_id),
                None => return Ok(found),
            }
        }
    }

    /// Cancels a PaymentIntent. One that can not be canceled any more is refused with
    /// [`is_unexpected_state`](crate::Refusal::is_unexpected_state).
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

    async fn payment_intent(&self, call: Call<'_>) -> Result<PaymentIntent, Error> {
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
        let created =
            if reply.replayed { view.created().unwrap_or_default() } else { reply.began_at_stripe_s };
        let provenance = Provenance {
            account: account.clone(),
            mode: view.mode().unwrap_or(self.mode),
            sighting: Sighting { created, event: String::new() },
        };
        Ok(PaymentIntent { observation: view.observe(provenance)?, client_secret })
    }

    fn read_page(&self, account: &Account, payment_id: &PaymentId, reply: &Reply) -> Result<Page, String> {
        let list: List<'_> =
            serde_json::from_slice(&reply.body).map_err(|error| shape_error("list", &error))?;
        let mut oldest_match = None;
        let mut last_id = None;
        for json in list.data {
            let listed = Listed::read(json.get().as_bytes())?;
            last_id = Some(listed.id.clone());
            if listed.payment_id().as_ref() == Some(payment_id) {
                // Lists are newest first, so a later match is an older one.
                oldest_match = Some(self.read_payment_intent(account, reply, json.get().as_bytes())?);
            }
        }
        if list.has_more && last_id.is_none() {
            return Err("an empty page of a list says that there is more".to_owned());
        }
        Ok(Page { oldest_match, next: last_id.filter(|_| list.has_more) })
    }
}

/// A list as Stripe writes it. See <https://docs.stripe.com/api/pagination>.
#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
    has_more: bool,
}

/// What one page of a list gave.
struct Page {
    oldest_match: Option<PaymentIntent>,
    /// The id after which the next page begins, if there is one.
    next: Option<String>,
}

fn get<'a>(operation: &'static str, account: &'a Account, request: RequestBuilder) -> Call<'a> {
    let verb = Verb::Get { query: request.query.unwrap_or_default() };
    Call { operation, path: versioned(&request.path), account, verb }
}

fn post<'a>(
    operation: &'static str,
    account: &'a Account,
    request: RequestBuilder,
    idempotency_key: &'a str,
) -> Call<'a> {
    let verb = Verb::Post { body: request.body.unwrap_or_default(), idempotency_key };
    Call { operation, path: versioned(&request.path), account, verb }
}

fn versioned(path: &str) -> String {
    format!("/v1{path}")
}

/// The fields of a form in the order of their names. Metadata travels through a hash map, whose order would
/// make two freezes of one attempt differ.
fn sorted(form: &str) -> String {
    let mut fields: Vec<&str> = form.split('&').collect();
    fields.sort_unstable();
    fields.join("&")
}

/// An id that can stand in a path. Anything else could lead to another resource.
fn checked_id(id: &str) -> Result<&str, Error> {
    let is_plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_plain && !id.is_empty() {
        Ok(id)
    } else {
        Err(Error::Unsendable("the id of a PaymentIntent has letters, digits and underscores only"))
    }
}

fn currency(currency: Currency) -> stripe_types::Currency {
    match currency.code().parse() {
        Ok(currency) => currency,
        Err(never) => match never {},
    }
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
