//! The ids in paths, ours and Stripe's.

use quittance_domain::id::{MessageId, OrderId, ProductId, RefundId, SellerId, WebhookEndpointId};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::problem::Problem;

/// The longest id of Stripe's.
const STRIPE_ID_LEN_MAX: usize = 255;

macro_rules! paths {
    ($($name:ident of $id:ty: $about:literal, $example:literal;)*) => {
        $(
            #[doc = $about]
            // A text until it is asked for: where only a secret key will do, that is looked at first.
            #[derive(Deserialize, IntoParams)]
            #[into_params(parameter_in = Path)]
            pub(crate) struct $name {
                #[doc = $about]
                #[param(example = $example)]
                id: String,
            }

            impl $name {
                /// The id. What is none, names nothing.
                pub(crate) fn id(&self) -> Result<$id, Problem> {
                    self.id.parse().map_err(|_| Problem::not_found())
                }
            }
        )*
    };
}

paths! {
    ProductPath of ProductId: "The product's id", "prd_01kb3m9q4e8v2tz6h0rxw5ncy7";
    OrderPath of OrderId: "The order's id", "ord_01kb3m9q4e8v2tz6h0rxw5ncy7";
    RefundPath of RefundId: "The refund's id", "ref_01kb3m9q4e8v2tz6h0rxw5ncy7";
    SellerPath of SellerId: "The seller's id", "slr_01kb3m9q4e8v2tz6h0rxw5ncy7";
    WebhookEndpointPath of WebhookEndpointId: "The endpoint's id", "whe_01kb3m9q4e8v2tz6h0rxw5ncy7";
    MessagePath of MessageId: "The message's id", "msg_01kb3m9q4e8v2tz6h0rxw5ncy7";
}

/// Whether a text has the form of an id of Stripe's that begins so.
pub(crate) fn is_stripe_id(text: &str, prefix: &str) -> bool {
    text.len() <= STRIPE_ID_LEN_MAX
        && text.starts_with(prefix)
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
