//! Records of Stripe calls, for an order's timeline.

use quittance_domain::id::OrderId;
use quittance_persistence::StripeCall;
use quittance_stripe_gateway::Error as StripeError;

use crate::service::Payments;
use crate::time_limits::now;

impl Payments {
    /// Records a call that creates or changes an object at Stripe. A failure to record it doesn't affect the use case.
    pub(crate) async fn record_call(
        &self,
        order_id: &OrderId,
        subject: &str,
        operation: &str,
        result: Result<Option<&str>, &StripeError>,
    ) {
        let call = StripeCall {
            order_id: order_id.clone(),
            subject: subject.to_owned(),
            operation: operation.to_owned(),
            request_id: match result {
                Ok(request_id) => request_id.map(str::to_owned),
                Err(error) => error.request_id().map(str::to_owned),
            },
            error: result.err().map(error_code),
            at: now(),
        };
        if let Err(error) = self.store.record_stripe_call(call).await {
            tracing::warn!(
                order.id = %order_id,
                error = &error as &dyn std::error::Error,
                "failed to record Stripe call; it is missing in the order's timeline"
            );
        }
    }
}

/// Returns a code for an error. It is Stripe's code if the response has one.
fn error_code(error: &StripeError) -> String {
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
