//! Products as Stripe keeps them: for sellers who want to see in their own dashboard what is sold through them.

use std::collections::HashMap;

use quittance_domain::id::ProductId;
use quittance_domain::money::Money;
use quittance_domain::payment::Account;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use stripe_client_core::StripeRequest;
use stripe_product::product::{CreateProduct, CreateProductDefaultPriceData};

use crate::Stripe;
use crate::error::Error;
use crate::request::{FrozenRequest, currency};
use crate::transport::Reply;
use crate::view::{StripeObject, require_id, stripe_object};

/// A product as Stripe answered when asked to make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StripeProduct {
    /// Stripe's id of it, `prod_…`.
    pub id: String,
    /// Stripe's id of the request.
    pub request_id: Option<String>,
}

impl Stripe {
    /// The request that makes a product with its price on an account. The same input gives the same request; the
    /// idempotency key is made of the id and of the rest, so a product that was changed is another request. Our id
    /// travels as `metadata.product_id`.
    #[must_use]
    pub fn freeze_product(
        account: &Account,
        product_id: &ProductId,
        name: &str,
        description: Option<&str>,
        price: Money,
    ) -> FrozenRequest {
        let mut price_data = CreateProductDefaultPriceData::new(currency(price.currency()));
        price_data.unit_amount = Some(price.minor());
        let metadata = [("product_id".to_owned(), product_id.to_string())];
        let mut create =
            CreateProduct::new(name).default_price_data(price_data).metadata(HashMap::from(metadata));
        if let Some(description) = description {
            create = create.description(description);
        }
        let mut frozen = FrozenRequest::new(create.build(), account, String::new());
        let content = Sha256::digest(format!("{}\n{}", account.as_str(), frozen.body));
        frozen.idempotency_key = format!("{product_id}:{}", hex::encode(content));
        frozen
    }

    /// Makes a product, or returns the one that was made with this key before.
    pub async fn create_product(&self, request: &FrozenRequest) -> Result<StripeProduct, Error> {
        self.transport.call(&request.call("products.create"), View::read_reply).await
    }
}

/// What we look at. See <https://docs.stripe.com/api/products/object>.
#[derive(Deserialize)]
struct View {
    id: Option<String>,
    object: Option<String>,
}

stripe_object!(View: "product", "product");

impl View {
    fn read_reply(reply: &Reply) -> Result<StripeProduct, String> {
        let view = Self::read(&reply.body)?;
        Ok(StripeProduct { id: require_id(view.id, Self::NAME)?, request_id: reply.request_id.clone() })
    }
}
