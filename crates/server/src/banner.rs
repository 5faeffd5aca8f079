//! The startup banner on standard output.

use std::fmt::Write;

use quittance_domain::catalog::Product;

/// The content of the startup banner.
pub(crate) struct Banner<'a> {
    pub(crate) url: &'a str,
    pub(crate) database: &'a str,
    pub(crate) sandbox: Option<SandboxBanner<'a>>,
}

/// The part of the banner for sandbox mode.
pub(crate) struct SandboxBanner<'a> {
    pub(crate) url: &'a str,
    pub(crate) secret_key: &'a str,
    pub(crate) product: Option<&'a Product>,
}

impl Banner<'_> {
    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "\n  Quittance {version}\n\n  API       {url}\n  Docs      {url}/docs\n  Database  {database}\n",
            version = env!("CARGO_PKG_VERSION"),
            url = self.url,
            database = self.database,
        );
        if let Some(sandbox) = &self.sandbox {
            // Writing to a string never fails.
            let _ = sandbox.write(&mut text, self.url);
        }
        text
    }
}

impl SandboxBanner<'_> {
    fn write(&self, text: &mut String, url: &str) -> std::fmt::Result {
        let (sandbox, key) = (self.url, self.secret_key);
        writeln!(text, "  Shop      {url}/demo (pay with the test card 4242 4242 4242 4242)")?;
        writeln!(text, "  Sandbox   {sandbox} (stands in for Stripe; don't use real cards)")?;
        writeln!(
            text,
            "  Sellers   {url}/demo/sellers.html (connect sellers in the sandbox with the key below)"
        )?;
        writeln!(text, "  Key       {key}\n")?;
        let Some(product) = self.product else { return Ok(()) };
        let (id, name, price) = (&product.id, &product.name, product.unit_price);
        writeln!(text, "  To pay an order ({name}, {price}), run these four lines one by one:\n")?;
        writeln!(
            text,
            "ORDER=$(curl -s {url}/v1/orders -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \
             -d '{{\"items\":[{{\"product_id\":\"{id}\",\"quantity\":1}}]}}' | grep -o 'ord_[0-9a-z]*' | head -1); echo $ORDER"
        )?;
        writeln!(
            text,
            "PAYMENT=$(curl -s -X POST {url}/v1/orders/$ORDER/payment_intent -H 'Authorization: Bearer {key}' \
             | grep -o 'pi_[0-9A-Za-z]*' | head -1); echo $PAYMENT"
        )?;
        writeln!(
            text,
            "curl -s {sandbox}/v1/payment_intents/$PAYMENT/confirm -u sk_test_sandbox: \
             -d payment_method=pm_card_visa -d return_url={url}/docs | grep '\"status\"'"
        )?;
        writeln!(
            text,
            "curl -s \"{url}/v1/orders/$ORDER/payment?wait=10\" -H 'Authorization: Bearer {key}'\n"
        )
    }
}
