//! Account Links, by which the owner of an account that the platform made comes to tell Stripe about themselves.

use chrono::{DateTime, Utc};
use quittance_domain::payment::Account;
use quittance_domain::string_enum;
use secrecy::SecretString;
use serde::Deserialize;
use stripe_client_core::StripeRequest;
use stripe_connect::account_link::{
    CreateAccountLink, CreateAccountLinkCollectionOptions, CreateAccountLinkCollectionOptionsFields,
    CreateAccountLinkType,
};

use crate::Stripe;
use crate::error::Error;
use crate::request::{checked_id, post};
use crate::transport::Reply;
use crate::view::{StripeObject, stripe_object};

string_enum! {
    /// How much an owner is asked for.
    #[derive(Default)]
    pub enum Collection {
        /// What is due now.
        #[default]
        CurrentlyDue = "currently_due",
        /// What will be due once the account has taken more money, too.
        EventuallyDue = "eventually_due",
    }
}

/// An Account Link.
#[derive(Debug, Clone)]
pub struct AccountLink {
    /// Where the owner goes, once. Whoever has it may act as the owner: never stored, never logged.
    pub url: SecretString,
    /// When nobody can go there any more.
    pub expires_at: DateTime<Utc>,
    /// Stripe's id of the request.
    pub request_id: Option<String>,
}

impl Stripe {
    /// Makes a new link by which the owner of an account tells Stripe what it asks for. They come back to `return_url`,
    /// done or not; and to `refresh_url` for a new link, if this one is over or was used before. Only for accounts
    /// that the platform made. See <https://docs.stripe.com/api/account_links/create>.
    pub async fn create_account_link(
        &self,
        account_id: &str,
        refresh_url: &str,
        return_url: &str,
        collection: Collection,
    ) -> Result<AccountLink, Error> {
        let mut options = CreateAccountLinkCollectionOptions::new();
        options.fields = Some(match collection {
            Collection::CurrentlyDue => CreateAccountLinkCollectionOptionsFields::CurrentlyDue,
            Collection::EventuallyDue => CreateAccountLinkCollectionOptionsFields::EventuallyDue,
        });
        let kind = CreateAccountLinkType::AccountOnboarding;
        let request = CreateAccountLink::new(checked_id(account_id)?, kind)
            .collection_options(options)
            .refresh_url(refresh_url)
            .return_url(return_url);
        // Whoever asks wants a new one: the key only lets this call be repeated.
        let key = format!("{account_id}:link:{:032x}", rand::random::<u128>());
        let own = Account::own();
        self.transport
            .call(&post("account_links.create", &own, request.build(), &key), View::read_reply)
            .await
    }
}

/// What we look at. See <https://docs.stripe.com/api/account_links/object>.
#[derive(Deserialize)]
struct View {
    object: Option<String>,
    url: Option<String>,
    expires_at: Option<i64>,
}

stripe_object!(View: "account_link", "Account Link");

impl View {
    fn read_reply(reply: &Reply) -> Result<AccountLink, String> {
        let view = Self::read(&reply.body)?;
        let expires_at = view.expires_at.and_then(|second| DateTime::from_timestamp(second, 0));
        Ok(AccountLink {
            url: view.url.map(SecretString::from).ok_or("the Account Link has no url")?,
            expires_at: expires_at.ok_or("the Account Link has no expires_at")?,
            request_id: reply.request_id.clone(),
        })
    }
}
