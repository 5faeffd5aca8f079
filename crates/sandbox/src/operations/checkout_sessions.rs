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

/// What a customer does on the page.
pub(crate) struct Payment {
    /// How to pay; nothing if nothing is to be paid.
    pub(crate) method: Option<PaymentMethod>,
    pub(crate) email: Option<String>,
}

/// Where the customer goes next.
pub(crate) enum Answer {
    /// The Session is complete: to the shop.
    Complete { success_url: String },
    /// The card's bank asks first: to its page.
    Authenticate { url: String },
}

/// Pays a Session. A decline is an error and leaves it open; a Session that is complete is not paid again.
pub(crate) fn pay(tx: &mut Tx<'_>, id: &str, payment: Payment) -> Result<Answer, ApiError> {
    let session = tx.get::<CheckoutSession>(id).cloned();
    let mut session = session.ok_or_else(|| ApiError::missing("checkout.session", id, "session"))?;
    if session.status == SessionStatus::Complete {
        return Ok(Answer::Complete { success_url: session.success_url() });
    }
    if !session.is_open(tx.now) {
        return Err(ApiError::refused("This Checkout Session has expired. Please go back and try again."));
    }
    // The page asks for the email, unless the shop has said it.
    let email = session.customer_email.clone().or(payment.email);
    let Some(mut method) = payment.method.filter(|_| session.total() != 0) else {
        return finish_free(tx, session, email);
    };
    method.billing_details.email = email.or(method.billing_details.email);
    let mut intent = intent_of(tx, &mut session);
    attempts::check_method(&intent, &method)?;
    connect::check_able(tx, &intent)?;
    intent.return_url = Some(format!("{}/return", session.page_url(&tx.settings.public_url)));
    tx.put(method.clone());
    tx.put(session);
    let intent = attempts::attempt(tx, intent, &method, AttemptOptions::default())?;
    let page = intent.next_action.as_ref().and_then(|action| action["redirect_to_url"]["url"].as_str());
    match (page, tx.get::<CheckoutSession>(id)) {
        (Some(url), _) => Ok(Answer::Authenticate { url: url.to_owned() }),
        (None, Some(session)) => Ok(Answer::Complete { success_url: session.success_url() }),
        (None, None) => Err(ApiError::missing("checkout.session", id, "session")),
    }
}

/// Completes a Session that costs nothing.
fn finish_free(
    tx: &mut Tx<'_>,
    mut session: CheckoutSession,
    email: Option<String>,
) -> Result<Answer, ApiError> {
    if session.total() != 0 {
        return Err(ApiError::invalid("Please say how you want to pay.").with_param("payment_method"));
    }
    session.payment_status = PaymentStatus::NoPaymentRequired;
    session.customer_details = Some(BillingDetails { email, ..BillingDetails::default() });
    session.status = SessionStatus::Complete;
    tx.put(session.clone());
    tx.emit("checkout.session.completed", session.render(&tx.settings.public_url));
    Ok(Answer::Complete { success_url: session.success_url() })
}

/// The PaymentIntent of a Session, which is made when the customer first tries to pay.
fn intent_of(tx: &mut Tx<'_>, session: &mut CheckoutSession) -> PaymentIntent {
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

/// The money comes, whatever has been said before, also for a Session that has expired.
pub(crate) fn force_success(
    tx: &mut Tx<'_>,
    mut session: CheckoutSession,
    method: &PaymentMethod,
) -> PaymentIntent {
    let intent = intent_of(tx, &mut session);
    attempts::force_success(tx, intent, method)
}

/// Closes an open Session: nobody can pay it any more.
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

/// Expires a Session when its time is over.
pub(crate) fn come_due(tx: &mut Tx<'_>, id: &str) {
    if let Some(session) = tx.get::<CheckoutSession>(id).cloned() {
        expire(tx, session);
    }
}
