//! Records requests as JSON lines, so that a test can check what a program sends.
//!
//! ```json
//! {"method":"POST","path":"/v1/payment_intents","query":"","body":"amount=1999&currency=eur","user_agent":"shop/1"}
//! ```
//!
//! Requests that fail, have an unknown route, or get an injected fault are recorded as well. Card numbers and security
//! codes are replaced, because the sandbox stores none.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use actix_web::HttpRequest;
use actix_web::http::header::USER_AGENT;
use serde_json::json;

/// The digits of the shortest card number.
const CARD_DIGITS_MIN: usize = 12;

/// What stands in place of a number or code.
const LEFT_OUT: &str = "left-out";

/// A file that requests are appended to.
pub(crate) struct Record {
    file: Mutex<File>,
}

impl Record {
    pub(crate) fn open(path: &Path) -> std::io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { file: Mutex::new(file) })
    }

    /// Writes a request down. One that can not be written is said in the log, and answered all the same.
    pub(crate) fn write(&self, request: &HttpRequest, body: &[u8]) {
        let user_agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
        let line = json!({
            "method": request.method().as_str(),
            "path": request.path(),
            "query": without_cards(request.query_string().as_bytes()),
            "body": without_cards(body),
            "user_agent": user_agent.unwrap_or_default(),
        });
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(format!("{line}\n").as_bytes()) {
            tracing::error!(%error, "A request could not be recorded");
        }
    }
}

/// A form as it was sent, but for the fields that could be a card's.
fn without_cards(form: &[u8]) -> String {
    let fields: Vec<String> = String::from_utf8_lossy(form)
        .split('&')
        .map(|field| match form_urlencoded::parse(field.as_bytes()).next() {
            Some((name, value)) if is_of_a_card(&name, &value) => {
                form_urlencoded::Serializer::new(String::new()).append_pair(&name, LEFT_OUT).finish()
            }
            _ => field.to_owned(),
        })
        .collect();
    fields.join("&")
}

fn is_of_a_card(name: &str, value: &str) -> bool {
    let digits: String = value.chars().filter(|letter| !matches!(letter, ' ' | '-')).collect();
    let mut runs = digits.split(|letter: char| !letter.is_ascii_digit());
    name.ends_with("cvc]") || name == "cvc" || runs.any(|run| run.len() >= CARD_DIGITS_MIN)
}

#[cfg(test)]
mod tests {
    use super::without_cards;

    #[test]
    fn a_form_is_kept_as_it_was_sent_but_for_cards() {
        let plain =
            "metadata%5Border_id%5D=ord_01kb3m9q4e8v2tz6&amount=99999999999&amount=2&=&x&created[gte]=1";
        assert_eq!(without_cards(plain.as_bytes()), plain);
        let card = "type=card&card%5Bnumber%5D=4111+1111-1111 1111&card[cvc]=123&note=n4111111111111111n&a=b";
        assert_eq!(
            without_cards(card.as_bytes()),
            "type=card&card%5Bnumber%5D=left-out&card%5Bcvc%5D=left-out&note=left-out&a=b"
        );
    }
}
