//! Payments on a connected account with an application fee, and refunds of the fee.

use serde_json::{Value, json};

use crate::support::{Api, Receiver, Response, TestSandbox, assert_fields, config, id, intent_path};

const REFUND_FEE: (&str, &str) = ("refund_application_fee", "true");

/// A sandbox with a connected account `acct_1`.
struct Marketplace {
    sandbox: TestSandbox,
    seller: Api,
}

impl Marketplace {
    async fn start() -> Self {
        let sandbox = TestSandbox::start(config());
        let seller = sandbox.api.create_seller("acct_1").await;
        Self { sandbox, seller }
    }

    fn api(&self) -> &Api {
        &self.sandbox.api
    }

    /// Pays 10.00 on the seller's account with an application fee.
    async fn pay_with_fee(&self, fee: &str) -> Value {
        let params = [("application_fee_amount", fee), ("expand[]", "latest_charge")];
        self.seller.pay("pm_card_visa", &params).await.ok()
    }

    async fn refund(&self, paid: &Value, params: &[(&str, &str)]) -> Response {
        let mut all = vec![("payment_intent", id(paid))];
        all.extend_from_slice(params);
        self.seller.post("/v1/refunds", &all).await
    }

    async fn fee(&self) -> Value {
        self.api().single("/v1/application_fees").await
    }

