//! Capabilities of connected accounts: <https://docs.stripe.com/api/capabilities>.

use serde_json::{Value, json};

use crate::objects::account::{CapabilityStatus, ConnectedAccount};

/// All capabilities that Stripe has.
const CAPABILITIES: &str = "acss_debit_payments affirm_payments afterpay_clearpay_payments alma_payments \
    amazon_pay_payments app_distribution au_becs_debit_payments bacs_debit_payments bancontact_payments \
    bank_transfer_payments billie_payments bizum_payments blik_payments boleto_payments card_issuing card_payments \
    cartes_bancaires_payments cashapp_payments crypto_payments eps_payments fpx_payments gb_bank_transfer_payments \
    giropay_payments grabpay_payments ideal_payments india_international_payments jcb_payments \
    jp_bank_transfer_payments kakao_pay_payments klarna_payments konbini_payments kr_card_payments legacy_payments \
    link_payments mb_way_payments mobilepay_payments multibanco_payments mx_bank_transfer_payments \
    naver_pay_payments nz_bank_account_becs_debit_payments oxxo_payments p24_payments pay_by_bank_payments \
    payco_payments paynow_payments paypay_payments payto_payments pix_payments promptpay_payments \
    revolut_pay_payments samsung_pay_payments satispay_payments sepa_bank_transfer_payments sepa_debit_payments \
    sofort_payments sunbit_payments swish_payments tax_reporting_us_1099_k tax_reporting_us_1099_misc transfers \
    treasury twint_payments upi_payments us_bank_account_ach_payments us_bank_transfer_payments zip_payments";

/// Returns whether Stripe has a capability with this name.
pub(crate) fn is_capability(name: &str) -> bool {
    CAPABILITIES.split_ascii_whitespace().any(|known| known == name)
}

/// Renders a capability of an account.
pub(crate) fn render(account: &ConnectedAccount, name: &str) -> Value {
    let capability = account.capabilities.get(name);
    let status = capability.map_or(CapabilityStatus::Unrequested, |capability| capability.status);
    let requested_at = capability.and_then(|capability| capability.requested_at);
    let account_reason = account.requirements.disabled_reason.as_deref();
    let disabled_reason = match status {
        CapabilityStatus::Active | CapabilityStatus::Unrequested => None,
        CapabilityStatus::Pending => Some("pending.review"),
        CapabilityStatus::Inactive
            if account_reason.is_some_and(|reason| reason.starts_with("rejected.")) =>
        {
            Some("rejected.other")
        }
        CapabilityStatus::Inactive => Some("requirements.fields_needed"),
    };
    json!({
        "id": name,
        "object": "capability",
        "account": account.id,
        "future_requirements": account.future_requirements.render_for_capability(None),
        "requested": requested_at.is_some(),
        "requested_at": requested_at,
        "requirements": account.requirements.render_for_capability(disabled_reason),
        "status": status,
    })
}
