//! Products on a seller's account, for sellers who want to see them in their own Dashboard.

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

/// A product from a response of Stripe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StripeProduct {
    /// The product's ID at Stripe, `prod_…`.
    pub id: String,
    /// Stripe's request ID.
    pub request_id: Option<String>,
}

impl Stripe {
    /// Returns the request that creates a product with its price on an account. Equal input gives an equal
    /// request. The idempotency key contains the ID and a hash of the content, so a changed product is a new
    /// request. The product ID is sent as `metadata.product_id`.
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

    /// Creates a product, or returns the one that was created with the same key before.
    pub async fn create_product(&self, request: &FrozenRequest) -> Result<StripeProduct, Error> {
        self.transport.call(&request.call("products.create"), View::read_reply).await
    }
}

/// The fields that Quittance reads. See <https://docs.stripe.com/api/products/object>.
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
