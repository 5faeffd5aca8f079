//! Payments on the platform with a transfer to a connected account, and their refunds.

use serde_json::{Value, json};

use crate::support::{Api, Response, TestSandbox, assert_fields, config, id, intent_path};

const DESTINATION: (&str, &str) = ("transfer_data[destination]", "acct_1");
const REVERSE_TRANSFER: (&str, &str) = ("reverse_transfer", "true");
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

    /// Pays 10.00 with a destination charge.
    async fn pay(&self, params: &[(&str, &str)]) -> Value {
        let mut all = vec![DESTINATION];
        all.extend_from_slice(params);
        self.api().pay("pm_card_visa", &all).await.ok()
    }

    async fn pay_with_fee(&self, fee: &str) -> Value {
        self.pay(&[("application_fee_amount", fee)]).await
    }

    /// Returns the balances of the platform and the seller.
    async fn balances(&self) -> (i64, i64) {
        (self.api().balance().await, self.seller.balance().await)
    }

    async fn transfer(&self) -> Value {
        self.api().single("/v1/transfers").await
    }

    async fn fee(&self) -> Value {
        self.api().single("/v1/application_fees").await
    }

    /// Reverses the only transfer.
    async fn reverse(&self, params: &[(&str, &str)]) -> Response {
        self.api().post(&format!("/v1/transfers/{}/reversals", id(&self.transfer().await)), params).await
    }

    async fn update_account(&self, param: (&str, &str)) {
        self.api().post("/_sandbox/accounts/acct_1", &[param]).await.ok();
    }

    async fn disconnect(&self) {
        self.api().post("/_sandbox/accounts/acct_1/disconnect", &[]).await.ok();
    }
}

async fn refund(api: &Api, paid: &Value, params: &[(&str, &str)]) -> Response {
    let mut all = vec![("payment_intent", id(paid))];
    all.extend_from_slice(params);
    api.post("/v1/refunds", &all).await
}

