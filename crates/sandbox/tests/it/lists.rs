use serde_json::Value;

use crate::support::{Api, TestSandbox, config};

fn ids(list: &Value) -> Vec<String> {
    list["data"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

async fn page(api: &Api, params: &[(&str, &str)]) -> (Vec<String>, bool) {
    let list = api.get("/v1/payment_intents", params).await.ok();
    assert_eq!((&list["object"], &list["url"]), (&"list".into(), &"/v1/payment_intents".into()));
    (ids(&list), list["has_more"].as_bool().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_go_forth_and_back() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.insert(0, api.create_intent(&[]).await.ok()["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(page(api, &[]).await, (made.clone(), false));
    assert_eq!(page(api, &[("limit", "2")]).await, (made[..2].to_vec(), true));
    assert_eq!(page(api, &[("limit", "2"), ("starting_after", &made[1])]).await, (made[2..4].to_vec(), true));
    assert_eq!(page(api, &[("limit", "2"), ("starting_after", &made[3])]).await, (made[4..].to_vec(), false));
    assert_eq!(page(api, &[("limit", "2"), ("ending_before", &made[4])]).await, (made[2..4].to_vec(), true));
    assert_eq!(page(api, &[("limit", "5"), ("ending_before", &made[2])]).await, (made[..2].to_vec(), false));
    assert_eq!(page(api, &[("starting_after", &made[4])]).await, (vec![], false));
    for (bad, code) in [
        (("limit", "0"), "parameter_invalid_integer"),
        (("limit", "101"), "parameter_invalid_integer"),
        (("starting_after", "pi_x"), "resource_missing"),
        (("created[foo]", "1"), "parameter_unknown"),
        (("created", "x"), "parameter_invalid_integer"),
        (("colour", "red"), "parameter_unknown"),
    ] {
        assert_eq!(api.get("/v1/payment_intents", &[bad]).await.error(400)["code"], code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_filter_by_time_and_customer_and_expand() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let customer = api.post("/v1/customers", &[]).await.ok();
    let customer = customer["id"].as_str().unwrap();
    let old = api.pay("pm_card_visa", &[("customer", customer)]).await.ok();
    api.post("/_sandbox/clock", &[("advance_seconds", "100")]).await.ok();
    let new = api.create_intent(&[]).await.ok();
    let at = |intent: &Value, offset: i64| (intent["created"].as_i64().unwrap() + offset).to_string();
    let only_old = vec![old["id"].as_str().unwrap().to_owned()];
    let only_new = vec![new["id"].as_str().unwrap().to_owned()];
    assert_eq!(page(api, &[("created[gt]", &at(&old, 0))]).await.0, only_new);
    assert_eq!(page(api, &[("created[gte]", &at(&new, 0))]).await.0, only_new);
    assert_eq!(page(api, &[("created[lt]", &at(&new, 0)), ("created[gte]", "0")]).await.0, only_old);
    assert_eq!(page(api, &[("created[lte]", &at(&old, 0))]).await.0, only_old);
    assert_eq!(page(api, &[("created", &at(&old, 0))]).await.0, only_old);
    let list = api
        .get("/v1/payment_intents", &[("customer", customer), ("expand[]", "data.latest_charge")])
        .await
        .ok();
    assert_eq!(ids(&list), only_old);
    assert_eq!(list["data"][0]["latest_charge"]["object"], "charge");
}
