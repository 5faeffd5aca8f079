//! Connected accounts: the requests we make of them, and what is read from the answers.

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
    /// Who runs an account. See <https://docs.stripe.com/connect/accounts>.
    pub enum AccountKind {
        /// The platform, mostly: its owner sees a small dashboard, and the platform bears losses.
        Express = "express",
        /// Its owner, with all of Stripe's dashboard.
        Standard = "standard",
    }
}

string_enum! {
    /// What kind of business an account is of.
    pub enum BusinessType {
        /// One person.
        Individual = "individual",
        /// A company.
        Company = "company",
        /// An organisation that works for no profit.
        NonProfit = "non_profit",
        /// A public body; only in the United States.
        GovernmentEntity = "government_entity",
    }
}

/// An account that is to be made for a seller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAccount {
    /// The seller; travels as `metadata.seller_id`, and is the idempotency key.
    pub seller_id: SellerId,
    /// Who runs it.
    pub kind: AccountKind,
    /// ISO 3166-1 alpha-2 code of its country, which can not be changed; the platform's if none is given.
    pub country: Option<String>,
    /// Its owner's email address.
    pub email: Option<String>,
    /// What kind of business it is of.
    pub business_type: Option<BusinessType>,
}

/// An account as Stripe answered with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountReply {
    /// Stripe's id of it, `acct_…`.
    pub account_id: String,
    /// The second, at Stripe's clock, in which the request began; of an answer that Stripe replayed for its
    /// idempotency key, that in which the account was made.
    pub began_s: i64,
    /// What Stripe says of it. An account does not say whether its money is real: that is as our key is.
    pub state: AccountState,
    /// Stripe's id of the request.
    pub request_id: Option<String>,
}

impl Stripe {
    /// The request that makes a seller's account, with the seller's id as its idempotency key. The same input gives
    /// the same request.
    ///
    /// Asks for what both ways of charging need. Not for a Standard account: for that Stripe asks itself, and
    /// refuses to be asked ("You cannot create Standard connected accounts with capabilities via API").
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

    /// Makes an account, or returns the one that was made with this key before.
    pub async fn create_account(&self, request: &FrozenRequest) -> Result<AccountReply, Error> {
        self.account(request.call("accounts.create")).await
    }

    /// Reads an account. One that the platform may not use any more is refused with
    /// [`is_account_unreachable`](crate::Refusal::is_account_unreachable).
    pub async fn retrieve_account(&self, account_id: &str) -> Result<AccountReply, Error> {
        let request = RetrieveAccount::new(checked_id(account_id)?).build();
        self.account(get("accounts.retrieve", &Account::own(), request)).await
    }

    /// The id of the account that our key is of, `acct_…`. A restricted key may be refused it.
    /// See <https://docs.stripe.com/api/accounts/retrieve>.
    pub async fn own_account_id(&self) -> Result<String, Error> {
        let own = Account::own();
        let call = get("accounts.retrieve_own", &own, RetrieveForMyAccountAccount::new().build());
        self.transport.call(&call, |reply| View::read(&reply.body)?.id()).await
    }

    /// Looks for the account of a seller by its `metadata.seller_id`, among those made since a time: how a create is
    /// resolved whose answer was lost and whose key can not be used again.
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

/// To take cards on the account itself, and to be sent money that was taken on the platform's.
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
