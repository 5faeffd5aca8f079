//! The web origins that Stripe's pages may send customers back to. Without this check, the API would be an open redirect.

use url::{Host, Origin, Url};

/// The placeholder that Stripe replaces with the Checkout Session's ID.
const PLACEHOLDER: &str = "{CHECKOUT_SESSION_ID}";

/// The placeholder as a URL parser writes it in a path.
const ENCODED_PLACEHOLDER: &str = "%7BCHECKOUT_SESSION_ID%7D";

/// The web origins that customers may be sent back to.
#[derive(Debug, Clone, Default)]
pub struct ReturnOrigins {
    named: Vec<Origin>,
    loopback: bool,
}

/// The error for a text that isn't a web origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} isn't an origin. Write one like https://shop.example")]
pub struct InvalidOrigin(String);

impl ReturnOrigins {
    /// Allows these origins. Each has a scheme (`http` or `https`), a host and an optional port.
    pub fn new(origins: &[String]) -> Result<Self, InvalidOrigin> {
        let parse = |text: &String| {
            let url = web_url(text).filter(|url| url.path() == "/" && url.query().is_none());
            let url = url.filter(|url| url.fragment().is_none());
            url.map(|url| url.origin()).ok_or_else(|| InvalidOrigin(text.clone()))
        };
        Ok(Self { named: origins.iter().map(parse).collect::<Result<_, _>>()?, loopback: false })
    }

    /// Also allows loopback addresses on any port, for development.
    #[must_use]
    pub fn and_loopback(self) -> Self {
        Self { loopback: true, ..self }
    }

    /// Returns whether customers may be sent to this URL.
    #[must_use]
    pub fn allows(&self, url: &Url) -> bool {
        is_web(url) && (self.named.contains(&url.origin()) || (self.loopback && is_loopback(url)))
    }

    /// Returns the URL to send to Stripe, or the code and the detail of an invalid URL. The URL is written again from
    /// its parsed parts, because another parser might find another host in the original text.
    pub(crate) fn accept(&self, text: &str) -> Result<String, (&'static str, String)> {
        let url = web_url(text).ok_or_else(|| {
            ("invalid_return_url", "must be an absolute http or https URL without credentials".to_owned())
        })?;
        if !self.allows(&url) {
            let origin = url.origin().ascii_serialization();
            let detail = format!("must have an allowed origin; {origin} isn't in QUITTANCE_RETURN_ORIGINS");
            return Err(("return_origin_not_allowed", detail));
        }
        Ok(url.as_str().replace(ENCODED_PLACEHOLDER, PLACEHOLDER))
    }
}

fn web_url(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(is_web)
}

fn is_web(url: &Url) -> bool {
    let is_http = matches!(url.scheme(), "http" | "https");
    is_http && url.has_host() && url.username().is_empty() && url.password().is_none()
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop() -> ReturnOrigins {
        ReturnOrigins::new(&["https://shop.example".to_owned(), "http://dev.example:8080".to_owned()])
            .unwrap()
    }

    #[test]
    fn origin_must_match_exactly() {
        for url in [
            "https://shop.example",
            "https://SHOP.example:443/thanks?a=b#c",
            "http://dev.example:8080/back",
            "https://shop.example/https://evil.example/",
        ] {
            assert!(shop().accept(url).is_ok(), "{url}");
        }
        for url in [
            "http://shop.example/",
            "https://shop.example:8443/",
            "https://shop.example.evil.example/",
            "https://evil.example/?shop.example",
            "https://evil.example\\@shop.example/",
            "https://www.shop.example/",
            "http://dev.example/",
            "http://localhost:8080/",
            "http://127.0.0.1/",
            "https://{CHECKOUT_SESSION_ID}.shop.example/",
            "//shop.example/",
        ] {
            assert!(shop().accept(url).is_err(), "{url}");
        }
    }

    #[test]
    fn url_that_is_not_plain_web_url_is_refused() {
        for text in [
            "",
            "/thanks",
            "shop.example/thanks",
            "javascript:alert(1)//https://shop.example",
            "data:text/html,x",
            "ftp://shop.example/",
            "https://",
            "https://user@shop.example/",
            "https://user:pass@shop.example/",
        ] {
            assert_eq!(shop().accept(text).unwrap_err().0, "invalid_return_url", "{text}");
        }
    }

    #[test]
    fn placeholder_is_kept() {
        for (given, sent) in [
            (
                "https://shop.example/thanks?id={CHECKOUT_SESSION_ID}",
                "https://shop.example/thanks?id={CHECKOUT_SESSION_ID}",
            ),
            (
                "https://shop.example/thanks/{CHECKOUT_SESSION_ID}#{CHECKOUT_SESSION_ID}",
                "https://shop.example/thanks/{CHECKOUT_SESSION_ID}#{CHECKOUT_SESSION_ID}",
            ),
            ("https://shop.example\\@evil.example/\n", "https://shop.example/@evil.example/"),
            ("https://shop.example/a b/{x}", "https://shop.example/a%20b/%7Bx%7D"),
        ] {
            assert_eq!(shop().accept(given).unwrap(), sent);
        }
    }

    #[test]
    fn loopback_is_allowed_on_request() {
        let dev = ReturnOrigins::default().and_loopback();
        for url in
            ["http://localhost:5173/", "http://127.0.0.2/", "https://[::1]:1/", "http://shop.localhost/"]
        {
            assert!(dev.accept(url).is_ok(), "{url}");
        }
        for url in ["http://10.0.0.1/", "http://localhost.evil.example/", "http://0.0.0.0/"] {
            assert!(dev.accept(url).is_err(), "{url}");
        }
    }

    #[test]
    fn origin_with_path_is_refused() {
        for text in
            ["shop.example", "https://shop.example/x", "https://shop.example?x", "https://a@b.example", "*"]
        {
            assert!(ReturnOrigins::new(&[text.to_owned()]).is_err(), "{text}");
        }
    }
}
