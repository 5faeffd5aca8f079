//! IDs in URL paths.

use quittance_domain::id::{MessageId, OrderId, ProductId, RefundId, SellerId, WebhookEndpointId};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::problem::Problem;

/// The maximum length of a Stripe ID.
const STRIPE_ID_LEN_MAX: usize = 255;

macro_rules! paths {
    ($($name:ident of $id:ty: $doc:literal, $example:literal;)*) => {
        $(
            #[doc = $doc]
            // The ID is parsed by `id`, because handlers check the secret key first.
            #[derive(Deserialize, IntoParams)]
            #[into_params(parameter_in = Path)]
            pub(crate) struct $name {
                #[doc = $doc]
                #[param(example = $example)]
                id: String,
            }

            impl $name {
                /// Parses the ID. A malformed ID is treated like an ID that doesn't exist.
                pub(crate) fn id(&self) -> Result<$id, Problem> {
                    self.id.parse().map_err(|_| Problem::not_found())
                }
            }
        )*
    };
}

paths! {
    ProductPath of ProductId: "The product's ID", "prd_01kb3m9q4e8v2tz6h0rxw5ncy7";
    OrderPath of OrderId: "The order's ID", "ord_01kb3m9q4e8v2tz6h0rxw5ncy7";
    RefundPath of RefundId: "The refund's ID", "ref_01kb3m9q4e8v2tz6h0rxw5ncy7";
    SellerPath of SellerId: "The seller's ID", "slr_01kb3m9q4e8v2tz6h0rxw5ncy7";
    WebhookEndpointPath of WebhookEndpointId: "The endpoint's ID", "whe_01kb3m9q4e8v2tz6h0rxw5ncy7";
    MessagePath of MessageId: "The message's ID", "msg_01kb3m9q4e8v2tz6h0rxw5ncy7";
}

/// Returns whether a text has the form of a Stripe ID with this prefix.
pub(crate) fn is_stripe_id(text: &str, prefix: &str) -> bool {
    text.len() <= STRIPE_ID_LEN_MAX
        && text.starts_with(prefix)
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
