//! Checkout Sessions: <https://docs.stripe.com/api/checkout/sessions>, in `payment` mode on the sandbox's own page.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::http::string_enum::string_enum;
use crate::objects::address::BillingDetails;
use crate::objects::line_item::LineItem;
use crate::objects::payment_intent::PaymentIntent;
use crate::objects::payment_method_type::PaymentMethodType;
use crate::storage::clock::Timestamp;
use crate::storage::table::Resource;

string_enum! {
    /// The status of a Session.
    SessionStatus { Open = "open", Complete = "complete", Expired = "expired" }
}

string_enum! {
    /// The payment status of a Session.
    PaymentStatus { Paid = "paid", Unpaid = "unpaid", NoPaymentRequired = "no_payment_required" }
}

string_enum! {
    /// The text on the page's button.
    SubmitType { Auto = "auto", Book = "book", Donate = "donate", Pay = "pay", Subscribe = "subscribe" }
}

string_enum! {
    /// Whether the page asks for a billing address.
    BillingAddressCollection { Auto = "auto", Required = "required" }
}

/// The fields that are always null: of a Session, of its `custom_text`, and of its `invoice_creation`.
const NULL_FIELDS: &[&str] = &[
    "after_expiration",
    "allow_promotion_codes",
    "branding_settings",
    "client_secret",
    "collected_information",
    "consent",
    "consent_collection",
    "currency_conversion",
    "customer_account",
    "invoice",
    "origin_context",
    "payment_link",
    "payment_method_configuration_details",
    "permissions",
    "presentment_details",
    "recovered_from",
    "saved_payment_method_options",
    "setup_intent",
    "shipping_address_collection",
    "shipping_cost",
    "subscription",
    "wallet_options",
];

const CUSTOM_TEXT_FIELDS: &[&str] =
    &["after_submit", "shipping_address", "submit", "terms_of_service_acceptance"];

const INVOICE_FIELDS: &[&str] =
    &["account_tax_ids", "custom_fields", "description", "footer", "issuer", "rendering_options"];

fn nulls(names: &[&str]) -> Map<String, Value> {
    names.iter().map(|name| ((*name).to_owned(), Value::Null)).collect()
}

/// A purchase that a customer pays on a hosted page.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CheckoutSession {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) is_adaptive_pricing: bool,
    pub(crate) billing_address_collection: Option<BillingAddressCollection>,
    pub(crate) cancel_url: Option<String>,
    pub(crate) client_reference_id: Option<String>,
    pub(crate) currency: String,
    pub(crate) customer: Option<String>,
    /// The details of the customer who paid.
    pub(crate) customer_details: Option<BillingDetails>,
    pub(crate) customer_email: Option<String>,
    pub(crate) expires_at: i64,
    pub(crate) line_items: Vec<LineItem>,
    pub(crate) locale: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) payment_intent: Option<String>,
    /// The template of its PaymentIntent, from `payment_intent_data`.
    pub(crate) intent_template: PaymentIntent,
    pub(crate) payment_method_types: Vec<PaymentMethodType>,
    pub(crate) payment_status: PaymentStatus,
    pub(crate) status: SessionStatus,
    pub(crate) submit_type: Option<SubmitType>,
    pub(crate) success_url: String,
}

impl Resource for CheckoutSession {
    const KIND: &'static str = "checkout_session";

    fn id(&self) -> &str {
        &self.id
    }

    fn due(&self) -> Option<Timestamp> {
        (self.status == SessionStatus::Open).then_some(Timestamp(self.expires_at * 1_000))
    }
}

impl CheckoutSession {
    /// Returns the total of all line items.
    pub(crate) fn total(&self) -> i64 {
        self.line_items.iter().map(LineItem::total).fold(0, i64::saturating_add)
    }

    /// Returns whether a customer can pay at `now`.
    pub(crate) fn is_open(&self, now: Timestamp) -> bool {
        self.status == SessionStatus::Open && now.seconds() < self.expires_at
    }

