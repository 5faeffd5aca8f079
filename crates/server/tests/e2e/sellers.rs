//! Sellers: connecting their accounts, and their actions at Stripe.

use quittance_test_support::wait_until;
use reqwest::Url;
use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::environment::{Environment, RETURN_ORIGIN};

/// The platform's fee for each order, in basis points. [`FEE_FIXED`] is added.
pub(crate) const FEE_BASIS_POINTS: i64 = 250;
pub(crate) const FEE_FIXED: i64 = 30;

/// The fee for one unit of the shop's product: 2.5 % of 25.00, which is 0.625, plus 0.30.
pub(crate) const FEE: i64 = 93;

/// The account that charges the shop's customers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChargeRoute {
    /// The platform's account, without a seller.
    Platform,
    /// The seller's account, by direct charges.
    Direct,
    /// The platform's account, by destination charges for a seller.
    Destination,
}

/// A seller and its account at Stripe.
#[derive(Debug, Clone)]
pub(crate) struct Seller {
    pub(crate) id: String,
    pub(crate) account_id: String,
}

/// The parameters with which Stripe redirects an account's owner back.
#[derive(Debug, Clone)]
pub(crate) struct OAuthReturn {
    pub(crate) code: String,
    pub(crate) state: String,
}

impl OAuthReturn {
    /// Returns the callback's body with this binding.
    pub(crate) fn with(&self, binding: &str) -> Value {
        json!({ "code": self.code, "state": self.state, "binding": binding })
    }
}

/// A platform's view of its sellers, and the actions of their owners at Stripe.
#[derive(Clone)]
pub(crate) struct Platform {
    pub(crate) api: Client,
    pub(crate) stripe: Client,
}

impl Platform {
    pub(crate) fn new(env: &Environment<'_>) -> Self {
        Self { api: env.api.clone(), stripe: env.stripe.clone() }
    }

    /// Creates an account at Stripe that is ready to sell, with the changes in the form. Returns the account ID.
    pub(crate) async fn create_account(&self, form: &str) -> String {
        let form = format!("country=DE&default_currency=eur&connected_by=nobody&{form}");
        let account = self.stripe.control("accounts", form.trim_end_matches('&')).await;
        account["id"].as_str().expect("an id").to_owned()
    }

    /// Changes an account, as Stripe or its owner would.
    pub(crate) async fn change_account(&self, seller: &Seller, form: &str) {
        self.stripe.control(&format!("accounts/{}", seller.account_id), form).await;
    }

    /// Revokes the platform's access, as the owner or Stripe would.
    pub(crate) async fn revoke_access(&self, seller: &Seller) {
        self.stripe.control(&format!("accounts/{}/disconnect", seller.account_id), "").await;
    }

    /// Returns a client with a key of the account's owner.
    pub(crate) async fn owner(&self, seller: &Seller) -> Client {
        let made = self.stripe.control(&format!("accounts/{}/keys", seller.account_id), "").await;
        self.stripe.with(Some(made["secret_key"].as_str().expect("a key")))
    }

    /// Starts to connect an account. Returns the URL for its owner.
    pub(crate) async fn authorize(&self, binding: &str) -> String {
        let body = json!({ "binding": binding, "redirect_uri": format!("{RETURN_ORIGIN}/connected") });
        self.api
            .post("/v1/sellers/oauth/authorize")
            .json(&body)
            .send_with_retries()
            .await
            .expect(201)
            .text_of("url")
    }

    /// Approves the connection at the URL, as the account's owner.
    pub(crate) async fn approve(&self, url: &str, account_id: &str) -> OAuthReturn {
        let url = Url::parse(url).expect("a URL");
        let mut form = Url::parse("http://form").expect("a URL");
        let asked = url.query_pairs().filter(|(name, _)| name != "response_type");
        form.query_pairs_mut()
            .extend_pairs(asked)
            .extend_pairs([("decision", "connect"), ("account", account_id)]);
        let page = self.stripe.with(None).post(url.path());
        let answer = page.form(form.query().unwrap_or_default()).send().await.expect(303);
        let back = Url::parse(answer.header("location")).expect("a URL");
        let parameter = |name: &str| {
            let found = back.query_pairs().find(|(known, _)| known == name);
            found.unwrap_or_else(|| panic!("no {name} in {back}")).1.into_owned()
        };
        OAuthReturn { code: parameter("code"), state: parameter("state") }
    }

    /// Passes the redirect's parameters to the service.
    pub(crate) async fn complete_oauth(&self, body: &Value) -> Answer {
        self.api.post("/v1/sellers/oauth/callback").json(body).send().await
    }

    /// Connects an account, including its owner's approval.
    pub(crate) async fn connect(&self, account_id: &str) -> Seller {
        let url = self.authorize(account_id).await;
        let came_back = self.approve(&url, account_id).await;
        let seller = self.complete_oauth(&came_back.with(account_id)).await.expect(200);
        assert_eq!(seller.text_of("account_id"), account_id);
        Seller { id: seller.text_of("id"), account_id: account_id.to_owned() }
    }

    /// Connects a ready seller with the platform's fee.
    pub(crate) async fn ready_seller(&self, charge_route: ChargeRoute) -> Seller {
        let seller = self.connect(&self.create_account("").await).await;
        let charge_type = if charge_route == ChargeRoute::Destination { "destination" } else { "direct" };
        let terms = json!({
            "charge_type": charge_type, "fee_basis_points": FEE_BASIS_POINTS, "fee_fixed": FEE_FIXED,
        });
        let shown = self.api.patch(path(&seller)).json(&terms).send().await.expect(200);
        assert_eq!(shown.body["ready"], true, "{}", shown.text);
        seller
    }

    /// Returns a seller from the API.
    pub(crate) async fn seller(&self, seller: &Seller) -> Value {
        self.api.get(path(seller)).send_with_retries().await.expect(200).body
    }

    /// Polls a seller until a field has this value. The polling triggers no refresh.
    pub(crate) async fn wait_for_field(&self, seller: &Seller, field: &str, value: &Value) -> Value {
        wait_until(&format!("{field} of {seller:?} is {value}"), async || {
            Some(self.seller(seller).await).filter(|shown| shown[field] == *value)
        })
        .await
    }

    /// Disconnects a seller.
    pub(crate) async fn unlink(&self, seller: &Seller, force: bool) -> Answer {
        self.api.delete(format!("{}?force={force}", path(seller))).send_with_retries().await
    }
}

/// Returns the API path of a seller.
pub(crate) fn path(seller: &Seller) -> String {
    format!("/v1/sellers/{}", seller.id)
}
