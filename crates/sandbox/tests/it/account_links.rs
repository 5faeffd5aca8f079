use serde_json::Value;

use crate::support::{Api, Running, config};

const URLS: [(&str, &str); 2] = [
    ("refresh_url", "https://shop.example/again?seller=7"),
    ("return_url", "https://shop.example/back?seller=7"),
];

/// An account nobody has onboarded, and a link to its onboarding.
async fn link(api: &Api, kind: &str) -> (String, String) {
    let made = api.post("/v1/accounts", &[("type", kind), ("country", "DE")]).await.ok();
    let id = made["id"].as_str().unwrap().to_owned();
    let mut params = vec![("account", id.as_str()), ("type", "account_onboarding")];
    params.extend(URLS);
    let link = api.post("/v1/account_links", &params).await.ok();
    assert_eq!(link["object"], "account_link");
    assert_eq!(link["expires_at"].as_i64().unwrap() - link["created"].as_i64().unwrap(), 300);
    let url = link["url"].as_str().unwrap().to_owned();
    (id, url)
}

/// Follows a link: status, where it redirects to, and the page.
async fn follow(api: &Api, url: &str) -> (u16, Option<String>, String) {
    let answer = api.http.get(url).send().await.unwrap();
    let location = answer.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
    (answer.status().as_u16(), location, answer.text().await.unwrap())
}

/// The address that the page's form goes to.
fn action(api: &Api, page: &str) -> String {
    let (_, rest) = page.split_once("action=\"").unwrap();
    format!("{}{}", api.base, rest.split_once('"').unwrap().0)
}

/// Presses a button of the page; where it redirects to.
async fn press(api: &Api, url: &str, body: &str) -> String {
    let request = api.http.post(url).header("content-type", "application/x-www-form-urlencoded");
    let answer = request.body(body.to_owned()).send().await.unwrap();
    assert_eq!(answer.status(), 303);
    answer.headers()["location"].to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_goes_through_the_onboarding_in_any_way() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let past_due = Value::from("requirements.past_due");
    let pending = Value::from("requirements.pending_verification");
    for (button, submitted, enabled, reason, capability) in [
        ("complete", true, true, Value::Null, "active"),
        ("pending", true, false, pending, "pending"),
        ("incomplete", true, false, past_due.clone(), "inactive"),
        ("leave", false, false, past_due, "inactive"),
    ] {
        let (id, url) = link(api, "standard").await;
        let (status, _, page) = follow(api, &url).await;
        assert_eq!(status, 200);
        assert!(page.contains("external_account") && page.contains(&id), "it says what is missing");
        assert!(!page.contains("https://"), "no outside resources");
        let back =
            press(api, &action(api, &page), &format!("outcome={button}&business_name=%3Cb%3EAda")).await;
        assert_eq!(back, URLS[1].1);
        let account = api.get(&format!("/v1/accounts/{id}"), &[]).await.ok();
        assert_eq!(account["details_submitted"], submitted, "{button}");
        assert_eq!(
            (&account["charges_enabled"], &account["payouts_enabled"]),
            (&enabled.into(), &enabled.into())
        );
        assert_eq!(account["requirements"]["disabled_reason"], reason, "{button}");
        assert_eq!(account["capabilities"]["card_payments"], capability, "{button}");
        let told = api.with("stripe-account", id.clone()).event_types().await;
        assert_eq!(told.contains(&"account.updated".to_owned()), submitted, "{told:?}");
        if button == "complete" {
            assert_eq!(account["settings"]["dashboard"]["display_name"], "<b>Ada");
            assert_eq!(account["requirements"]["currently_due"], serde_json::json!([]));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_works_once_and_for_five_minutes() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let (id, url) = link(api, "express").await;
    let (_, _, page) = follow(api, &url).await;
    let (status, location, _) = follow(api, &url).await;
    assert_eq!((status, location.as_deref()), (303, Some(URLS[0].1)), "it has been visited");
    // The visit itself goes on, and ends once.
    let form = action(api, &page);
    assert_eq!(press(api, &form, "outcome=leave").await, URLS[1].1);
    assert_eq!(press(api, &form, "outcome=complete").await, URLS[0].1);
    assert_eq!(api.get(&format!("/v1/accounts/{id}"), &[]).await.ok()["details_submitted"], false);

    let (_, url) = link(api, "express").await;
    api.post("/_sandbox/clock", &[("advance_seconds", "300")]).await.ok();
    assert_eq!(follow(api, &url).await.1.as_deref(), Some(URLS[0].1), "it has expired");

    let (id, url) = link(api, "express").await;
    let other = url.replace(&id, "acct_1");
    assert_eq!(follow(api, &other).await.0, 404, "a link is for its account");
    api.post(&format!("/_sandbox/accounts/{id}/disconnect"), &[]).await.ok();
    assert_eq!(follow(api, &url).await.1.as_deref(), Some(URLS[0].1));
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_parameters_are_stripes_errors() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    api.account(&[("id", "acct_1")]).await;
    let good = [URLS[0], URLS[1], ("account", "acct_1"), ("type", "account_onboarding")];
    for (name, value, status, param) in [
        ("account", "acct_none", 400, "account"),
        ("account", "", 400, "account"),
        ("type", "onboarding", 400, "type"),
        ("refresh_url", "shop", 400, "refresh_url"),
        ("return_url", "javascript:alert(1)", 400, "return_url"),
        ("type", "account_update", 400, "type"),
        ("collection_options[fields]", "all", 400, "collection_options[fields]"),
        ("colour", "red", 400, "colour"),
    ] {
        let mut params: Vec<(&str, &str)> =
            good.iter().copied().filter(|(other, _)| *other != name).collect();
        params.push((name, value));
        assert_eq!(api.post("/v1/account_links", &params).await.error(status)["param"], param);
    }
    for missing in ["account", "type", "refresh_url", "return_url"] {
        let params: Vec<(&str, &str)> = good.iter().copied().filter(|(name, _)| *name != missing).collect();
        let error = api.post("/v1/account_links", &params).await.error(400);
        assert_eq!((&error["code"], &error["param"]), (&"parameter_missing".into(), &missing.into()));
    }
    let custom = api.account(&[("type", "custom")]).await;
    let mut params: Vec<(&str, &str)> = URLS.to_vec();
    params.extend([("account", custom["id"].as_str().unwrap()), ("type", "account_update")]);
    params.push(("collection_options[fields]", "eventually_due"));
    api.post("/v1/account_links", &params).await.ok();
    api.account(&[("id", "acct_2"), ("connected_by", "oauth")]).await;
    let foreign = [URLS[0], URLS[1], ("account", "acct_2"), ("type", "account_onboarding")];
    api.post("/v1/account_links", &foreign).await.error(403);
    api.with("stripe-account", "acct_1").post("/v1/account_links", &good).await.error(400);
}
