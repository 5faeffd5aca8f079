//! PaymentIntents: <https://docs.stripe.com/api/payment_intents>.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::http::error::ApiError;
use crate::http::string_enum::{StringEnum, string_enum};
use crate::objects::address::Shipping;
use crate::objects::payment_method_type::{MethodTypeFilter, PaymentMethodType};
use crate::storage::table::Resource;

string_enum! {
    /// The status of a PaymentIntent: <https://docs.stripe.com/payments/paymentintents/lifecycle>
    Status {
        RequiresPaymentMethod = "requires_payment_method",
        RequiresConfirmation = "requires_confirmation",
        RequiresAction = "requires_action",
        Processing = "processing",
        RequiresCapture = "requires_capture",
        Succeeded = "succeeded",
        Canceled = "canceled",
    }
}

string_enum! {
    /// The time of the capture.
    CaptureMethod { Automatic = "automatic", AutomaticAsync = "automatic_async", Manual = "manual" }
}

string_enum! {
    /// The reason of a cancellation. Callers can't use the last one.
    CancellationReason {
        Duplicate = "duplicate",
        Fraudulent = "fraudulent",
        RequestedByCustomer = "requested_by_customer",
        Abandoned = "abandoned",
        Automatic = "automatic",
    }
}

impl CancellationReason {
    /// Returns whether only Stripe cancels for this reason.
    pub(crate) fn is_reserved_for_stripe(self) -> bool {
        self == Self::Automatic
    }
}

string_enum! {
    /// Whether the payment method is saved for later.
    SetupFutureUsage { OffSession = "off_session", OnSession = "on_session" }
}

string_enum! {
    /// Whether payment methods that redirect are allowed.
    AllowRedirects { Always = "always", Never = "never" }
}

string_enum! {
    /// The condition for 3D Secure.
    RequestThreeDSecure { Any = "any", Automatic = "automatic", Challenge = "challenge" }
}

/// The destination of a destination charge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TransferData {
    pub(crate) destination: String,
    pub(crate) amount: Option<i64>,
}

impl TransferData {
    /// Renders it as Stripe does: `amount` is present only if it was set.
    pub(crate) fn render(&self) -> Value {
        match self.amount {
            Some(amount) => json!({ "amount": amount, "destination": self.destination }),
            None => json!({ "destination": self.destination }),
        }
    }
}

/// A payment from its creation to its outcome.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PaymentIntent {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) amount: i64,
    pub(crate) amount_capturable: i64,
    pub(crate) amount_received: i64,
    /// The application that created it for the account.
    #[serde(default)]
    pub(crate) application: Option<String>,
    pub(crate) application_fee_amount: Option<i64>,
    pub(crate) automatic_payment_methods: Option<AllowRedirects>,
    pub(crate) canceled_at: Option<i64>,
    pub(crate) cancellation_reason: Option<CancellationReason>,
    pub(crate) capture_method: CaptureMethod,
    /// The Checkout Session that created it.
    #[serde(default)]
    pub(crate) checkout_session: Option<String>,
    pub(crate) client_secret: String,
    pub(crate) currency: String,
    pub(crate) customer: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) last_payment_error: Option<Value>,
    pub(crate) latest_charge: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) next_action: Option<Value>,
    pub(crate) on_behalf_of: Option<String>,
    pub(crate) payment_method: Option<String>,
    #[serde(default)]
    pub(crate) method_type_filter: MethodTypeFilter,
    pub(crate) payment_method_types: Vec<PaymentMethodType>,
    pub(crate) receipt_email: Option<String>,
    pub(crate) request_three_d_secure: RequestThreeDSecure,
    pub(crate) return_url: Option<String>,
    pub(crate) setup_future_usage: Option<SetupFutureUsage>,
    pub(crate) shipping: Option<Shipping>,
    pub(crate) statement_descriptor: Option<String>,
    pub(crate) statement_descriptor_suffix: Option<String>,
    pub(crate) status: Status,
    pub(crate) transfer_data: Option<TransferData>,
    pub(crate) transfer_group: Option<String>,
}

impl Resource for PaymentIntent {
    const KIND: &'static str = "payment_intent";

    fn id(&self) -> &str {
        &self.id
    }
}

/// The fields that a publishable key can read.
const PUBLIC_FIELDS: &[&str] = &[
    "id",
    "object",
    "amount",
    "amount_details",
    "automatic_payment_methods",
    "canceled_at",
    "cancellation_reason",
    "capture_method",
    "client_secret",
    "confirmation_method",
    "created",
    "currency",
    "description",
    "last_payment_error",
    "livemode",
    "next_action",
    "payment_method",
    "payment_method_configuration_details",
    "payment_method_types",
    "processing",
    "receipt_email",
    "setup_future_usage",
    "shipping",
    "source",
    "status",
];

