//! Parameters that select payment method types.

use crate::http::error::ApiError;
use crate::http::params::{Change, Params};
use crate::http::string_enum::StringEnum;
use crate::objects::payment_intent::PaymentIntent;
use crate::objects::payment_method_type::{MethodTypeFilter, PaymentMethodType};

/// The first API version without `payment_method_types`:
/// <https://docs.stripe.com/changelog/endive/2026-09-30/removes-the-payment-method-types-parameter-from-payment-intents-and-setup-intents>.
const VERSION_WITHOUT_LIST: &str = "2026-09-30";

/// All types in Stripe's documentation. The sandbox supports some of them.
const STRIPE_METHOD_TYPES: &str = "acss_debit affirm afterpay_clearpay alipay alma amazon_pay au_becs_debit bacs_debit bancontact \
    billie bizum blik boleto card cashapp crypto customer_balance eps fpx giropay grabpay ideal kakao_pay klarna \
    konbini kr_card link mb_way mobilepay multibanco naver_pay nz_bank_account oxxo p24 pay_by_bank payco paynow \
    paypal paypay payto pix promptpay revolut_pay samsung_pay satispay scalapay sepa_debit sequra sofort sunbit swish \
    twint upi us_bank_account wechat_pay zip";

/// The parameters that select payment method types.
pub(crate) struct MethodTypeParams {
    /// The `payment_method_types` of callers with an earlier API version.
    explicit: Option<Vec<PaymentMethodType>>,
    allowed: Option<Vec<String>>,
    excluded: Change<Vec<String>>,
}

impl MethodTypeParams {
    pub(crate) fn parse(params: &mut Params) -> Result<Self, ApiError> {
        let names = ["payment_method_types", "allowed_payment_method_types", "excluded_payment_method_types"];
        let present: Vec<&str> = names.into_iter().filter(|name| params.has(name)).collect();
        if let [first, second, ..] = present[..] {
            return Err(mutually_exclusive(params, first, second));
        }
        let explicit = parse_explicit(params)?;
        let allowed = params.strings(names[1])?;
        let excluded = params.list_change(names[2])?;
        for (name, list) in [(names[1], &allowed), (names[2], &set_value(&excluded))] {
            let unknown = list
                .iter()
                .flatten()
                .find(|type_| !STRIPE_METHOD_TYPES.split_ascii_whitespace().any(|one| one == *type_));
            if let Some(unknown) = unknown {
                let known = STRIPE_METHOD_TYPES.split_ascii_whitespace().collect::<Vec<_>>().join(", ");
                return Err(
                    params.invalid(name, format!("Invalid {name}: {unknown}. Must be one of {known}"))
                );
            }
        }
        Ok(Self { explicit, allowed, excluded })
    }

    /// Applies the selection to `intent`, whose currency must be set.
    pub(crate) fn apply(self, intent: &mut PaymentIntent) -> Result<(), ApiError> {
        if let Some(explicit) = self.explicit {
            intent.payment_method_types = explicit;
            intent.automatic_payment_methods = None;
            intent.method_type_filter = MethodTypeFilter::default();
            return Ok(());
        }
        if self.allowed.is_some() {
            intent.automatic_payment_methods = None;
            intent.method_type_filter = MethodTypeFilter { allowed: self.allowed, excluded: None };
        }
        self.excluded.apply(&mut intent.method_type_filter.excluded);
        if intent.automatic_payment_methods.is_some()
            || intent.method_type_filter != MethodTypeFilter::default()
        {
            intent.payment_method_types = intent.method_type_filter.types_for(&intent.currency);
        }
        if intent.payment_method_types.is_empty() {
            return Err(ApiError::invalid(
                "No valid payment method types for this Payment Intent. Please ensure that you have activated payment \
                 methods compatible with your chosen currency in your dashboard \
                 (https://dashboard.stripe.com/settings/payment_methods) and that the amount is not lower than the \
                 minimum (https://stripe.com/docs/currencies#minimum-and-maximum-charge-amounts) and try again.",
            ));
        }
        Ok(())
    }
}

fn set_value(change: &Change<Vec<String>>) -> Option<Vec<String>> {
    match change {
        Change::Set(list) => Some(list.clone()),
        Change::Unchanged | Change::Unset => None,
    }
}

/// Returns the error for two mutually exclusive parameters.
pub(crate) fn mutually_exclusive(params: &Params, first: &str, second: &str) -> ApiError {
    params.invalid(second, format!("You may only specify one of these parameters: {first}, {second}."))
}

/// Returns whether this API version accepts `payment_method_types`.
pub(crate) fn accepts_method_type_list(version: &str) -> bool {
    version < VERSION_WITHOUT_LIST
}

/// Rejects `payment_method_types` in API versions without it.
pub(crate) fn reject_method_type_list(params: &Params, version: &str) -> Result<(), ApiError> {
    let name = "payment_method_types";
    if accepts_method_type_list(version) || !params.has(name) {
        return Ok(());
    }
    Err(params
        .invalid(
            name,
            "The parameter payment_method_types is no longer supported in this API version. Use dynamic payment \
             methods, allowed_payment_method_types, or excluded_payment_method_types.",
        )
        .with_code("payment_method_types_no_longer_supported"))
}

fn parse_explicit(params: &mut Params) -> Result<Option<Vec<PaymentMethodType>>, ApiError> {
    let Some(names) = params.strings("payment_method_types")? else { return Ok(None) };
    let mut types = Vec::with_capacity(names.len());
    for name in &names {
        let known = PaymentMethodType::ALL.iter().find(|(word, _)| word == name);
        let (_, one) = known.ok_or_else(|| {
            params.invalid(
                "payment_method_types",
                format!(
                    "The payment method type \"{name}\" is invalid or not supported by the sandbox. \
                     Supported types: card, sepa_debit, us_bank_account, and multibanco."
                ),
            )
        })?;
        if !types.contains(one) {
            types.push(*one);
        }
    }
    if types.is_empty() {
        return Err(params.missing("payment_method_types"));
    }
    Ok(Some(types))
}
