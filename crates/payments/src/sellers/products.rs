//! Creates catalog products on a seller's Stripe account.

use quittance_domain::id::{ProductId, SellerId};
use quittance_domain::payment::Account;
use quittance_stripe_gateway::{Error as StripeError, Stripe};

use crate::error::{Error, RefusalError};
use crate::service::Payments;

/// A product at Stripe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedStripeProduct {
    /// The product's ID at Stripe (`prod_…`).
    pub id: String,
    /// The product's account.
    pub account_id: String,
}

impl Payments {
    /// Creates a catalog product with its price on its seller's Stripe account. If it exists already, returns it.
    pub async fn create_stripe_product(
        &self,
        seller_id: SellerId,
        product_id: ProductId,
    ) -> Result<CreatedStripeProduct, Error> {
        self.detached(async move |payments: Self| {
            let seller = payments.store.seller(seller_id).await?.ok_or(Error::SellerNotFound)?;
            let product = payments.store.product(product_id.clone()).await?;
            let product = product
                .filter(|product| product.seller_id.as_ref() == Some(&seller.id))
                .ok_or(Error::ProductSellerMismatch)?;
            let is_connected = seller.is_connected();
            let account_id = seller.account_id.filter(|_| is_connected).ok_or(Error::SellerNotConnected)?;
            if let Some(id) = payments.store.stripe_product(product_id.clone()).await? {
                return Ok(CreatedStripeProduct { id, account_id });
            }
            let frozen = Stripe::freeze_product(
                &Account::connected(&account_id),
                &product.id,
                &product.name,
                product.description.as_deref(),
                product.unit_price,
            );
            let created = payments.stripe.create_product(&frozen).await.map_err(|error| match error {
                StripeError::Refused(refusal) if refusal.is_account_unreachable() => {
                    Error::AccountUnreachable
                }
                StripeError::Refused(refusal) if !refusal.is_key_error() => {
                    Error::StripeRefusal(RefusalError(refusal))
                }
                error => Error::Stripe(error),
            })?;
            let id = payments.store.set_stripe_product(product_id, seller.id, created.id).await?;
            Ok(CreatedStripeProduct { id: id.ok_or(Error::ProductSellerMismatch)?, account_id })
        })
        .await
    }
}
