use serde_json::Value;

use crate::support::{Api, TestSandbox, config, id};

fn ids(list: &Value) -> Vec<String> {
    list["data"].as_array().unwrap().iter().map(|item| id(item).to_owned()).collect()
}

/// Lists PaymentIntents. Returns their IDs, and whether more exist.
async fn page(api: &Api, params: &[(&str, &str)]) -> (Vec<String>, bool) {
    let list = api.get("/v1/payment_intents", params).await.ok();
    assert_eq!((&list["object"], &list["url"]), (&"list".into(), &"/v1/payment_intents".into()));
    (ids(&list), list["has_more"].as_bool().unwrap())
}

/// Creates five PaymentIntents. Returns their IDs, newest first.
async fn create_five(api: &Api) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.insert(0, id(&api.create_intent(&[]).await.ok()).to_owned());
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn list_is_sorted_newest_first() {
    let sandbox = TestSandbox::start(config());
    let ids = create_five(&sandbox.api).await;

    assert_eq!(page(&sandbox.api, &[]).await, (ids, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn list_returns_pages_after_an_object() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let ids = create_five(api).await;
    let limit = ("limit", "2");

    assert_eq!(page(api, &[limit]).await, (ids[..2].to_vec(), true));
    assert_eq!(page(api, &[limit, ("starting_after", &ids[1])]).await, (ids[2..4].to_vec(), true));
    assert_eq!(page(api, &[limit, ("starting_after", &ids[3])]).await, (ids[4..].to_vec(), false));
    assert_eq!(page(api, &[("starting_after", &ids[4])]).await, (vec![], false));
}

#[tokio::test(flavor = "multi_thread")]
async fn list_returns_pages_before_an_object() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let ids = create_five(api).await;

    let middle = page(api, &[("limit", "2"), ("ending_before", &ids[4])]).await;
    assert_eq!(middle, (ids[2..4].to_vec(), true));
    let first = page(api, &[("limit", "5"), ("ending_before", &ids[2])]).await;
    assert_eq!(first, (ids[..2].to_vec(), false));
}

#[tokio::test(flavor = "multi_thread")]
async fn list_with_invalid_parameter_is_rejected() {
    let sandbox = TestSandbox::start(config());
    for (param, code) in [
        (("limit", "0"), "parameter_invalid_integer"),
        (("limit", "101"), "parameter_invalid_integer"),
        (("starting_after", "pi_x"), "resource_missing"),
        (("created[foo]", "1"), "parameter_unknown"),
        (("created", "x"), "parameter_invalid_integer"),
        (("color", "red"), "parameter_unknown"),
    ] {
        let error = sandbox.api.get("/v1/payment_intents", &[param]).await.error(400);

        assert_eq!(error["code"], code, "{param:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn list_can_be_filtered_by_creation_time() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let old = api.create_intent(&[]).await.ok();
    api.advance(100).await;
    let new = api.create_intent(&[]).await.ok();
    let (old_time, new_time) = (old["created"].to_string(), new["created"].to_string());
    for (params, expected) in [
        (&[("created[gt]", old_time.as_str())][..], &new),
        (&[("created[gte]", &new_time)], &new),
        (&[("created[lt]", &new_time), ("created[gte]", "0")], &old),
        (&[("created[lte]", &old_time)], &old),
        (&[("created", &old_time)], &old),
    ] {
        assert_eq!(page(api, params).await.0, [id(expected)], "{params:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn list_can_be_filtered_by_customer_and_expanded() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let customer = api.post("/v1/customers", &[]).await.ok();
    let paid = api.pay("pm_card_visa", &[("customer", id(&customer))]).await.ok();
    api.create_intent(&[]).await.ok();

    let params = [("customer", id(&customer)), ("expand[]", "data.latest_charge")];
    let list = api.get("/v1/payment_intents", &params).await.ok();

    assert_eq!(ids(&list), [id(&paid)]);
    assert_eq!(list["data"][0]["latest_charge"]["object"], "charge");
}
