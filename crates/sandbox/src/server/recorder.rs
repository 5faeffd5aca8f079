//! Records requests as JSON lines, so that a test can check what a program sends.
//!
//! ```json
//! {"method":"POST","path":"/v1/payment_intents","query":"","body":"amount=1999&currency=eur","user_agent":"shop/1"}
//! ```
//!
//! Requests that fail, have an unknown route, or get an injected fault are recorded as well. Card numbers and
//! security codes are replaced, because the sandbox stores none.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use actix_web::HttpRequest;
use actix_web::http::header::USER_AGENT;
use serde_json::json;

/// The number of digits of the shortest card number.
const MIN_CARD_DIGITS: usize = 12;

/// The replacement for a card number or security code.
const REDACTED: &str = "left-out";

/// A file that requests are appended to.
pub(crate) struct RequestRecorder {
    file: Mutex<File>,
}

impl RequestRecorder {
    pub(crate) fn open(path: &Path) -> std::io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { file: Mutex::new(file) })
    }

    /// Appends a request. If that fails, the error is logged and the request is processed anyway.
    pub(crate) fn write(&self, request: &HttpRequest, body: &[u8]) {
        let user_agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
        let line = json!({
            "method": request.method().as_str(),
            "path": request.path(),
            "query": redact_cards(request.query_string().as_bytes()),
            "body": redact_cards(body),
            "user_agent": user_agent.unwrap_or_default(),
        });
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(format!("{line}\n").as_bytes()) {
            tracing::error!(%error, "failed to record a request; it is processed anyway");
        }
    }
}

/// Returns the form with card data replaced.
fn redact_cards(form: &[u8]) -> String {
    let fields: Vec<String> = String::from_utf8_lossy(form)
        .split('&')
        .map(|field| match form_urlencoded::parse(field.as_bytes()).next() {
            Some((name, value)) if is_card_field(&name, &value) => {
                form_urlencoded::Serializer::new(String::new()).append_pair(&name, REDACTED).finish()
            }
            _ => field.to_owned(),
        })
        .collect();
    fields.join("&")
}

fn is_card_field(name: &str, value: &str) -> bool {
    let digits: String = value.chars().filter(|letter| !matches!(letter, ' ' | '-')).collect();
    let mut runs = digits.split(|letter: char| !letter.is_ascii_digit());
    name.ends_with("cvc]") || name == "cvc" || runs.any(|run| run.len() >= MIN_CARD_DIGITS)
}

#[cfg(test)]
mod tests {
    use super::redact_cards;

    #[test]
    fn recorded_form_replaces_card_data_only() {
        let plain =
            "metadata%5Border_id%5D=ord_01kb3m9q4e8v2tz6&amount=99999999999&amount=2&=&x&created[gte]=1";
        assert_eq!(redact_cards(plain.as_bytes()), plain);
        let card = "type=card&card%5Bnumber%5D=4111+1111-1111 1111&card[cvc]=123&note=n4111111111111111n&a=b";
        assert_eq!(
            redact_cards(card.as_bytes()),
            "type=card&card%5Bnumber%5D=left-out&card%5Bcvc%5D=left-out&note=left-out&a=b"
        );
    }
}
