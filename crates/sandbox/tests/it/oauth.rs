use std::collections::HashMap;

use reqwest::Url;
use serde_json::{Value, json};

use crate::support::{Api, Receiver, Response, TestSandbox, config};

const BACK: &str = "https://shop.example/connected?from=stripe";
/// With everything that has to survive a query and a form.
const STATE: &str = "a+b/c= &d\"<é>%20";

fn question(scope: &str) -> Vec<(&'static str, String)> {
    [
        ("response_type", "code"),
        ("client_id", "ca_Test1"),
        ("scope", scope),
        ("state", STATE),
        ("redirect_uri", BACK),
        ("stripe_user[email]", "ada@example.com"),
        ("stripe_user[business_name]", "Ada \"&\" Co"),
        ("stripe_user[country]", "GB"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec()
}

async fn ask(api: &Api, query: &[(&'static str, String)]) -> (u16, Option<Url>, String) {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    let answer = api.http.get(format!("{}/oauth/authorize?{query}", api.base)).send().await.unwrap();
    let location = answer.headers().get("location").map(|value| Url::parse(value.to_str().unwrap()).unwrap());
    (answer.status().as_u16(), location, answer.text().await.unwrap())
}

/// What the hidden fields of the page hold.
fn hidden(page: &str) -> Vec<(String, String)> {
    let unescape = |text: &str| {
        let text = text.replace("&quot;", "\"").replace("&#39;", "'").replace("&lt;", "<");
        text.replace("&gt;", ">").replace("&amp;", "&")
    };
    let fields = page.split("<input type=\"hidden\" name=\"").skip(1);
    fields
        .map(|field| {
            let (name, rest) = field.split_once("\" value=\"").unwrap();
            (name.to_owned(), unescape(rest.split_once('"').unwrap().0))
        })
        .collect()
}

/// Fills the page in as a browser does; where it redirects to.
async fn decide(api: &Api, page: &str, choices: &[(&str, &str)]) -> Url {
    let mut pairs = hidden(page);
    pairs.extend(choices.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let request = api.http.post(format!("{}/oauth/authorize", api.base));
    let answer = request.header("content-type", "application/x-www-form-urlencoded").body(body).send();
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 303);
    Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap()
}

fn pairs(url: &Url) -> HashMap<String, String> {
    url.query_pairs().into_owned().collect()
}

/// A code for a new account.
pub(crate) async fn code(api: &Api, scope: &str, choices: &[(&str, &str)]) -> String {
    let (status, _, page) = ask(api, &question(scope)).await;
    assert_eq!(status, 200);
    let mut all = vec![("decision", "connect")];
    all.extend_from_slice(choices);
    let location = decide(api, &page, &all).await;
    assert!(location.as_str().starts_with(BACK));
    let mut pairs = pairs(&location);
    assert_eq!(pairs["state"], STATE);
    assert_eq!(pairs["scope"], scope);
    pairs.remove("code").unwrap()
}

pub(crate) async fn exchange(api: &Api, code: &str) -> Response {
    api.post("/oauth/token", &[("grant_type", "authorization_code"), ("code", code)]).await
}

fn oauth_error(answer: &Response, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert!(answer.body["error_description"].is_string(), "{}", answer.text);
    answer.body["error"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_connects_a_new_account() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let mut connect = Receiver::start(0);
    sandbox.handle.register_connect_webhook_endpoint(&connect.url, "whsec_x").unwrap();
    let (_, _, page) = ask(api, &question("read_write")).await;
    assert!(page.contains("ada@example.com") && page.contains("Ada &quot;&amp;&quot; Co"));
    assert!(page.contains("value=\"GB\"") && page.contains("ca_Test1"));
    let new = [("account", "new"), ("business_name", "Ada"), ("email", "ada@example.com"), ("country", "gb")];
    let code = code(api, "read_write", &new).await;
    assert_eq!(
        api.get("/v1/accounts", &[]).await.ok()["data"],
        json!([]),
        "not before the code is exchanged"
    );
    let token = exchange(api, &code).await.ok();
    let id = token["stripe_user_id"].as_str().unwrap();
    let shape = |name: &str| token[name].as_str().unwrap().split_inclusive('_').next().unwrap().to_owned();
    assert_eq!((shape("access_token"), shape("refresh_token")), ("sk_".to_owned(), "rt_".to_owned()));
    assert_eq!(shape("stripe_publishable_key"), "pk_");
    assert_eq!(
        (&token["livemode"], &token["scope"], &token["token_type"]),
        (&false.into(), &"read_write".into(), &"bearer".into())
    );
    let account = api.get(&format!("/v1/accounts/{id}"), &[]).await.ok();
    assert_eq!((&account["type"], &account["country"]), (&"standard".into(), &"GB".into()));
    assert_eq!((&account["charges_enabled"], &account["email"]), (&true.into(), &"ada@example.com".into()));
    assert_eq!(account["controller"], json!({ "type": "account" }));
    let told = connect.next().await.body;
    assert_eq!((&told["type"], &told["account"]), (&"account.application.authorized".into(), &id.into()));
    assert_eq!(told["data"]["object"]["id"], "ca_Test1");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_an_account_act_for_it_alone() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    api.create_account(&[("id", "acct_1")]).await;
    let code = code(api, "read_write", &[]).await;
    let token = exchange(api, &code).await.ok();
    let bearer = |name: &str| format!("Bearer {}", token[name].as_str().unwrap());
    let own = api.with("authorization", bearer("access_token"));
    assert_eq!(own.get("/v1/account", &[]).await.ok()["id"], token["stripe_user_id"]);
    let intent = own.create_intent(&[]).await.ok();
    let path = format!("/v1/payment_intents/{}", intent["id"].as_str().unwrap());
    api.get(&path, &[]).await.error(404);
    api.with("stripe-account", token["stripe_user_id"].as_str().unwrap()).get(&path, &[]).await.ok();
    let error = own.with("stripe-account", "acct_1").get("/v1/events", &[]).await.error(403);
    assert_eq!(error["code"], "account_invalid");
    let browser = api.with("authorization", bearer("stripe_publishable_key"));
    let secret = [("client_secret", intent["client_secret"].as_str().unwrap())];
    browser.get(&path, &secret).await.ok();
    assert_eq!(browser.get("/v1/account", &[]).await.error(401)["code"], "secret_key_required");
    // The code comes a second time: whoever had the first keys loses them.
    let again = exchange(api, &code).await;
    assert!(again.text.contains("already been used. All tokens issued with this code have been revoked."));
    assert_eq!(oauth_error(&again, 400), "invalid_grant");
    for key in [&own, &browser] {
        assert_eq!(key.get(&path, &secret).await.error(401)["code"], "api_key_expired");
    }
    // The account itself stays connected, as at Stripe.
    api.with("stripe-account", token["stripe_user_id"].as_str().unwrap()).get(&path, &[]).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_denies_or_chooses_another_account() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    api.create_account(&[("id", "acct_mine"), ("connected_by", "nobody")]).await;
    api.create_account(&[("id", "acct_controlled")]).await;
    let (_, _, page) = ask(api, &question("read_write")).await;
    assert!(page.contains("acct_mine") && !page.contains("acct_controlled"));
    let denied = pairs(&decide(api, &page, &[("decision", "deny"), ("account", "acct_mine")]).await);
    assert_eq!((denied["error"].as_str(), denied["state"].as_str()), ("access_denied", STATE));
    assert!(!denied.contains_key("code") && denied.contains_key("error_description"));
    let chosen = code(api, "read_write", &[("account", "acct_mine")]).await;
    assert_eq!(exchange(api, &chosen).await.ok()["stripe_user_id"], "acct_mine");
    // Whoever has an account that a platform controls can not give it away.
    let body = format!("decision=connect&account=acct_controlled&client_id=ca_Test1&redirect_uri={BACK}");
    let request = api.http.post(format!("{}/oauth/authorize", api.base));
    let answer = request.header("content-type", "application/x-www-form-urlencoded").body(body).send();
    assert_eq!(answer.await.unwrap().status(), 400);
    for (outcome, enabled, submitted) in [
        ("complete", true, true),
        ("pending", false, true),
        ("incomplete", false, true),
        ("leave", false, false),
    ] {
        let code = code(api, "read_write", &[("account", "new"), ("outcome", outcome)]).await;
        let id = exchange(api, &code).await.ok()["stripe_user_id"].as_str().unwrap().to_owned();
        let account = api.get(&format!("/v1/accounts/{id}"), &[]).await.ok();
        assert_eq!(account["charges_enabled"], enabled, "{outcome}");
        assert_eq!(account["details_submitted"], submitted, "{outcome}");
        assert_eq!(account["settings"]["dashboard"]["display_name"], Value::Null, "nobody has named it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_works_once_and_for_five_minutes() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let code = code(api, "read_write", &[]).await;
    api.post("/_sandbox/clock", &[("advance_seconds", "300")]).await.ok();
    let late = exchange(api, &code).await;
    assert!(!late.text.contains(&code), "no error repeats a code");
    assert_eq!(oauth_error(&late, 400), "invalid_grant");
    let grant = ("grant_type", "authorization_code");
    for (params, error) in [
        (vec![grant, ("code", "ac_unknown")], "invalid_grant"),
        (vec![grant], "invalid_request"),
        (vec![grant, ("code", "")], "invalid_request"),
        (vec![("code", "ac_x")], "invalid_request"),
        (vec![("grant_type", "password"), ("code", "ac_x")], "unsupported_grant_type"),
        (vec![("grant_type", "refresh_token"), ("refresh_token", "rt_x")], "unsupported_grant_type"),
    ] {
        assert_eq!(oauth_error(&api.post("/oauth/token", &params).await, 400), error);
    }
    assert_eq!(api.get("/v1/accounts", &[]).await.ok()["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_platform_shows_its_key() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let code = code(api, "read_write", &[]).await;
    let grant = ("grant_type", "authorization_code");
    let bare = api.without("authorization");
    bare.post("/oauth/token", &[grant, ("code", &code)]).await.error(401);
    bare.post("/oauth/token", &[grant, ("code", &code), ("client_secret", "sk_live_x")]).await.error(401);
    api.publishable().post("/oauth/token", &[grant, ("code", &code)]).await.error(401);
    let by_secret = [grant, ("code", &code), ("client_secret", "sk_test_platform")];
    bare.post("/oauth/token", &by_secret).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_platform_lets_an_account_go() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let code = code(api, "read_write", &[]).await;
    let token = exchange(api, &code).await.ok();
    let id = token["stripe_user_id"].as_str().unwrap();
    api.create_account(&[("id", "acct_controlled")]).await;
    let path = "/oauth/deauthorize";
    for (client_id, user, status, error) in [
        ("ca_Other", id, 401, "invalid_client"),
        ("nonsense", id, 401, "invalid_client"),
        ("ca_Test1", "acct_unknown", 401, "invalid_client"),
        ("ca_Test1", "acct_controlled", 401, "invalid_client"),
        ("ca_Test1", "", 400, "invalid_request"),
    ] {
        let answer = api.post(path, &[("client_id", client_id), ("stripe_user_id", user)]).await;
        assert_eq!(oauth_error(&answer, status), error);
    }
    let params = [("client_id", "ca_Test1"), ("stripe_user_id", id)];
    let mut connect = Receiver::start(0);
    sandbox.handle.register_connect_webhook_endpoint(&connect.url, "whsec_x").unwrap();
    assert_eq!(api.post(path, &params).await.ok(), json!({ "stripe_user_id": id }));
    let told = connect.next().await.body;
    assert_eq!((&told["type"], &told["account"]), (&"account.application.deauthorized".into(), &id.into()));
    assert_eq!(
        api.with("stripe-account", id).get("/v1/account", &[]).await.error(403)["code"],
        "account_invalid"
    );
    let own = api.with("authorization", format!("Bearer {}", token["access_token"].as_str().unwrap()));
    assert_eq!(own.get("/v1/account", &[]).await.error(401)["code"], "api_key_expired");
    assert_eq!(oauth_error(&api.post(path, &params).await, 401), "invalid_client");
    // The owner can let the platform in again.
    let code = self::code(api, "read_write", &[("account", id)]).await;
    assert_eq!(exchange(api, &code).await.ok()["stripe_user_id"], id);
    api.with("stripe-account", id).get("/v1/account", &[]).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn read_only_is_no_permission_to_write() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let code = code(api, "read_only", &[]).await;
    let id = exchange(api, &code).await.ok()["stripe_user_id"].as_str().unwrap().to_owned();
    let seller = api.with("stripe-account", id);
    seller.get("/v1/payment_intents", &[]).await.ok();
    assert_eq!(seller.create_intent(&[]).await.error(403)["code"], "more_permissions_required");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_question_goes_nowhere_it_should_not() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let with = |name: &'static str, value: &str| {
        let mut query = question("read_write");
        query.retain(|(other, _)| *other != name);
        if !value.is_empty() {
            query.push((name, value.to_owned()));
        }
        query
    };
    for query in [
        with("client_id", "1"),
        with("client_id", ""),
        with("redirect_uri", ""),
        with("redirect_uri", "javascript:alert(1)"),
        with("redirect_uri", "/relative"),
    ] {
        let (status, location, _) = ask(api, &query).await;
        assert_eq!((status, location), (400, None));
    }
    for (query, error) in [
        (with("response_type", "token"), "unsupported_response_type"),
        (with("response_type", ""), "unsupported_response_type"),
        (with("scope", "everything"), "invalid_scope"),
    ] {
        let location = ask(api, &query).await.1.unwrap();
        assert_eq!((pairs(&location)["error"].as_str(), pairs(&location)["state"].as_str()), (error, STATE));
    }
    let location = decide(api, &ask(api, &with("state", "")).await.2, &[("decision", "deny")]).await;
    assert!(!pairs(&location).contains_key("state"), "no state, none back");
}
