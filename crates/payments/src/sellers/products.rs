//! Products of the catalogue, made known to Stripe on a seller's account.

use quittance_domain::id::{ProductId, SellerId};
use quittance_domain::payment::Account;
use quittance_stripe_gateway::{Error as StripeError, Stripe};

use crate::error::RefusalError;
use crate::{Error, Payments};

/// A product at Stripe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedStripeProduct {
    /// Stripe's id of it, `prod_…`.
    pub id: String,
    /// The account on which it is.
    pub account_id: String,
}

impl Payments {
    /// Makes a product of the catalogue known to Stripe, on the account of the seller that sells it, with its price.
    /// It is made once; asking again returns it.
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
            let made = payments.stripe.create_product(&frozen).await.map_err(|error| match error {
                StripeError::Refused(refusal) if refusal.is_account_unreachable() => {
                    Error::AccountUnreachable
                }
                StripeError::Refused(refusal) if !refusal.is_about_the_key() => {
                    Error::StripeRefusal(RefusalError(refusal))
                }
                error => Error::Stripe(error),
            })?;
            let stands = payments.store.set_stripe_product(product_id, seller.id, made.id).await?;
            Ok(CreatedStripeProduct { id: stands.ok_or(Error::ProductSellerMismatch)?, account_id })
        })
        .await
    }
}