#[tokio::test(flavor = "multi_thread")]
async fn destination_charge_transfers_the_amount() {
    let market = Marketplace::start().await;

    let paid = market.pay(&[("on_behalf_of", "acct_1"), ("expand[]", "latest_charge.transfer")]).await;

    let charge = &paid["latest_charge"];
    let group = format!("group_{}", id(&paid));
    assert_fields(
        &market.transfer().await,
        &json!({
            "amount": 1000,
            "destination": "acct_1",
            "source_transaction": charge["id"],
            "transfer_group": group,
        }),
    );
    assert_fields(
        charge,
        &json!({ "transfer": { "id": market.transfer().await["id"] }, "transfer_group": group }),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn destination_charge_creates_fee_on_destination_payment() {
    let market = Marketplace::start().await;
    let expand = ("expand[]", "latest_charge.transfer.destination_payment");

    let paid = market.pay(&[("application_fee_amount", "123"), expand]).await;

    let charge = &paid["latest_charge"];
    let payment = &charge["transfer"]["destination_payment"];
    let fee = market.fee().await;
    assert_fields(
        &fee,
        &json!({ "charge": payment["id"], "account": "acct_1", "originating_transaction": charge["id"] }),
    );
    assert_eq!((&charge["application_fee"], &payment["application_fee"]), (&fee["id"], &fee["id"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn seller_sees_only_its_destination_payment() {
    let market = Marketplace::start().await;

    let paid = market.pay(&[("expand[]", "latest_charge.transfer.destination_payment")]).await;

    let transfer = &paid["latest_charge"]["transfer"];
    let payment = &transfer["destination_payment"];
    assert_fields(payment, &json!({ "object": "charge", "source_transfer": transfer["id"] }));
    assert_eq!(market.seller.single("/v1/charges").await, *payment);
    assert!(market.seller.list("/v1/transfers").await.is_empty());
    market.api().get(&format!("/v1/charges/{}", id(payment)), &[]).await.error(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn destination_charge_splits_amount_between_balances() {
    let market = Marketplace::start().await;

    market.pay_with_fee("123").await;

    // The platform pays Stripe's fee of 0.59.
    assert_eq!(market.balances().await, (1_000 - 59 - 1_000 + 123, 1_000 - 123));
}

#[tokio::test(flavor = "multi_thread")]
async fn destination_charge_sends_events_only_to_platform() {
    let market = Marketplace::start().await;

    market.pay_with_fee("123").await;

    let types = market.api().event_types().await;
    for expected in ["transfer.created", "application_fee.created"] {
        assert!(types.contains(&expected.to_owned()), "{types:?}");
    }
    assert!(market.seller.event_types().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn destination_charge_can_transfer_a_part() {
    let market = Marketplace::start().await;

    market.pay(&[("transfer_data[amount]", "600"), ("transfer_group", "order_7")]).await;

    assert_fields(&market.transfer().await, &json!({ "amount": 600, "transfer_group": "order_7" }));
    assert_eq!(market.balances().await, (1_000 - 59 - 600, 600));
    assert!(market.api().list("/v1/application_fees").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn transfer_metadata_and_description_can_be_updated() {
    let market = Marketplace::start().await;
    market.pay(&[]).await;

    let path = format!("/v1/transfers/{}", id(&market.transfer().await));
    let updated = market.api().post(&path, &[("metadata[a]", "b"), ("description", "Mugs")]).await.ok();

    assert_fields(&updated, &json!({ "metadata": { "a": "b" }, "description": "Mugs" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn transfer_list_can_be_filtered() {
    let market = Marketplace::start().await;
    market.pay(&[("transfer_group", "order_7")]).await;
    for (filter, count) in [
        (("transfer_group", "order_7"), 1),
        (("transfer_group", "order_8"), 0),
        (("destination", "acct_1"), 1),
        (("destination", "acct_2"), 0),
    ] {
        let list = market.api().get("/v1/transfers", &[filter]).await.ok();

        assert_eq!(list["data"].as_array().unwrap().len(), count, "{filter:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn authorized_destination_charge_transfers_on_capture() {
    let market = Marketplace::start().await;
    let authorized = market.pay(&[("capture_method", "manual")]).await;
    assert!(market.api().list("/v1/transfers").await.is_empty());

    let params = [("amount_to_capture", "700"), ("application_fee_amount", "70")];
    market.api().post(&format!("{}/capture", intent_path(&authorized)), &params).await.ok();

    assert_eq!(market.transfer().await["amount"], 700);
    assert_eq!(market.fee().await["amount"], 70);
}

#[tokio::test(flavor = "multi_thread")]
async fn debit_with_destination_transfers_after_settlement() {
    let market = Marketplace::start().await;
    let params = [DESTINATION, ("allowed_payment_method_types[]", "sepa_debit")];

    let debit = market.api().pay("pm_sepaDebit_success_de", &params).await.ok();
    market.api().wait_until(&intent_path(&debit), |intent| intent["status"] == "succeeded").await;

    assert_eq!(market.transfer().await["amount"], 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn refund_without_flags_keeps_transfer() {
    let market = Marketplace::start().await;
    let paid = market.pay_with_fee("101").await;

    let refunded = refund(market.api(), &paid, &[("amount", "100")]).await.ok();

    assert_eq!(refunded["transfer_reversal"], Value::Null);
    assert_eq!(market.transfer().await["amount_reversed"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn partial_refund_with_flags_reverses_transfer_and_fee_proportionally() {
    let market = Marketplace::start().await;
    let paid = market.pay_with_fee("101").await;

    let params = [REVERSE_TRANSFER, REFUND_FEE, ("amount", "500")];
    let refunded = refund(market.api(), &paid, &params).await.ok();

    let transfer = market.transfer().await;
    assert_eq!(transfer["amount_reversed"], 500);
    assert_fields(
        &transfer["reversals"]["data"][0],
        &json!({ "id": refunded["transfer_reversal"], "source_refund": refunded["id"], "amount": 500 }),
    );
    assert_eq!(market.fee().await["amount_refunded"], 51);
    assert_eq!(market.seller.balance().await, 1_000 - 101 - 500 + 51);
}

#[tokio::test(flavor = "multi_thread")]
async fn transfer_reversal_refunds_destination_payment() {
    let market = Marketplace::start().await;
    let paid = market.pay(&[]).await;

    refund(market.api(), &paid, &[REVERSE_TRANSFER, ("amount", "500")]).await.ok();

    let payment = market.seller.single("/v1/charges").await;
    assert_fields(&payment, &json!({ "amount_refunded": 500, "refunded": false }));
    assert_eq!(market.seller.event_types().await, ["charge.refunded"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn refund_with_flags_sends_reversal_and_fee_events() {
    let market = Marketplace::start().await;
    let paid = market.pay_with_fee("101").await;

    refund(market.api(), &paid, &[REVERSE_TRANSFER, REFUND_FEE]).await.ok();

    let types = market.api().event_types().await;
    for expected in ["transfer.reversed", "application_fee.refunded"] {
        assert!(types.contains(&expected.to_owned()), "{types:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn full_refund_with_flags_reverses_everything() {
    let market = Marketplace::start().await;
    let paid = market.pay_with_fee("101").await;
    let (platform, seller) = market.balances().await;

    refund(market.api(), &paid, &[REVERSE_TRANSFER, REFUND_FEE]).await.ok();

    assert_fields(&market.transfer().await, &json!({ "reversed": true, "amount_reversed": 1000 }));
    assert_eq!(market.balances().await, (platform - 101, seller - 1_000 + 101));
}

#[tokio::test(flavor = "multi_thread")]
async fn refund_with_flags_without_transfer_or_fee_is_rejected() {
    let market = Marketplace::start().await;
    let paid = market.api().pay("pm_card_visa", &[]).await.ok();
    for (param, message) in [
        (REVERSE_TRANSFER, "does not have an associated transfer"),
        (REFUND_FEE, "it has no application fee"),
    ] {
        let error = refund(market.api(), &paid, &[param]).await.error(400);

        assert!(error["message"].as_str().unwrap().contains(message), "{error}");
        assert_eq!(error["param"], param.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn transfer_can_be_reversed_without_refund() {
    let market = Marketplace::start().await;
    market.pay_with_fee("100").await;

    let reversal = market.reverse(&[("amount", "300"), ("metadata[a]", "b")]).await.ok();

    assert_fields(
        &reversal,
        &json!({ "object": "transfer_reversal", "transfer": market.transfer().await["id"] }),
    );
    assert_eq!(market.fee().await["amount_refunded"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn transfer_reversal_can_be_read_and_updated() {
    let market = Marketplace::start().await;
    market.pay(&[]).await;
    let reversal = market.reverse(&[("amount", "300"), ("metadata[a]", "b")]).await.ok();
    let path = format!("/v1/transfers/{}/reversals/{}", id(&market.transfer().await), id(&reversal));

    assert_eq!(market.api().get(&path, &[]).await.ok(), reversal);
    assert_eq!(market.api().post(&path, &[("metadata", "")]).await.ok()["metadata"], json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn transfer_reversal_with_invalid_amount_is_rejected() {
    let market = Marketplace::start().await;
    market.pay(&[]).await;
    market.reverse(&[("amount", "300")]).await.ok();
    for amount in ["701", "0", "x"] {
        let error = market.reverse(&[("amount", amount)]).await.error(400);

        assert_eq!(error["param"], "amount");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn transfer_reversal_can_refund_fee_of_the_rest() {
    let market = Marketplace::start().await;
    market.pay_with_fee("100").await;
    market.reverse(&[("amount", "300")]).await.ok();

    market.reverse(&[REFUND_FEE]).await.ok();

    assert_eq!(market.fee().await["amount_refunded"], 70);
    assert_eq!(market.seller.balance().await, 1_000 - 100 - 1_000 + 70);
}

#[tokio::test(flavor = "multi_thread")]
async fn fully_reversed_transfer_cannot_be_reversed_again() {
    let market = Marketplace::start().await;
    market.pay(&[]).await;
    market.reverse(&[]).await.ok();

    market.reverse(&[]).await.error(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn transfer_reversal_without_fee_cannot_refund_fee() {
    let market = Marketplace::start().await;
    market.pay(&[]).await;

    let error = market.reverse(&[REFUND_FEE]).await.error(400);

    assert_eq!(error["param"], "refund_application_fee");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_transfer_or_reversal_is_not_found() {
    let market = Marketplace::start().await;
    market.pay(&[]).await;
    let path = format!("/v1/transfers/{}/reversals/trr_x", id(&market.transfer().await));

    assert_eq!(market.api().get(&path, &[]).await.error(404)["code"], "resource_missing");
    assert_eq!(market.api().get("/v1/transfers/tr_x", &[]).await.error(404)["code"], "resource_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn refund_reverses_only_the_remaining_transfer_and_fee() {
    let market = Marketplace::start().await;
    let paid = market.pay_with_fee("100").await;
    market.reverse(&[("amount", "800")]).await.ok();
    let fee_refunds = format!("/v1/application_fees/{}/refunds", id(&market.fee().await));
    market.api().post(&fee_refunds, &[("amount", "70")]).await.ok();

    refund(market.api(), &paid, &[REVERSE_TRANSFER, REFUND_FEE]).await.ok();

    let transfer = market.transfer().await;
    assert_fields(&transfer, &json!({ "amount_reversed": 1000, "reversed": true }));
    assert_eq!(transfer["reversals"]["data"][0]["amount"], 200);
    assert_eq!(market.fee().await["amount_refunded"], 100);
    assert_eq!(market.seller.balance().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn destination_charge_with_invalid_parameter_is_rejected() {
    let market = Marketplace::start().await;
    for (params, param) in [
        (&[("transfer_data[destination]", "acct_none")][..], "transfer_data[destination]"),
        (&[("on_behalf_of", "acct_none")], "on_behalf_of"),
        (&[DESTINATION, ("transfer_data[amount]", "1001")], "transfer_data[amount]"),
        (&[DESTINATION, ("transfer_data[amount]", "0")], "transfer_data[amount]"),
        (
            &[DESTINATION, ("transfer_data[amount]", "1"), ("application_fee_amount", "1")],
            "application_fee_amount",
        ),
        (&[DESTINATION, ("application_fee_amount", "1001")], "application_fee_amount"),
    ] {
        let error = market.api().create_intent(params).await.error(400);

        assert_eq!(error["param"], param, "{params:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn seller_cannot_transfer_to_itself() {
    let market = Marketplace::start().await;

    let error = market.seller.create_intent(&[DESTINATION]).await.error(400);

    assert_fields(&error, &json!({ "code": "resource_missing", "param": DESTINATION.0 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn account_without_transfers_capability_receives_no_transfer() {
    let market = Marketplace::start().await;
    let intent = market.api().create_intent(&[DESTINATION]).await.ok();

    market.update_account(("capability_status[transfers]", "inactive")).await;

    let confirm = format!("{}/confirm", intent_path(&intent));
    for response in [
        market.api().create_intent(&[DESTINATION]).await,
        market.api().post(&confirm, &[("payment_method", "pm_card_visa")]).await,
    ] {
        assert_eq!(response.error(400)["code"], "insufficient_capabilities_for_transfer");
    }
    assert!(market.api().list("/v1/transfers").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn charge_on_behalf_of_account_requires_card_payments() {
    let market = Marketplace::start().await;

    market.update_account(("capability_status[card_payments]", "pending")).await;

    let error = market.api().create_intent(&[DESTINATION, ("on_behalf_of", "acct_1")]).await.error(400);
    assert!(error["message"].as_str().unwrap().contains("card_payments"), "{error}");
    market.api().create_intent(&[DESTINATION]).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn disconnected_account_receives_no_transfer() {
    let market = Marketplace::start().await;
    let intent = market.api().create_intent(&[DESTINATION]).await.ok();

    market.disconnect().await;

    let confirm = format!("{}/confirm", intent_path(&intent));
    for response in [
        market.api().create_intent(&[DESTINATION]).await,
        market.api().post(&confirm, &[("payment_method", "pm_card_visa")]).await,
    ] {
        assert_eq!(response.error(400)["code"], "resource_missing");
    }
    assert!(market.api().list("/v1/transfers").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn checkout_session_with_destination_transfers_and_collects_fee() {
    let market = Marketplace::start().await;
    let params = [
        ("payment_intent_data[application_fee_amount]", "100"),
        ("payment_intent_data[transfer_data][destination]", "acct_1"),
        ("payment_intent_data[on_behalf_of]", "acct_1"),
    ];
    let session = market.api().create_session(&params).await.ok();

    market.api().post(&format!("/_sandbox/checkout/sessions/{}/pay", id(&session)), &[]).await.ok();

    assert_eq!(market.transfer().await["amount"], 999);
    assert_eq!(market.fee().await["amount"], 100);
}
