//! Account Links, by which owners submit information about accounts that the platform created.

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
    /// The information that Stripe requests from the owner.
    #[derive(Default)]
    pub enum Collection {
        /// Information that is due now.
        #[default]
        CurrentlyDue = "currently_due",
        /// Also information that is due once the account has received more money.
        EventuallyDue = "eventually_due",
    }
}

/// An Account Link.
#[derive(Debug, Clone)]
pub struct AccountLink {
    /// The URL, for a single use. Anyone who has it can act as the owner, so it is never stored or logged.
    pub url: SecretString,
    /// The time when the link expires.
    pub expires_at: DateTime<Utc>,
    /// Stripe's request ID.
    pub request_id: Option<String>,
}

impl Stripe {
    /// Creates a link by which the owner submits the information that Stripe requires. Stripe returns the owner
    /// to `return_url` when they leave. If the link has expired or was used, Stripe sends the owner to
    /// `refresh_url` for a new one. Works only for accounts that the platform created. See
    /// <https://docs.stripe.com/api/account_links/create>.
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
        // Each call creates a new link. The key only makes retries of this call safe.
        let key = format!("{account_id}:link:{:032x}", rand::random::<u128>());
        let own = Account::own();
        self.transport
            .call(&post("account_links.create", &own, request.build(), &key), View::read_reply)
            .await
    }
}

/// The fields that Quittance reads. See <https://docs.stripe.com/api/account_links/object>.
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
