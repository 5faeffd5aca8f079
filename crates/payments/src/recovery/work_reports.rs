//! Log lines and metrics of the worker's results.

use quittance_persistence::{PendingAttempt, PendingRefund, PendingSeller, StoredRefund};

use crate::Error;
use crate::attempts::payment_span;
use crate::metrics::count_resume;
use crate::orders::refund_span;

/// The number of resumptions of one item after which its failure is logged as an error.
const RESUMES_BEFORE_ERROR: i32 = 5;

pub(super) fn report_attempt(work: &PendingAttempt, result: &Result<(), Error>) {
    let _entered = payment_span(&work.order_id, &work.attempt.id).entered();
    count_resume("payment", result.is_ok());
    match result {
        Ok(()) => tracing::info!("resumed payment"),
        // Stripe refused to cancel a payment that is processing. The order stays open.
        Err(Error::OrderNotCancelable(_) | Error::StripeRefusal(_)) => {
            tracing::info!("failed to resume payment because Stripe refused it; it isn't retried");
        }
        Err(error) if work.resume_count > RESUMES_BEFORE_ERROR => tracing::error!(
            error = error as &dyn std::error::Error,
            resume_count = work.resume_count,
            "failed to resume payment; retrying. If Stripe is available, search its request log for this payment ID \
             and check STRIPE_SECRET_KEY"
        ),
        Err(error) => tracing::warn!(
            error = error as &dyn std::error::Error,
            resume_count = work.resume_count,
            "failed to resume payment; retrying in a minute"
        ),
    }
}

pub(super) fn report_seller(work: &PendingSeller, error: Option<Error>) {
    let _entered = tracing::info_span!("seller", seller.id = %work.seller.id).entered();
    count_resume("seller", error.is_none());
    match error {
        None => tracing::debug!("completed pending work for seller"),
        Some(Error::OpenSellerPayments(orders)) => tracing::warn!(
            orders,
            "failed to unlink seller because payments are processing or authorized; it is connected again. Retry \
             once they have ended, or with force"
        ),
        Some(error @ Error::StripeRefusal(_)) => tracing::error!(
            error = &error as &dyn std::error::Error,
            "failed to complete pending work for seller because Stripe refused it; check Stripe's request log and the \
             account in Stripe's Dashboard"
        ),
        Some(error) if work.check_count > RESUMES_BEFORE_ERROR => tracing::error!(
            error = &error as &dyn std::error::Error,
            checks = work.check_count,
            "failed to complete pending work for seller; retrying. If Stripe is available, check its request log and \
             STRIPE_SECRET_KEY"
        ),
        Some(error) => tracing::warn!(
            error = &error as &dyn std::error::Error,
            checks = work.check_count,
            "failed to complete pending work for seller; retrying in a minute"
        ),
    }
}

pub(super) fn report_refund(work: &PendingRefund, result: Result<StoredRefund, Error>) {
    let _entered = refund_span(&work.stored).entered();
    let is_sent = result.as_ref().is_ok_and(|stored| !stored.refund.is_unsent());
    count_resume("refund", is_sent);
    match result {
        Ok(_) if is_sent => tracing::info!("sent refund to Stripe"),
        // The refund was postponed, and the reason was logged.
        Ok(_) => {}
        Err(error @ (Error::StripeRefusal(_) | Error::AccountUnreachable)) => tracing::error!(
            error = &error as &dyn std::error::Error,
            cause = work.stored.refund.cause.as_str(),
            "failed to create refund because Stripe refused it; the payment isn't refunded. Check the order's \
             timeline, and refund it in Stripe's Dashboard if necessary"
        ),
        Err(error) if work.resume_count > RESUMES_BEFORE_ERROR => tracing::error!(
            error = &error as &dyn std::error::Error,
            resume_count = work.resume_count,
            "failed to send refund; retrying. If Stripe is available, search its request log for this refund ID and \
             check STRIPE_SECRET_KEY"
        ),
        Err(error) => tracing::warn!(
            error = &error as &dyn std::error::Error,
            resume_count = work.resume_count,
            "failed to send refund; retrying in a minute"
        ),
    }
}
