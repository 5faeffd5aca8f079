//! Cancellation by order status and by caller.

use chrono::{TimeDelta, Utc};
use quittance_domain::order::OrderStatus;
use serde_json::json;

use crate::app::{TestApp, text};

/// The response to a cancel request: the code of a 409 problem, or success.
type CancelResponse = Option<&'static str>;

const CANCELED: CancelResponse = None;

/// The expected responses for the order's holder and for a secret key.
fn expected_responses(status: OrderStatus) -> (CancelResponse, CancelResponse) {
    match status {
        // A repeated request gets the same response.
        OrderStatus::Pending | OrderStatus::PaymentFailed | OrderStatus::Canceled => (CANCELED, CANCELED),
        OrderStatus::Processing => (Some("payment_processing"), Some("payment_processing")),
        OrderStatus::Authorized => (Some("not_cancelable"), CANCELED),
        OrderStatus::Paid
        | OrderStatus::PartiallyRefunded
        | OrderStatus::Refunded
        | OrderStatus::Disputed
        | OrderStatus::ChargedBack => (Some("already_paid"), Some("already_paid")),
        OrderStatus::Review => (Some("order_in_review"), Some("order_in_review")),
        OrderStatus::Expired => (Some("order_expired"), Some("order_expired")),
    }
}

impl TestApp {
    /// Places an order and attempts to pay it with this method; returns the order ID and the client token.
    async fn tried_order(&self, payment_method: &str) -> (String, String) {
        let (order_id, token) = self.order().await;
        let intent_id = text(&self.payment_intent(&order_id, &token).await["payment_intent_id"]);
        self.confirm(&intent_id, payment_method).await;
        (order_id, token)
    }

    /// Places and pays an order, then refunds this amount.
    async fn refunded_order(&self, amount: i64) -> (String, String) {
        let (order_id, token, _) = self.paid_order().await;
        let path = format!("/v1/orders/{order_id}/refunds");
        self.post(&path).shop().json(&json!({"amount": amount})).send().await.ok(201);
        (order_id, token)
    }

    /// Places and pays an order whose customer disputes the payment, with this outcome.
    async fn disputed_order(&self, outcome: Option<&str>) -> (String, String) {
        let (order_id, token, intent_id) = self.paid_order().await;
        let intent = self.read_at_stripe(&format!("/v1/payment_intents/{intent_id}")).await;
        let charge = format!("/_sandbox/charges/{}/dispute", text(&intent["latest_charge"]));
        let dispute = self.at_stripe(&charge, "").await;
        if let Some(outcome) = outcome {
            let decide = format!("/_sandbox/disputes/{}/decide", text(&dispute["id"]));
            self.at_stripe(&decide, &format!("outcome={outcome}")).await;
        }
        (order_id, token)
    }

    /// Places an order that is paid with another amount than requested.
    async fn reviewed_order(&self) -> (String, String) {
        let (order_id, token) = self.order().await;
        let intent_id = text(&self.payment_intent(&order_id, &token).await["payment_intent_id"]);
        self.at_stripe(&format!("/v1/payment_intents/{intent_id}"), "amount=700").await;
        self.confirm(&intent_id, "pm_card_visa").await;
        (order_id, token)
    }

    /// Places an order and brings it into this status; returns the order ID and the client token.
    async fn order_in(&self, status: OrderStatus) -> (String, String) {
        let (order_id, token) = match status {
            OrderStatus::Pending | OrderStatus::Canceled | OrderStatus::Expired => self.order().await,
            OrderStatus::Processing => self.tried_order("pm_sepaDebit_successDelayed_de").await,
            OrderStatus::Authorized => {
                let (order_id, token, _) = self.authorized_order().await;
                (order_id, token)
            }
            OrderStatus::PaymentFailed => self.tried_order("pm_card_visa_chargeDeclined").await,
            OrderStatus::Paid => self.tried_order("pm_card_visa").await,
            OrderStatus::PartiallyRefunded => self.refunded_order(1000).await,
            OrderStatus::Refunded => self.refunded_order(4998).await,
            OrderStatus::Disputed => self.disputed_order(None).await,
            OrderStatus::ChargedBack => self.disputed_order(Some("lost")).await,
            OrderStatus::Review => self.reviewed_order().await,
        };
        if status == OrderStatus::Canceled {
            self.post(&format!("/v1/orders/{order_id}/cancel")).shop().send().await.ok(200);
        }
        if status == OrderStatus::Expired {
            let later = Utc::now() + TimeDelta::days(1);
            self.store.expire_order(order_id.parse().unwrap(), later).await.unwrap();
        }
        self.order_becomes(&order_id, status.as_str()).await;
        (order_id, token)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_is_allowed_by_status_and_caller() {
    let app = TestApp::start().await;
    for status in OrderStatus::ALL {
        let (to_holder, to_key) = expected_responses(status);
        for (is_holder, response) in [(true, to_holder), (false, to_key)] {
            let (order_id, token) = app.order_in(status).await;
            let path = format!("/v1/orders/{order_id}");
            let request = app.post(&format!("{path}/cancel"));
            let answer = if is_holder { request.bearer(&token) } else { request.shop() }.send().await;
            let expected = match response {
                CANCELED => {
                    answer.ok(200);
                    "canceled"
                }
                Some(code) => {
                    answer.problem(409, code);
                    status.as_str()
                }
            };
            let order = app.get(&path).shop().send().await.ok(200);
            assert_eq!(order["status"], expected, "{}, holder: {is_holder}", status.as_str());
        }
    }
}
