use std::collections::HashMap;

use reqwest::Url;
use serde_json::{Value, json};

use crate::support::{Api, Receiver, Response, TestSandbox, assert_fields, config, id, intent_path};

const REDIRECT_URI: &str = "https://shop.example/connected?from=stripe";
/// A state with characters that must be escaped in a query, a form, or HTML.
const STATE: &str = "a+b/c= &d\"<é>%20";
const GRANT: (&str, &str) = ("grant_type", "authorization_code");

type Query = Vec<(&'static str, String)>;

/// Returns the parameters of a valid authorization request.
fn authorize_params(scope: &str) -> Query {
    [
        ("response_type", "code"),
        ("client_id", "ca_Test1"),
        ("scope", scope),
        ("state", STATE),
        ("redirect_uri", REDIRECT_URI),
        ("stripe_user[email]", "ada@example.com"),
        ("stripe_user[business_name]", "Ada \"&\" Co"),
        ("stripe_user[country]", "GB"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec()
}

/// Returns the parameters of an authorization request with one value replaced, or removed if it's empty.
fn with_param(name: &'static str, value: &str) -> Query {
    let mut query = authorize_params("read_write");
    query.retain(|(other, _)| *other != name);
    if !value.is_empty() {
        query.push((name, value.to_owned()));
    }
    query
}

/// Opens the authorization page. Returns the status, the redirect's URL, and the page.
async fn authorize(api: &Api, query: &Query) -> (u16, Option<Url>, String) {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    let response = api.http.get(format!("{}/oauth/authorize?{query}", api.base)).send().await.unwrap();
    let location = response.headers().get("location");
    let location = location.map(|value| Url::parse(value.to_str().unwrap()).unwrap());
    (response.status().as_u16(), location, response.text().await.unwrap())
}

/// Returns the hidden fields of the page's form.
fn hidden_fields(page: &str) -> Vec<(String, String)> {
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

/// Submits the page's form like a browser. Returns the redirect's URL.
async fn submit(api: &Api, page: &str, fields: &[(&str, &str)]) -> Url {
    let mut pairs = hidden_fields(page);
    pairs.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let request = api.http.post(format!("{}/oauth/authorize", api.base));
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 303);
    Url::parse(response.headers()["location"].to_str().unwrap()).unwrap()
}

fn query_of(url: &Url) -> HashMap<String, String> {
    url.query_pairs().into_owned().collect()
}

/// Connects an account on the authorization page. Returns the code.
pub(crate) async fn authorize_code(api: &Api, scope: &str, fields: &[(&str, &str)]) -> String {
    let (status, _, page) = authorize(api, &authorize_params(scope)).await;
    assert_eq!(status, 200);
    let mut all = vec![("decision", "connect")];
    all.extend_from_slice(fields);
    let redirect = submit(api, &page, &all).await;
    assert!(redirect.as_str().starts_with(REDIRECT_URI));
    let mut query = query_of(&redirect);
    assert_eq!(query["state"], STATE);
    assert_eq!(query["scope"], scope);
    query.remove("code").unwrap()
}

pub(crate) async fn exchange(api: &Api, code: &str) -> Response {
    api.post("/oauth/token", &[GRANT, ("code", code)]).await
}

/// Connects an account, and exchanges the code. Returns the token response.
async fn connect(api: &Api, fields: &[(&str, &str)]) -> Value {
    exchange(api, &authorize_code(api, "read_write", fields).await).await.ok()
}

fn account_id(token: &Value) -> &str {
    token["stripe_user_id"].as_str().unwrap()
}

/// Returns a client that uses a key of a token response.
fn with_key(api: &Api, token: &Value, name: &str) -> Api {
    api.with("authorization", format!("Bearer {}", token[name].as_str().unwrap()))
}

#[track_caller]
fn oauth_error(response: &Response, status: u16) -> Value {
    assert_eq!(response.status, status, "{}", response.text);
    assert!(response.body["error_description"].is_string(), "{}", response.text);
    response.body["error"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn authorization_page_shows_prefilled_details() {
    let sandbox = TestSandbox::start(config());

    let (_, _, page) = authorize(&sandbox.api, &authorize_params("read_write")).await;

    for part in ["ada@example.com", "Ada &quot;&amp;&quot; Co", "value=\"GB\"", "ca_Test1"] {
        assert!(page.contains(part), "{part} is missing in {page}");
    }
}

const NEW_ACCOUNT: [(&str, &str); 4] =
    [("account", "new"), ("business_name", "Ada"), ("email", "ada@example.com"), ("country", "gb")];

#[tokio::test(flavor = "multi_thread")]
async fn account_is_created_when_code_is_exchanged() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let code = authorize_code(api, "read_write", &NEW_ACCOUNT).await;
    assert!(api.list("/v1/accounts").await.is_empty());

    let token = exchange(api, &code).await.ok();

    assert_fields(
        &api.single("/v1/accounts").await,
        &json!({
            "id": account_id(&token),
            "type": "standard",
            "country": "GB",
            "charges_enabled": true,
            "email": "ada@example.com",
            "controller": { "type": "account" },
        }),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn token_response_contains_keys() {
    let sandbox = TestSandbox::start(config());

    let token = connect(&sandbox.api, &NEW_ACCOUNT).await;

    assert_fields(&token, &json!({ "livemode": false, "scope": "read_write", "token_type": "bearer" }));
    for (name, prefix) in
        [("access_token", "sk_"), ("refresh_token", "rt_"), ("stripe_publishable_key", "pk_")]
    {
        assert!(token[name].as_str().unwrap().starts_with(prefix), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exchanged_code_sends_authorized_event() {
    let sandbox = TestSandbox::start(config());
    let mut receiver = Receiver::start(0);
    sandbox.handle.register_connect_webhook_endpoint(&receiver.url, "whsec_x").unwrap();

    let token = connect(&sandbox.api, &NEW_ACCOUNT).await;

    assert_fields(
        &receiver.next().await.body,
        &json!({
            "type": "account.application.authorized",
            "account": account_id(&token),
            "data": { "object": { "id": "ca_Test1" } },
        }),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn access_token_acts_for_its_account() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let token = connect(api, &[]).await;
    let seller = with_key(api, &token, "access_token");

    let intent = seller.create_intent(&[]).await.ok();

    assert_eq!(seller.get("/v1/account", &[]).await.ok()["id"], token["stripe_user_id"]);
    api.get(&intent_path(&intent), &[]).await.error(404);
    api.with("stripe-account", account_id(&token)).get(&intent_path(&intent), &[]).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn access_token_cannot_act_for_other_account() {
    let sandbox = TestSandbox::start(config());
    sandbox.api.create_account(&[("id", "acct_1")]).await;
    let token = connect(&sandbox.api, &[]).await;

    let seller = with_key(&sandbox.api, &token, "access_token").with("stripe-account", "acct_1");

    assert_eq!(seller.get("/v1/events", &[]).await.error(403)["code"], "account_invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn publishable_key_of_token_reads_with_client_secret_only() {
    let sandbox = TestSandbox::start(config());
    let token = connect(&sandbox.api, &[]).await;
    let intent = with_key(&sandbox.api, &token, "access_token").create_intent(&[]).await.ok();
    let browser = with_key(&sandbox.api, &token, "stripe_publishable_key");

    let client_secret = [("client_secret", intent["client_secret"].as_str().unwrap())];
    browser.get(&intent_path(&intent), &client_secret).await.ok();
    assert_eq!(browser.get("/v1/account", &[]).await.error(401)["code"], "secret_key_required");
}

#[tokio::test(flavor = "multi_thread")]
async fn code_used_twice_revokes_its_keys_but_keeps_the_account_connected() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let code = authorize_code(api, "read_write", &[]).await;
    let token = exchange(api, &code).await.ok();
    let intent = with_key(api, &token, "access_token").create_intent(&[]).await.ok();
    let client_secret = [("client_secret", intent["client_secret"].as_str().unwrap())];

    let repeated = exchange(api, &code).await;

    let message = "already been used. All tokens issued with this code have been revoked.";
    assert!(repeated.text.contains(message), "{}", repeated.text);
    assert_eq!(oauth_error(&repeated, 400), "invalid_grant");
    for name in ["access_token", "stripe_publishable_key"] {
        let response = with_key(api, &token, name).get(&intent_path(&intent), &client_secret).await;
        assert_eq!(response.error(401)["code"], "api_key_expired");
    }
    api.with("stripe-account", account_id(&token)).get(&intent_path(&intent), &[]).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn denied_access_redirects_with_error() {
    let sandbox = TestSandbox::start(config());
    sandbox.api.create_account(&[("id", "acct_mine"), ("connected_by", "nobody")]).await;
    let (_, _, page) = authorize(&sandbox.api, &authorize_params("read_write")).await;

    let redirect = submit(&sandbox.api, &page, &[("decision", "deny"), ("account", "acct_mine")]).await;

    let query = query_of(&redirect);
    assert_eq!((query["error"].as_str(), query["state"].as_str()), ("access_denied", STATE));
    assert!(!query.contains_key("code") && query.contains_key("error_description"));
}

#[tokio::test(flavor = "multi_thread")]
async fn authorization_page_lists_only_unconnected_accounts() {
    let sandbox = TestSandbox::start(config());
    sandbox.api.create_account(&[("id", "acct_mine"), ("connected_by", "nobody")]).await;
    sandbox.api.create_account(&[("id", "acct_controlled")]).await;

    let (_, _, page) = authorize(&sandbox.api, &authorize_params("read_write")).await;

    assert!(page.contains("acct_mine") && !page.contains("acct_controlled"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn owner_connects_an_existing_account() {
    let sandbox = TestSandbox::start(config());
    sandbox.api.create_account(&[("id", "acct_mine"), ("connected_by", "nobody")]).await;

    let token = connect(&sandbox.api, &[("account", "acct_mine")]).await;

    assert_eq!(account_id(&token), "acct_mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn account_controlled_by_platform_cannot_be_connected() {
    let sandbox = TestSandbox::start(config());
    sandbox.api.create_account(&[("id", "acct_controlled")]).await;

    let params = [
        ("decision", "connect"),
        ("account", "acct_controlled"),
        ("client_id", "ca_Test1"),
        ("redirect_uri", REDIRECT_URI),
    ];
    let response = sandbox.api.post("/oauth/authorize", &params).await;

    assert_eq!(response.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn onboarding_outcome_of_new_account_can_be_selected() {
    let sandbox = TestSandbox::start(config());
    for (outcome, charges_enabled, details_submitted) in [
        ("complete", true, true),
        ("pending", false, true),
        ("incomplete", false, true),
        ("leave", false, false),
    ] {
        let token = connect(&sandbox.api, &[("account", "new"), ("outcome", outcome)]).await;

        let account = sandbox.api.get(&format!("/v1/accounts/{}", account_id(&token)), &[]).await.ok();
        assert_fields(
            &account,
            &json!({
                "charges_enabled": charges_enabled,
                "details_submitted": details_submitted,
                "settings": { "dashboard": { "display_name": null } },
            }),
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_code_creates_no_account() {
    let sandbox = TestSandbox::start(config());
    let code = authorize_code(&sandbox.api, "read_write", &[]).await;
    sandbox.api.advance(300).await;

    let response = exchange(&sandbox.api, &code).await;

    assert_eq!(oauth_error(&response, 400), "invalid_grant");
    assert!(!response.text.contains(&code), "errors must not contain the code");
    assert!(sandbox.api.list("/v1/accounts").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_token_request_is_rejected() {
    let sandbox = TestSandbox::start(config());
    for (params, error) in [
        (&[GRANT, ("code", "ac_unknown")][..], "invalid_grant"),
        (&[GRANT], "invalid_request"),
        (&[GRANT, ("code", "")], "invalid_request"),
        (&[("code", "ac_x")], "invalid_request"),
        (&[("grant_type", "password"), ("code", "ac_x")], "unsupported_grant_type"),
        (&[("grant_type", "refresh_token"), ("refresh_token", "rt_x")], "unsupported_grant_type"),
    ] {
        let response = sandbox.api.post("/oauth/token", params).await;

        assert_eq!(oauth_error(&response, 400), error, "{params:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn token_request_requires_a_secret_test_key() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let code = authorize_code(api, "read_write", &[]).await;
    let params = [GRANT, ("code", code.as_str())];
    let without_key = api.without("authorization");

    without_key.post("/oauth/token", &params).await.error(401);
    let live = [params[0], params[1], ("client_secret", "sk_live_x")];
    without_key.post("/oauth/token", &live).await.error(401);
    api.publishable().post("/oauth/token", &params).await.error(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn token_request_accepts_the_key_as_client_secret() {
    let sandbox = TestSandbox::start(config());
    let code = authorize_code(&sandbox.api, "read_write", &[]).await;

    let params = [GRANT, ("code", code.as_str()), ("client_secret", "sk_test_platform")];

    sandbox.api.without("authorization").post("/oauth/token", &params).await.ok();
}

async fn deauthorize(api: &Api, client_id: &str, account_id: &str) -> Response {
    api.post("/oauth/deauthorize", &[("client_id", client_id), ("stripe_user_id", account_id)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_deauthorization_is_rejected() {
    let sandbox = TestSandbox::start(config());
    let token = connect(&sandbox.api, &[]).await;
    sandbox.api.create_account(&[("id", "acct_controlled")]).await;
    for (client_id, account_id, status, error) in [
        ("ca_Other", account_id(&token), 401, "invalid_client"),
        ("nonsense", account_id(&token), 401, "invalid_client"),
        ("ca_Test1", "acct_unknown", 401, "invalid_client"),
        ("ca_Test1", "acct_controlled", 401, "invalid_client"),
        ("ca_Test1", "", 400, "invalid_request"),
    ] {
        let response = deauthorize(&sandbox.api, client_id, account_id).await;

        assert_eq!(oauth_error(&response, status), error);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deauthorized_account_is_inaccessible() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let token = connect(api, &[]).await;

    let response = deauthorize(api, "ca_Test1", account_id(&token)).await.ok();

    assert_eq!(response, json!({ "stripe_user_id": token["stripe_user_id"] }));
    let seller = api.with("stripe-account", account_id(&token));
    assert_eq!(seller.get("/v1/account", &[]).await.error(403)["code"], "account_invalid");
    let with_token = with_key(api, &token, "access_token");
    assert_eq!(with_token.get("/v1/account", &[]).await.error(401)["code"], "api_key_expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn deauthorization_sends_event() {
    let sandbox = TestSandbox::start(config());
    let token = connect(&sandbox.api, &[]).await;
    let mut receiver = Receiver::start(0);
    sandbox.handle.register_connect_webhook_endpoint(&receiver.url, "whsec_x").unwrap();

    deauthorize(&sandbox.api, "ca_Test1", account_id(&token)).await.ok();

    let expected = json!({ "type": "account.application.deauthorized", "account": account_id(&token) });
    assert_fields(&receiver.next().await.body, &expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn deauthorized_account_cannot_be_deauthorized_again() {
    let sandbox = TestSandbox::start(config());
    let token = connect(&sandbox.api, &[]).await;
    deauthorize(&sandbox.api, "ca_Test1", account_id(&token)).await.ok();

    let response = deauthorize(&sandbox.api, "ca_Test1", account_id(&token)).await;

    assert_eq!(oauth_error(&response, 401), "invalid_client");
}

#[tokio::test(flavor = "multi_thread")]
async fn deauthorized_account_can_be_connected_again() {
    let sandbox = TestSandbox::start(config());
    let token = connect(&sandbox.api, &[]).await;
    deauthorize(&sandbox.api, "ca_Test1", account_id(&token)).await.ok();

    let reconnected = connect(&sandbox.api, &[("account", account_id(&token))]).await;

    assert_eq!(account_id(&reconnected), account_id(&token));
    let seller = sandbox.api.with("stripe-account", account_id(&token));
    assert_eq!(id(&seller.get("/v1/account", &[]).await.ok()), account_id(&token));
}

#[tokio::test(flavor = "multi_thread")]
async fn read_only_scope_cannot_write() {
    let sandbox = TestSandbox::start(config());
    let code = authorize_code(&sandbox.api, "read_only", &[]).await;
    let token = exchange(&sandbox.api, &code).await.ok();
    let seller = sandbox.api.with("stripe-account", account_id(&token));

    seller.get("/v1/payment_intents", &[]).await.ok();
    assert_eq!(seller.create_intent(&[]).await.error(403)["code"], "more_permissions_required");
}

#[tokio::test(flavor = "multi_thread")]
async fn authorization_with_invalid_client_or_redirect_uri_does_not_redirect() {
    let sandbox = TestSandbox::start(config());
    for query in [
        with_param("client_id", "1"),
        with_param("client_id", ""),
        with_param("redirect_uri", ""),
        with_param("redirect_uri", "javascript:alert(1)"),
        with_param("redirect_uri", "/relative"),
    ] {
        let (status, location, _) = authorize(&sandbox.api, &query).await;

        assert_eq!((status, location), (400, None), "{query:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn authorization_with_other_invalid_parameter_redirects_with_error() {
    let sandbox = TestSandbox::start(config());
    for (query, error) in [
        (with_param("response_type", "token"), "unsupported_response_type"),
        (with_param("response_type", ""), "unsupported_response_type"),
        (with_param("scope", "everything"), "invalid_scope"),
    ] {
        let (_, location, _) = authorize(&sandbox.api, &query).await;

        let query = query_of(&location.unwrap());
        assert_eq!((query["error"].as_str(), query["state"].as_str()), (error, STATE));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn authorization_without_state_redirects_without_state() {
    let sandbox = TestSandbox::start(config());
    let (_, _, page) = authorize(&sandbox.api, &with_param("state", "")).await;

    let redirect = submit(&sandbox.api, &page, &[("decision", "deny")]).await;

    assert!(!query_of(&redirect).contains_key("state"));
}
