//! Paginated lists, newest first. See <https://docs.stripe.com/api/pagination>.

use quittance_domain::payment::Account;
use serde::Deserialize;
use serde_json::value::RawValue;
use stripe_client_core::RequestBuilder;

use crate::Stripe;
use crate::error::Error;
use crate::request::get;
use crate::transport::Reply;
use crate::view::{QuittanceMetadata, shape_error};

/// The number of objects on a page: Stripe's maximum.
pub(crate) const PAGE_LIMIT: i64 = 100;

/// A page as Stripe writes it.
#[derive(Deserialize)]
pub(crate) struct Page<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
    has_more: bool,
}

/// The fields that identify a list's object. Other objects of the list may be unreadable.
#[derive(Deserialize)]
struct ListItem {
    id: String,
    metadata: Option<QuittanceMetadata>,
}

impl<'a> Page<'a> {
    pub(crate) fn read(body: &'a [u8]) -> Result<Self, String> {
        serde_json::from_slice(body).map_err(|error| shape_error("list", &error))
    }

    /// Returns the objects, newest first.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &'a [u8]> {
        self.data.iter().map(|json| json.get().as_bytes())
    }

    /// Returns the ID after which the next page starts, if one exists.
    pub(crate) fn next(&self) -> Result<Option<String>, String> {
        if !self.has_more {
            return Ok(None);
        }
        let last = self.objects().last().ok_or("an empty page has has_more")?;
        ListItem::read(last).map(|last| Some(last.id))
    }
}

impl ListItem {
    fn read(json: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(json).map_err(|error| shape_error("object of a list", &error))
    }
}

impl Stripe {
    /// Calls `each` with every object of a list. `request` builds the request for the page after an ID.
    pub(crate) async fn for_each_object(
        &self,
        operation: &'static str,
        account: &Account,
        request: impl Fn(Option<&str>) -> RequestBuilder,
        mut each: impl FnMut(&Reply, &[u8]) -> Result<(), String>,
    ) -> Result<(), Error> {
        let mut after: Option<String> = None;
        loop {
            let call = get(operation, account, request(after.as_deref()));
            let read = |reply: &Reply| {
                let page = Page::read(&reply.body)?;
                page.objects().try_for_each(|json| each(reply, json))?;
                page.next()
            };
            after = self.transport.call(&call, read).await?;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Finds the object with matching metadata in a list, and reads it with `read`.
    ///
    /// This uses lists because Stripe's search index lags. It returns the oldest match: a seller can create
    /// objects with the same IDs on their own account, but only after seeing the original.
    pub(crate) async fn find<T>(
        &self,
        operation: &'static str,
        account: &Account,
        matches: impl Fn(QuittanceMetadata) -> bool,
        request: impl Fn(Option<&str>) -> RequestBuilder,
        read: impl Fn(&Reply, &[u8]) -> Result<T, String>,
    ) -> Result<Option<T>, Error> {
        let mut oldest_match = None;
        let each = |reply: &Reply, json: &[u8]| {
            if ListItem::read(json)?.metadata.is_some_and(&matches) {
                // Lists are newest first, so a later match is older. The replaced match may be unreadable on
                // purpose.
                oldest_match = Some(read(reply, json).map_err(|reason| reply.unreadable(reason)));
            }
            Ok(())
        };
        self.for_each_object(operation, account, request, each).await?;
        oldest_match.transpose()
    }
}
