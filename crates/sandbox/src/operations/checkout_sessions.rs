//! Payment and expiry of Checkout Sessions.

use crate::http::error::ApiError;
use crate::objects::address::BillingDetails;
use crate::objects::checkout_session::{CheckoutSession, PaymentStatus, SessionStatus};
use crate::objects::payment_intent::{CancellationReason, PaymentIntent, Status};
use crate::objects::payment_method::PaymentMethod;
use crate::operations::attempts::{self, AttemptOptions};
use crate::operations::{cancellation, connect};
use crate::state::Tx;
use crate::storage::ids;

/// A payment on the Session's page.
pub(crate) struct CheckoutPayment {
    /// The payment method. Not needed if the total is zero.
    pub(crate) method: Option<PaymentMethod>,
    pub(crate) email: Option<String>,
}

/// The next step for the customer.
pub(crate) enum NextStep {
    /// The Session is complete. Redirect to the shop.
    Complete { success_url: String },
    /// 3D Secure is required. Redirect to the bank's page.
    Authenticate { url: String },
}

/// Pays a Session. A decline is an error and leaves the Session open. A complete Session isn't paid again.
pub(crate) fn pay(tx: &mut Tx<'_>, id: &str, payment: CheckoutPayment) -> Result<NextStep, ApiError> {
    let session = tx.get::<CheckoutSession>(id).cloned();
    let mut session = session.ok_or_else(|| ApiError::not_found("checkout.session", id, "session"))?;
    if session.status == SessionStatus::Complete {
        return Ok(NextStep::Complete { success_url: session.success_url() });
    }
    if !session.is_open(tx.now) {
        return Err(ApiError::refused(
            "This Checkout Session has expired. Please return to the shop and try again.",
        ));
    }
    // The page asks for the email address unless the Session has one.
    let email = session.customer_email.clone().or(payment.email);
    let Some(mut method) = payment.method.filter(|_| session.total() != 0) else {
        return complete_free_session(tx, session, email);
    };
    method.billing_details.email = email.or(method.billing_details.email);
    let mut intent = find_or_create_intent(tx, &mut session);
    attempts::check_method(&intent, &method)?;
    connect::check_capabilities(tx, &intent)?;
    intent.return_url = Some(format!("{}/return", session.page_url(&tx.settings.public_url)));
    tx.put(method.clone());
    tx.put(session);
    let intent = attempts::attempt(tx, intent, &method, AttemptOptions::default())?;
    let page = intent.next_action.as_ref().and_then(|action| action["redirect_to_url"]["url"].as_str());
    match (page, tx.get::<CheckoutSession>(id)) {
        (Some(url), _) => Ok(NextStep::Authenticate { url: url.to_owned() }),
        (None, Some(session)) => Ok(NextStep::Complete { success_url: session.success_url() }),
        (None, None) => Err(ApiError::not_found("checkout.session", id, "session")),
    }
}

/// Completes a Session with a total of zero.
fn complete_free_session(
    tx: &mut Tx<'_>,
    mut session: CheckoutSession,
    email: Option<String>,
) -> Result<NextStep, ApiError> {
    if session.total() != 0 {
        return Err(ApiError::invalid("Please choose a payment method.").with_param("payment_method"));
    }
    session.payment_status = PaymentStatus::NoPaymentRequired;
    session.customer_details = Some(BillingDetails { email, ..BillingDetails::default() });
    session.status = SessionStatus::Complete;
    tx.put(session.clone());
    tx.emit("checkout.session.completed", session.render(&tx.settings.public_url));
    Ok(NextStep::Complete { success_url: session.success_url() })
}

/// Returns the Session's PaymentIntent. The first attempt creates it.
fn find_or_create_intent(tx: &mut Tx<'_>, session: &mut CheckoutSession) -> PaymentIntent {
    if let Some(intent) = session.payment_intent.as_ref().and_then(|id| tx.get::<PaymentIntent>(id)) {
        return intent.clone();
    }
    let mut intent = session.intent_template.clone();
    intent.id = ids::object("pi");
    intent.client_secret = format!("{}_secret_{}", intent.id, ids::random(25));
    intent.created = tx.now.seconds();
    session.payment_intent = Some(intent.id.clone());
    tx.put(session.clone());
    tx.put(intent.clone());
    tx.emit("payment_intent.created", intent.render());
    intent
}

/// Makes a Session's payment succeed in any status, even if the Session has expired.
pub(crate) fn force_success(
    tx: &mut Tx<'_>,
    mut session: CheckoutSession,
    method: &PaymentMethod,
) -> PaymentIntent {
    let intent = find_or_create_intent(tx, &mut session);
    attempts::force_success(tx, intent, method)
}

/// Expires an open Session. It can't be paid any longer.
pub(crate) fn expire(tx: &mut Tx<'_>, mut session: CheckoutSession) -> CheckoutSession {
    session.status = SessionStatus::Expired;
    tx.put(session.clone());
    let intent = session.payment_intent.as_ref().and_then(|id| tx.get::<PaymentIntent>(id)).cloned();
    if let Some(intent) = intent.filter(|intent| intent.status != Status::Canceled) {
        cancellation::cancel(tx, intent, Some(CancellationReason::Automatic));
    }
    tx.emit("checkout.session.expired", session.render(&tx.settings.public_url));
    session
}

/// Expires a Session at the end of its lifetime.
pub(crate) fn on_due(tx: &mut Tx<'_>, id: &str) {
    if let Some(session) = tx.get::<CheckoutSession>(id).cloned() {
        expire(tx, session);
    }
}
