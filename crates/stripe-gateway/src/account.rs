//! Connected accounts: creating, reading and finding them.

pub(crate) mod view;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use quittance_domain::id::SellerId;
use quittance_domain::payment::Account;
use quittance_domain::seller::AccountState;
use quittance_domain::string_enum;
use stripe_client_core::StripeRequest;
use stripe_connect::account::{
    CreateAccount, CreateAccountCapabilities, CreateAccountCapabilitiesCardPayments,
    CreateAccountCapabilitiesTransfers, CreateAccountType, ListAccount, RetrieveAccount,
    RetrieveForMyAccountAccount,
};
use stripe_shared::AccountBusinessType;
use stripe_types::RangeQueryTs;

use crate::Stripe;
use crate::error::Error;
use crate::list::PAGE_LIMIT;
use crate::request::{FrozenRequest, checked_id, get};
use crate::transport::{ApiCall, Reply};
use crate::view::{QuittanceMetadata, StripeObject};
use view::View;

string_enum! {
    /// The type of a connected account. See <https://docs.stripe.com/connect/accounts>.
    pub enum AccountKind {
        /// An Express account. The platform manages most of it and bears losses. The owner has a small
        /// dashboard.
        Express = "express",
        /// A Standard account. The owner manages it with Stripe's full Dashboard.
        Standard = "standard",
    }
}

string_enum! {
    /// The business type of an account.
    pub enum BusinessType {
        /// A person.
        Individual = "individual",
        /// A company.
        Company = "company",
        /// A nonprofit organization.
        NonProfit = "non_profit",
        /// A government entity. Stripe supports it in the United States only.
        GovernmentEntity = "government_entity",
    }
}

/// The parameters of a new account for a seller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAccount {
    /// The seller ID. It is sent as `metadata.seller_id` and is the idempotency key.
    pub seller_id: SellerId,
    /// The type of the account.
    pub kind: AccountKind,
    /// The country's ISO 3166-1 alpha-2 code. It can't be changed later. `None` means the platform's country.
    pub country: Option<String>,
    /// The owner's email address.
    pub email: Option<String>,
    /// The business type.
    pub business_type: Option<BusinessType>,
}

/// An account from a response of Stripe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountReply {
    /// The account's ID at Stripe, `acct_…`.
    pub account_id: String,
    /// The second in which the request began, by Stripe's clock. If Stripe replayed the response for its
    /// idempotency key, it is the second in which the account was created.
    pub began_s: i64,
    /// The account's state. It contains no mode, because the mode is that of the secret key.
    pub state: AccountState,
    /// Stripe's request ID.
    pub request_id: Option<String>,
}

impl Stripe {
    /// Returns the request that creates a seller's account, with the seller ID as its idempotency key. Equal
    /// input gives an equal request.
    ///
    /// It requests the capabilities for both charge types, but not for a Standard account. Stripe requests those
    /// itself and refuses the parameter ("You cannot create Standard connected accounts with capabilities via
    /// API").
    #[must_use]
    pub fn freeze_account(new: &NewAccount) -> FrozenRequest {
        let metadata = [("seller_id".to_owned(), new.seller_id.to_string())];
        let mut create = CreateAccount::new().metadata(HashMap::from(metadata));
        create = match new.kind {
            AccountKind::Express => {
                create.type_(CreateAccountType::Express).capabilities(needed_capabilities())
            }
            AccountKind::Standard => create.type_(CreateAccountType::Standard),
        };
        if let Some(country) = &new.country {
            create = create.country(country);
        }
        if let Some(email) = &new.email {
            create = create.email(email);
        }
        if let Some(kind) = new.business_type {
            create = create.business_type(match kind {
                BusinessType::Individual => AccountBusinessType::Individual,
                BusinessType::Company => AccountBusinessType::Company,
                BusinessType::NonProfit => AccountBusinessType::NonProfit,
                BusinessType::GovernmentEntity => AccountBusinessType::GovernmentEntity,
            });
        }
        FrozenRequest::new(create.build(), &Account::own(), new.seller_id.as_str())
    }

    /// Creates an account, or returns the one that was created with the same key before.
    pub async fn create_account(&self, request: &FrozenRequest) -> Result<AccountReply, Error> {
        self.account(request.call("accounts.create")).await
    }

    /// Reads an account. If the platform can no longer access it, the refusal is
    /// [`is_account_unreachable`](crate::Refusal::is_account_unreachable).
    pub async fn retrieve_account(&self, account_id: &str) -> Result<AccountReply, Error> {
        let request = RetrieveAccount::new(checked_id(account_id)?).build();
        self.account(get("accounts.retrieve", &Account::own(), request)).await
    }

    /// Returns the secret key's own account ID, `acct_…`. Stripe may refuse this to a restricted key. See
    /// <https://docs.stripe.com/api/accounts/retrieve>.
    pub async fn own_account_id(&self) -> Result<String, Error> {
        let own = Account::own();
        let call = get("accounts.retrieve_own", &own, RetrieveForMyAccountAccount::new().build());
        self.transport.call(&call, |reply| View::read(&reply.body)?.id()).await
    }

    /// Finds a seller's account by `metadata.seller_id` among the accounts created since `created_since`. Use
    /// it if the response to a create request was lost and its idempotency key has expired.
    pub async fn find_account(
        &self,
        seller_id: &SellerId,
        created_since: DateTime<Utc>,
    ) -> Result<Option<AccountReply>, Error> {
        let request = |after: Option<&str>| {
            let created = RangeQueryTs::gte(created_since.timestamp());
            let page = ListAccount::new().created(created).limit(PAGE_LIMIT);
            after.map_or(page.clone(), |after| page.starting_after(after)).build()
        };
        let matches = |ids: QuittanceMetadata| ids.seller_id().as_ref() == Some(seller_id);
        self.find("accounts.list", &Account::own(), matches, request, read).await
    }

    async fn account(&self, call: ApiCall<'_>) -> Result<AccountReply, Error> {
        self.transport.call(&call, |reply| read(reply, &reply.body)).await
    }
}

fn read(reply: &Reply, json: &[u8]) -> Result<AccountReply, String> {
    let view = View::read(json)?;
    let began_s = reply.provenance_s(view.created);
    let (account_id, state) = view.observe()?;
    Ok(AccountReply { account_id, began_s, state, request_id: reply.request_id.clone() })
}

/// Returns the capabilities for direct charges (card payments) and destination charges (transfers).
fn needed_capabilities() -> CreateAccountCapabilities {
    let mut capabilities = CreateAccountCapabilities::new();
    let mut card_payments = CreateAccountCapabilitiesCardPayments::new();
    card_payments.requested = Some(true);
    capabilities.card_payments = Some(card_payments);
    let mut transfers = CreateAccountCapabilitiesTransfers::new();
    transfers.requested = Some(true);
    capabilities.transfers = Some(transfers);
    capabilities
}
