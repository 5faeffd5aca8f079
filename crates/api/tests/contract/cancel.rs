//! Who may cancel an order, in each of its statuses, and what is said to whoever may not.

use chrono::{TimeDelta, Utc};
use quittance_domain::order::OrderStatus;
use serde_json::json;

use crate::app::{TestApp, text};

/// What is answered to a wish to cancel: the code of a problem of status 409, or that the order is canceled.
type Said = Option<&'static str>;

const CANCELED: Said = None;

/// What is said to the order's holder, and to a secret key.
fn said(status: OrderStatus) -> (Said, Said) {
    match status {
        // Who asks again is told the same.
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
    /// An order that its customer has tried to pay in this way; its id and its client token.
    async fn tried_order(&self, payment_method: &str) -> (String, String) {
        let (order_id, token) = self.order().await;
        let intent_id = text(&self.payment_intent(&order_id, &token).await["payment_intent_id"]);
        self.confirm(&intent_id, payment_method).await;
        (order_id, token)
    }

    /// A paid order of which so much went back.
    async fn refunded_order(&self, amount: i64) -> (String, String) {
        let (order_id, token, _) = self.paid_order().await;
        let path = format!("/v1/orders/{order_id}/refunds");
        self.post(&path).shop().json(&json!({"amount": amount})).send().await.ok(201);
        (order_id, token)
    }

    /// A paid order whose customer disputes it, and how that was decided.
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

    /// An order for which another amount was paid than was asked for.
    async fn reviewed_order(&self) -> (String, String) {
        let (order_id, token) = self.order().await;
        let intent_id = text(&self.payment_intent(&order_id, &token).await["payment_intent_id"]);
        self.at_stripe(&format!("/v1/payment_intents/{intent_id}"), "amount=700").await;
        self.confirm(&intent_id, "pm_card_visa").await;
        (order_id, token)
    }

    /// An order in this status; its id and its client token.
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
async fn who_may_cancel_in_which_status() {
    let app = TestApp::start().await;
    for status in OrderStatus::ALL {
        let (to_holder, to_key) = said(status);
        for (is_holder, said) in [(true, to_holder), (false, to_key)] {
            let (order_id, token) = app.order_in(status).await;
            let path = format!("/v1/orders/{order_id}");
            let wish = app.post(&format!("{path}/cancel"));
            let answer = if is_holder { wish.bearer(&token) } else { wish.shop() }.send().await;
            let expected = match said {
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