    /// Returns the URL that the customer visits after paying.
    pub(crate) fn success_url(&self) -> String {
        self.success_url.replace("{CHECKOUT_SESSION_ID}", &self.id)
    }

    /// Returns the URL of the hosted page.
    pub(crate) fn page_url(&self, public_url: &str) -> String {
        format!("{public_url}/c/pay/{}", self.id)
    }

    pub(crate) fn render(&self, public_url: &str) -> Value {
        let url = (self.status == SessionStatus::Open).then(|| self.page_url(public_url));
        let total = self.total();
        let mut invoice_data = nulls(INVOICE_FIELDS);
        invoice_data.insert("metadata".to_owned(), json!({}));
        let mut rendered = nulls(NULL_FIELDS);
        let filled = json!({
            "id": self.id,
            "object": "checkout.session",
            "adaptive_pricing": { "enabled": self.is_adaptive_pricing },
            "allowed_payment_method_types": self.intent_template.method_type_filter.allowed,
            "amount_subtotal": total,
            "amount_total": total,
            "automatic_tax": { "enabled": false, "liability": null, "provider": null, "status": null },
            "billing_address_collection": self.billing_address_collection,
            "cancel_url": self.cancel_url,
            "client_reference_id": self.client_reference_id,
            "created": self.created,
            "currency": self.currency,
            "custom_fields": [],
            "custom_text": nulls(CUSTOM_TEXT_FIELDS),
            "customer": self.customer,
            "customer_creation": self.customer.is_none().then_some("if_required"),
            "customer_details": self.render_customer(),
            "customer_email": self.customer_email,
            "discounts": [],
            "excluded_payment_method_types": self.intent_template.method_type_filter.excluded,
            "expires_at": self.expires_at,
            "invoice_creation": { "enabled": false, "invoice_data": invoice_data },
            "livemode": false,
            "locale": self.locale,
            "metadata": self.metadata,
            "mode": "payment",
            "payment_intent": self.payment_intent,
            "payment_method_collection": "if_required",
            "payment_method_options": self.render_options(),
            "payment_method_types": self.payment_method_types,
            "payment_status": self.payment_status,
            "phone_number_collection": { "enabled": false },
            "shipping_options": [],
            "status": self.status,
            "submit_type": self.submit_type,
            "success_url": self.success_url,
            "total_details": { "amount_discount": 0, "amount_shipping": 0, "amount_tax": 0 },
            "ui_mode": "hosted_page",
            "url": url,
        });
        rendered.extend(filled.as_object().cloned().unwrap_or_default());
        Value::Object(rendered)
    }

    fn render_options(&self) -> Value {
        let takes_cards = self.payment_method_types.contains(&PaymentMethodType::Card);
        let options =
            takes_cards.then(|| ("card".to_owned(), json!({ "request_three_d_secure": "automatic" })));
        Value::Object(Map::from_iter(options))
    }

    fn render_customer(&self) -> Value {
        let paid_by = self.customer_details.as_ref();
        let email = paid_by.and_then(|details| details.email.as_ref()).or(self.customer_email.as_ref());
        if paid_by.is_none() && email.is_none() {
            return Value::Null;
        }
        json!({
            "address": paid_by.map(|details| &details.address),
            "business_name": null,
            "email": email,
            "individual_name": null,
            "name": paid_by.and_then(|details| details.name.as_ref()),
            "phone": paid_by.and_then(|details| details.phone.as_ref()),
            "tax_exempt": "none",
            "tax_ids": paid_by.map(|_| json!([])),
        })
    }

    /// Renders the first ten line items, as `expand[]=line_items` does.
    pub(crate) fn render_line_items(&self) -> Value {
        let data: Vec<Value> = self.line_items.iter().take(10).map(LineItem::render).collect();
        json!({
            "object": "list",
            "has_more": data.len() < self.line_items.len(),
            "data": data,
            "url": format!("/v1/checkout/sessions/{}/line_items", self.id),
        })
    }
}
