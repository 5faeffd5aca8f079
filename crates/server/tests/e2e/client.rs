//! An HTTP client for tests. Like a shop's client, it retries requests whose outcome is unknown.

use std::time::Duration;

use quittance_test_support::wait_until;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use serde_json::Value;

/// Longer than the longest lookup wait.
const TIMEOUT: Duration = Duration::from_secs(40);

/// The time to keep an idle connection. Servers keep it longer, so a server never closes a connection during a request.
const IDLE_MAX: Duration = Duration::from_secs(1);

/// A client of one server.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    bearer: Option<String>,
    /// The connected account at Stripe.
    account: Option<String>,
}

/// A request that can be sent repeatedly.
#[derive(Clone)]
pub(crate) struct Call {
    client: Client,
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

/// A response with its complete body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) body: Value,
}

impl Client {
    pub(crate) fn new(base: &str, bearer: Option<&str>) -> Self {
        // The client requires a crypto provider, even for plain HTTP.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]);
        // Tests follow redirects themselves.
        let http = http.timeout(TIMEOUT).pool_idle_timeout(IDLE_MAX).redirect(Policy::none());
        Self {
            http: http.build().expect("a client"),
            base: base.to_owned(),
            bearer: bearer.map(str::to_owned),
            account: None,
        }
    }

    /// Returns a client with another credential.
    pub(crate) fn with(&self, bearer: Option<&str>) -> Self {
        Self { bearer: bearer.map(str::to_owned), ..self.clone() }
    }

    /// Returns a client for a connected account, or for the platform's account.
    pub(crate) fn on(&self, account: Option<&str>) -> Self {
        Self { account: account.map(str::to_owned), ..self.clone() }
    }

    /// Returns the connected account, if any.
    pub(crate) fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// Returns the base URL.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    pub(crate) fn get(&self, path: impl Into<String>) -> Call {
        self.call(Method::GET, path.into())
    }

    pub(crate) fn post(&self, path: impl Into<String>) -> Call {
        self.call(Method::POST, path.into())
    }

    pub(crate) fn patch(&self, path: impl Into<String>) -> Call {
        self.call(Method::PATCH, path.into())
    }

    pub(crate) fn delete(&self, path: impl Into<String>) -> Call {
        self.call(Method::DELETE, path.into())
    }

    /// Returns every object of a Stripe list, newest first.
    pub(crate) async fn list(&self, path: &str) -> Vec<Value> {
        let mut found: Vec<Value> = Vec::new();
        loop {
            let after = found.last().and_then(|last| last["id"].as_str());
            let after = after.map(|id| format!("&starting_after={id}")).unwrap_or_default();
            let separator = if path.contains('?') { '&' } else { '?' };
            let page = self.get(format!("{path}{separator}limit=100{after}")).send().await.expect(200);
            found.extend(page.body["data"].as_array().expect("a list").iter().cloned());
            if page.body["has_more"] != true {
                return found;
            }
        }
    }

    /// Calls the sandbox's control API.
    pub(crate) async fn control(&self, path: &str, form: &str) -> Value {
        self.post(format!("/_sandbox/{path}")).form(form).send().await.expect(200).body
    }

    fn call(&self, method: Method, path: String) -> Call {
        Call { client: self.clone(), method, path, headers: Vec::new(), body: Vec::new() }
    }
}

impl Call {
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn key(self, key: &str) -> Self {
        self.header("Idempotency-Key", key)
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.raw(body.to_string().into_bytes())
    }

    /// Sets a JSON body from bytes.
    pub(crate) fn raw(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self.header(CONTENT_TYPE.as_str(), "application/json")
    }

    /// Sets an encoded form body, as Stripe requires.
    pub(crate) fn form(mut self, body: &str) -> Self {
        self.body = body.as_bytes().to_vec();
        self.header(CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded")
    }

    /// Returns the request's bytes for a raw TCP connection.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        use std::fmt::Write;
        let host = self.client.base.trim_start_matches("http://");
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {host}\r\n", self.method, self.path);
        for (name, value) in self.all_headers() {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let _ = write!(head, "Content-Length: {}\r\n\r\n", self.body.len());
        [head.into_bytes(), self.body.clone()].concat()
    }

    fn all_headers(&self) -> impl Iterator<Item = (&'static str, String)> {
        let bearer =
            self.client.bearer.iter().map(|bearer| (AUTHORIZATION.as_str(), format!("Bearer {bearer}")));
        let account = self.client.account.iter().map(|account| ("stripe-account", account.clone()));
        self.headers.iter().cloned().chain(bearer).chain(account)
    }

    /// Sends the request once. Fails if no response arrives.
    pub(crate) async fn try_send(&self) -> Result<Answer, reqwest::Error> {
        let mut request =
            self.client.http.request(self.method.clone(), format!("{}{}", self.client.base, self.path));
        for (name, value) in self.all_headers() {
            request = request.header(name, HeaderValue::from_str(&value).expect("a header"));
        }
        let response = request.body(self.body.clone()).send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or_default();
        Ok(Answer { status, headers, text, body })
    }

    /// Sends the request once. Panics if no response arrives.
    pub(crate) async fn send(&self) -> Answer {
        self.try_send().await.unwrap_or_else(|error| panic!("{} {}: {error:?}", self.method, self.path))
    }

    /// Sends the request until it gets a final response. Retries through broken connections, through outages, and while
    /// an earlier attempt is in progress.
    pub(crate) async fn send_with_retries(&self) -> Answer {
        let condition = format!("{} {} has a final answer", self.method, self.path);
        // Owned copies keep the future `Send`, so that callers can spawn it.
        let call = self.clone();
        wait_until(&condition, move || {
            let call = call.clone();
            async move {
                match call.try_send().await {
                    Ok(answer) if !answer.is_retryable() => Ok(answer),
                    Ok(answer) => Err(answer.text),
                    Err(error) => Err(format!("{error:?}")),
                }
            }
        })
        .await
    }
}

impl Answer {
    /// Returns whether the client must retry.
    fn is_retryable(&self) -> bool {
        assert_ne!(self.status, 500, "{}", self.text);
        self.status == 503 || self.code() == "idempotency_key_in_use"
    }

    /// Returns the response if it has this status. Panics otherwise.
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// Returns the `code` of a problem. Panics if the problem is malformed.
    pub(crate) fn problem(&self) -> &str {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text);
        for field in ["type", "title", "detail", "request_id"] {
            assert!(self.body[field].is_string(), "no {field}: {}", self.text);
        }
        assert_eq!(self.body["status"], self.status, "{}", self.text);
        self.code()
    }

    fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// Returns a header, or an empty string.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Returns a string field.
    pub(crate) fn text_of(&self, field: &str) -> String {
        self.body[field].as_str().unwrap_or_else(|| panic!("no {field}: {}", self.text)).to_owned()
    }
}