impl PaymentIntent {
    /// Creates a PaymentIntent without an amount.
    pub(crate) fn new(id: String, client_secret: String, created: i64, currency: String) -> Self {
        Self {
            id,
            created,
            amount: 0,
            amount_capturable: 0,
            amount_received: 0,
            application: None,
            application_fee_amount: None,
            automatic_payment_methods: None,
            canceled_at: None,
            cancellation_reason: None,
            capture_method: CaptureMethod::AutomaticAsync,
            checkout_session: None,
            client_secret,
            payment_method_types: MethodTypeFilter::default().types_for(&currency),
            method_type_filter: MethodTypeFilter::default(),
            currency,
            customer: None,
            description: None,
            last_payment_error: None,
            latest_charge: None,
            metadata: BTreeMap::new(),
            next_action: None,
            on_behalf_of: None,
            payment_method: None,
            receipt_email: None,
            request_three_d_secure: RequestThreeDSecure::Automatic,
            return_url: None,
            setup_future_usage: None,
            shipping: None,
            statement_descriptor: None,
            statement_descriptor_suffix: None,
            status: Status::RequiresPaymentMethod,
            transfer_data: None,
            transfer_group: None,
        }
    }

    pub(crate) fn render(&self) -> Value {
        let automatic = self
            .automatic_payment_methods
            .map(|allow_redirects| json!({ "allow_redirects": allow_redirects, "enabled": true }));
        let transfer_data = self.transfer_data.as_ref().map(TransferData::render);
        json!({
            "id": self.id,
            "object": "payment_intent",
            "allowed_payment_method_types": self.method_type_filter.allowed,
            "amount": self.amount,
            "amount_capturable": self.amount_capturable,
            "amount_details": { "tip": {} },
            "amount_received": self.amount_received,
            "application": self.application,
            "application_fee_amount": self.application_fee_amount,
            "automatic_payment_methods": automatic,
            "canceled_at": self.canceled_at,
            "cancellation_reason": self.cancellation_reason,
            "capture_method": self.capture_method,
            "client_secret": self.client_secret,
            "confirmation_method": "automatic",
            "created": self.created,
            "currency": self.currency,
            "customer": self.customer,
            "customer_account": null,
            "description": self.description,
            "excluded_payment_method_types": self.method_type_filter.excluded,
            "last_payment_error": self.last_payment_error,
            "latest_charge": self.latest_charge,
            "livemode": false,
            "metadata": self.metadata,
            "next_action": self.next_action,
            "on_behalf_of": self.on_behalf_of,
            "payment_method": self.payment_method,
            "payment_method_configuration_details": null,
            "payment_method_options": self.render_options(),
            "payment_method_types": self.payment_method_types,
            "processing": null,
            "receipt_email": self.receipt_email,
            "review": null,
            "setup_future_usage": self.setup_future_usage,
            "shipping": self.shipping,
            "source": null,
            "statement_descriptor": self.statement_descriptor,
            "statement_descriptor_suffix": self.statement_descriptor_suffix,
            "status": self.status,
            "transfer_data": transfer_data,
            "transfer_group": self.transfer_group,
        })
    }

    fn render_options(&self) -> Value {
        let options = self.payment_method_types.iter().map(|type_| {
            let value = match type_ {
                PaymentMethodType::Card => json!({
                    "installments": null,
                    "mandate_options": null,
                    "network": null,
                    "request_three_d_secure": self.request_three_d_secure,
                }),
                PaymentMethodType::SepaDebit | PaymentMethodType::Multibanco => json!({}),
                PaymentMethodType::UsBankAccount => json!({ "verification_method": "automatic" }),
            };
            (type_.as_str().to_owned(), value)
        });
        Value::Object(options.collect::<Map<String, Value>>())
    }

    /// Returns the charge of the last attempt.
    pub(crate) fn latest_charge(&self) -> Option<&str> {
        self.latest_charge.as_deref()
    }

    pub(crate) fn payment_method(&self) -> Option<&str> {
        self.payment_method.as_deref()
    }

    /// Returns whether the payment is captured manually.
    pub(crate) fn has_manual_capture(&self) -> bool {
        self.capture_method == CaptureMethod::Manual
    }

    /// Renders the fields that a publishable key can read.
    pub(crate) fn render_public(&self) -> Value {
        let mut rendered = self.render();
        if let Some(fields) = rendered.as_object_mut() {
            fields.retain(|name, _| PUBLIC_FIELDS.contains(&name.as_str()));
        }
        rendered
    }

    /// Returns the error for an action that the status doesn't allow. It contains the PaymentIntent.
    pub(crate) fn unexpected_state(&self, message: impl Into<String>) -> ApiError {
        ApiError::refused(message)
            .with_code("payment_intent_unexpected_state")
            .with("payment_intent", self.render())
    }
}