    /// Refunds the only application fee.
    async fn refund_fee(&self, params: &[(&str, &str)]) -> Response {
        self.api().post(&format!("/v1/application_fees/{}/refunds", id(&self.fee().await)), params).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn direct_charge_creates_application_fee() {
    let market = Marketplace::start().await;

    let paid = market.pay_with_fee("123").await;

    let charge = &paid["latest_charge"];
    let fee = market.fee().await;
    assert_fields(
        &fee,
        &json!({
            "amount": 123,
            "account": "acct_1",
            "charge": charge["id"],
            "originating_transaction": null,
            "refunded": false,
            "refunds": { "data": [] },
        }),
    );
    assert_eq!(charge["application_fee"], fee["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn direct_charge_splits_amount_between_balances() {
    let market = Marketplace::start().await;

    market.pay_with_fee("123").await;

    // The seller pays Stripe's fee of 2.9 % and 0.30.
    assert_eq!(market.seller.balance().await, 1_000 - 59 - 123);
    assert_eq!(market.api().balance().await, 123);
}

#[tokio::test(flavor = "multi_thread")]
async fn balance_transaction_of_direct_charge_lists_both_fees() {
    let market = Marketplace::start().await;
    let paid = market.pay_with_fee("123").await;

    let transaction_id = paid["latest_charge"]["balance_transaction"].as_str().unwrap();
    let transaction =
        market.seller.get(&format!("/v1/balance_transactions/{transaction_id}"), &[]).await.ok();

    assert_fields(&transaction, &json!({ "fee": 182, "net": 818 }));
    let fees = transaction["fee_details"].as_array().unwrap().iter().map(|fee| &fee["type"]);
    assert_eq!(fees.collect::<Vec<_>>(), ["application_fee", "stripe_fee"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn fee_event_belongs_to_the_platform() {
    let market = Marketplace::start().await;
    let mut platform = Receiver::start(0);
    market.sandbox.handle.register_webhook_endpoint(&platform.url, "whsec_x").unwrap();

    market.pay_with_fee("123").await;

    let webhook = platform.next().await.body;
    assert_eq!(webhook["type"], "application_fee.created");
    assert_eq!(webhook["data"]["object"]["id"], market.fee().await["id"]);
    assert_eq!(webhook.get("account"), None);
    assert_eq!(market.api().event_types().await, ["application_fee.created"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn payment_events_belong_to_the_account() {
    let market = Marketplace::start().await;
    let mut connect = Receiver::start(0);
    market.sandbox.handle.register_connect_webhook_endpoint(&connect.url, "whsec_x").unwrap();

    market.pay_with_fee("123").await;

    for _ in 0..3 {
        assert_eq!(connect.next().await.body["account"], "acct_1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn direct_charge_is_not_found_by_other_account() {
    let market = Marketplace::start().await;
    let paid = market.pay_with_fee("123").await;
    let other = market.api().create_seller("acct_2").await;

    let error = other.get(&intent_path(&paid), &[]).await.error(404);

    assert_eq!(error["code"], "resource_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn account_cannot_list_platform_fees() {
    let market = Marketplace::start().await;

    market.pay_with_fee("123").await;

    assert!(market.seller.list("/v1/application_fees").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn refund_without_flag_keeps_fee() {
    let market = Marketplace::start().await;
    let paid = market.pay_with_fee("101").await;

    market.refund(&paid, &[("amount", "100")]).await.ok();

    assert_eq!(market.fee().await["amount_refunded"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn partial_refund_with_flag_refunds_fee_proportionally() {
    let market = Marketplace::start().await;
    let paid = market.pay_with_fee("101").await;

    market.refund(&paid, &[("amount", "500"), REFUND_FEE]).await.ok();

    // Half of 101, rounded up.
    let fee = market.fee().await;
    assert_fields(&fee, &json!({ "amount_refunded": 51, "refunded": false }));
    assert_fields(&fee["refunds"]["data"][0], &json!({ "amount": 51, "fee": fee["id"] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn refunds_with_and_without_flag_refund_fee_of_their_share() {
    let market = Marketplace::start().await;
    let paid = market.pay_with_fee("101").await;

    market.refund(&paid, &[("amount", "100")]).await.ok();
    market.refund(&paid, &[("amount", "500"), REFUND_FEE]).await.ok();
    market.refund(&paid, &[REFUND_FEE]).await.ok();

    // 51 for 5.00, and 40 for 4.00.
    assert_eq!(market.fee().await["amount_refunded"], 91);
    assert_eq!((market.api().balance().await, market.seller.balance().await), (101 - 91, -59 - 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn full_refund_with_flag_refunds_whole_fee() {
    let market = Marketplace::start().await;
    let paid = market.pay_with_fee("101").await;

    market.refund(&paid, &[REFUND_FEE]).await.ok();

    assert_fields(&market.fee().await, &json!({ "amount_refunded": 101, "refunded": true }));
    let types = market.api().event_types().await;
    assert_eq!(types, ["application_fee.created", "application_fee.refunded"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn refund_with_flag_without_fee_is_rejected_and_changes_nothing() {
    let market = Marketplace::start().await;
    let paid = market.seller.pay("pm_card_visa", &[]).await.ok();

    let error = market.refund(&paid, &[REFUND_FEE]).await.error(400);

    assert!(error["message"].as_str().unwrap().contains("it has no application fee"), "{error}");
    assert_eq!(market.seller.read_intent(&paid).await["latest_charge"]["amount_refunded"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn platform_can_refund_a_part_of_the_fee() {
    let market = Marketplace::start().await;
    market.pay_with_fee("100").await;

    let refund = market.refund_fee(&[("amount", "30")]).await.ok();

    assert_fields(&refund, &json!({ "object": "fee_refund", "amount": 30 }));
    assert_eq!(market.fee().await["amount_refunded"], 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn fee_refund_can_be_read_and_updated() {
    let market = Marketplace::start().await;
    market.pay_with_fee("100").await;
    let refund = market.refund_fee(&[("amount", "30"), ("metadata[why]", "kind")]).await.ok();
    let path = format!("/v1/application_fees/{}/refunds/{}", id(&market.fee().await), id(&refund));

    assert_eq!(market.api().get(&path, &[]).await.ok(), refund);
    assert_eq!(market.api().post(&path, &[("metadata[why]", "")]).await.ok()["metadata"], json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn fee_refund_with_invalid_amount_is_rejected() {
    let market = Marketplace::start().await;
    market.pay_with_fee("100").await;
    market.refund_fee(&[("amount", "30")]).await.ok();
    for amount in ["71", "0", "-1", "x"] {
        let error = market.refund_fee(&[("amount", amount)]).await.error(400);

        assert_eq!(error["param"], "amount");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fee_refund_without_amount_refunds_the_rest() {
    let market = Marketplace::start().await;
    market.pay_with_fee("100").await;
    market.refund_fee(&[("amount", "30")]).await.ok();

    market.refund_fee(&[]).await.ok();

    let fee = market.fee().await;
    assert_fields(&fee, &json!({ "amount_refunded": 100, "refunded": true }));
    assert_eq!((market.api().balance().await, market.seller.balance().await), (0, 1_000 - 59));
    let refunds = format!("/v1/application_fees/{}/refunds", id(&fee));
    assert_eq!(market.api().get(&refunds, &[("limit", "1")]).await.ok()["has_more"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn refunded_fee_cannot_be_refunded_again() {
    let market = Marketplace::start().await;
    market.pay_with_fee("100").await;
    market.refund_fee(&[]).await.ok();

    market.refund_fee(&[]).await.error(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_fee_or_fee_refund_is_not_found() {
    let market = Marketplace::start().await;
    market.pay_with_fee("100").await;
    let refund_path = format!("/v1/application_fees/{}/refunds/fr_x", id(&market.fee().await));
    for path in ["/v1/application_fees/fee_x", &refund_path] {
        assert_eq!(market.api().get(path, &[]).await.error(404)["code"], "resource_missing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fee_list_can_be_filtered_by_charge() {
    let market = Marketplace::start().await;
    let paid = market.pay_with_fee("100").await;
    for (charge, count) in [(id(&paid["latest_charge"]), 1), ("ch_x", 0)] {
        let list = market.api().get("/v1/application_fees", &[("charge", charge)]).await.ok();

        assert_eq!(list["data"].as_array().unwrap().len(), count, "{charge}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fee_outside_the_amount_is_rejected() {
    let market = Marketplace::start().await;
    for fee in ["1001", "-1"] {
        let error = market.seller.create_intent(&[("application_fee_amount", fee)]).await.error(400);

        assert_eq!(error["param"], "application_fee_amount");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fee_on_platform_payment_is_rejected() {
    let market = Marketplace::start().await;

    let error = market.api().create_intent(&[("application_fee_amount", "1")]).await.error(400);

    assert!(error["message"].as_str().unwrap().starts_with("Can only apply an application_fee_amount"));
}

#[tokio::test(flavor = "multi_thread")]
async fn fee_can_be_the_whole_amount() {
    let market = Marketplace::start().await;

    market.pay_with_fee("1000").await;

    assert_eq!(market.fee().await["amount"], 1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn zero_fee_creates_no_fee_object() {
    let market = Marketplace::start().await;

    market.pay_with_fee("0").await;

    assert!(market.api().list("/v1/application_fees").await.is_empty());
}

/// Authorizes 10.00 with a fee of 5.00. Returns the capture's path.
async fn authorize_with_fee(market: &Marketplace) -> String {
    let params = [("capture_method", "manual"), ("application_fee_amount", "500")];
    let authorized = market.seller.pay("pm_card_visa", &params).await.ok();
    format!("{}/capture", intent_path(&authorized))
}

#[tokio::test(flavor = "multi_thread")]
async fn authorized_payment_creates_no_fee() {
    let market = Marketplace::start().await;

    authorize_with_fee(&market).await;

    assert!(market.api().list("/v1/application_fees").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn capture_below_the_fee_is_rejected() {
    let market = Marketplace::start().await;
    let capture = authorize_with_fee(&market).await;

    let error = market.seller.post(&capture, &[("amount_to_capture", "400")]).await.error(400);

    assert_eq!(error["param"], "application_fee_amount");
}

#[tokio::test(flavor = "multi_thread")]
async fn capture_can_change_the_fee() {
    let market = Marketplace::start().await;
    let capture = authorize_with_fee(&market).await;

    let params = [("amount_to_capture", "400"), ("application_fee_amount", "40")];
    market.seller.post(&capture, &params).await.ok();

    assert_eq!(market.fee().await["amount"], 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn declined_payment_creates_no_fee() {
    let market = Marketplace::start().await;

    let params = [("application_fee_amount", "100")];
    market.seller.pay("pm_card_visa_chargeDeclined", &params).await.error(402);

    assert!(market.api().list("/v1/application_fees").await.is_empty());
}

const VISA: (&str, &str) = ("payment_method", "pm_card_visa");

/// A seller with an open PaymentIntent and an open Checkout Session.
struct OpenPayments {
    market: Marketplace,
    client_secret: String,
    confirm_path: String,
    session_pay_path: String,
}

impl OpenPayments {
    async fn create() -> Self {
        let market = Marketplace::start().await;
        let intent = market.seller.create_intent(&[]).await.ok();
        let session = market.seller.create_session(&[]).await.ok();
        Self {
            market,
            client_secret: intent["client_secret"].as_str().unwrap().to_owned(),
            confirm_path: format!("{}/confirm", intent_path(&intent)),
            session_pay_path: format!("/_sandbox/checkout/sessions/{}/pay", id(&session)),
        }
    }

    async fn update_account(&self, param: (&str, &str)) {
        self.market.api().post("/_sandbox/accounts/acct_1", &[param]).await.ok();
    }

    /// Tries every way to create or confirm a payment, and asserts that it fails with this message.
    async fn assert_rejected(&self, message: &str) {
        let seller = &self.market.seller;
        for response in [
            seller.create_intent(&[]).await,
            seller.post(&self.confirm_path, &[VISA]).await,
            seller
                .publishable()
                .post(&self.confirm_path, &[VISA, ("client_secret", &self.client_secret)])
                .await,
            seller.create_session(&[]).await,
            seller.post(&self.session_pay_path, &[]).await,
        ] {
            let error = response.error(400);
            assert!(error["message"].as_str().unwrap().contains(message), "{error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn account_without_charges_enabled_cannot_charge() {
    let payments = OpenPayments::create().await;

    payments.update_account(("charges_enabled", "false")).await;

    payments.assert_rejected("cannot currently make charges").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn account_without_card_payments_cannot_charge() {
    let payments = OpenPayments::create().await;

    payments.update_account(("capability_status[card_payments]", "inactive")).await;

    payments.assert_rejected("without the `card_payments` capability").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn enabled_again_account_can_charge_open_payments() {
    let payments = OpenPayments::create().await;
    payments.update_account(("charges_enabled", "false")).await;

    payments.update_account(("charges_enabled", "true")).await;

    let seller = &payments.market.seller;
    seller.post(&payments.confirm_path, &[VISA]).await.ok();
    assert_eq!(seller.post(&payments.session_pay_path, &[]).await.ok()["status"], "complete");
}

#[tokio::test(flavor = "multi_thread")]
async fn checkout_session_on_account_collects_fee() {
    let market = Marketplace::start().await;
    let params = [("payment_intent_data[application_fee_amount]", "250")];
    let session = market.seller.create_session(&params).await.ok();

    market.seller.post(&format!("/_sandbox/checkout/sessions/{}/pay", id(&session)), &[]).await.ok();

    assert_eq!(market.fee().await["amount"], 250);
    assert!(market.seller.event_types().await.contains(&"checkout.session.completed".to_owned()));
    market.api().get(&format!("/v1/checkout/sessions/{}", id(&session)), &[]).await.error(404);
}
