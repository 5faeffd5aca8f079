//! Changing a seller's terms and metadata.

use quittance_domain::seller::FeeTerms;

use super::super::Database;
use super::locked_seller::LockedSeller;
use crate::Error;
use crate::model::{ChangeSellerOutcome, SellerChange};

impl Database {
    pub(crate) async fn change_seller(&self, change: SellerChange) -> Result<ChangeSellerOutcome, Error> {
        self.write(async |conn| {
            let Some(mut locked) = LockedSeller::find(conn, &change.id).await? else {
                return Ok(ChangeSellerOutcome::NotFound);
            };
            let (seller, change) = (&mut locked.seller, change.clone());
            let fee = FeeTerms::new(
                change.fee_basis_points.unwrap_or(seller.fee.basis_points()),
                change.fee_fixed.unwrap_or(seller.fee.fixed()),
                change.fee_minimum.unwrap_or(seller.fee.minimum()),
            );
            match fee {
                Ok(fee) => seller.fee = fee,
                Err(error) => return Ok(ChangeSellerOutcome::Fee(error)),
            }
            seller.charge_type = change.charge_type.unwrap_or(seller.charge_type);
            seller.reference = change.reference.unwrap_or(seller.reference.take());
            if let Some(metadata) = change.metadata {
                seller.metadata = metadata;
            }
            Ok(ChangeSellerOutcome::Done(locked.commit(conn, &self.sellers_supported, change.now).await?))
        })
        .await
    }
}
