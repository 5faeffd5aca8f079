//! Notes of what was asked of Stripe, for the timeline of an order.

use quittance_domain::id::OrderId;
use quittance_persistence::StripeCall;
use quittance_stripe_gateway::Error as StripeError;

use crate::{Payments, now};

impl Payments {
    /// Keeps a note of a request that makes or changes something at Stripe. That the note can not be kept stops
    /// nothing.
    pub(crate) async fn note(
        &self,
        order_id: &OrderId,
        subject: &str,
        operation: &str,
        outcome: Result<Option<&str>, &StripeError>,
    ) {
        let call = StripeCall {
            order_id: order_id.clone(),
            subject: subject.to_owned(),
            operation: operation.to_owned(),
            request_id: match outcome {
                Ok(request_id) => request_id.map(str::to_owned),
                Err(error) => error.request_id().map(str::to_owned),
            },
            error: outcome.err().map(word),
            at: now(),
        };
        if let Err(error) = self.store.record_stripe_call(call).await {
            tracing::warn!(
                order.id = %order_id,
                error = &error as &dyn std::error::Error,
                "A request to Stripe is missing in the order's timeline: the note of it could not be stored."
            );
        }
    }
}

/// Why a request came to nothing, in a word: Stripe's code where it gave one.
fn word(error: &StripeError) -> String {
    match error {
        StripeError::Refused(refusal) => {
            refusal.code.clone().unwrap_or_else(|| format!("status_{}", refusal.status))
        }
        StripeError::Unavailable { code: Some(code), .. } => code.clone(),
        StripeError::Unavailable { status: Some(status), .. } => format!("status_{status}"),
        StripeError::Unavailable { .. } => "unreachable".to_owned(),
        StripeError::Unreadable { .. } => "unreadable".to_owned(),
        StripeError::Unsendable(_) => "unsendable".to_owned(),
    }
}
