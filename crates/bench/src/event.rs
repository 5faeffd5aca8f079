//! Stripe's events, signed ahead of time.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{rows, service};

/// As Stripe writes it, with `<…>` where events differ.
const TEMPLATE: &str = include_str!("payment_intent_succeeded.json");

/// A redelivered event comes so many deliveries after its first, at most: some are committed by then, and some
/// are still under way.
const REDELIVERED_WITHIN: usize = 2_000;

/// The body of the event that says that this order's PaymentIntent succeeded.
pub(crate) fn payload(order: usize) -> String {
    TEMPLATE
        .replace("<event>", &rows::event_id(order))
        .replace("<created>", rows::CREATED)
        .replace("<payment_intent>", &rows::payment_intent_id(order))
        .replace("<order>", &rows::order_id(order))
        .replace("<payment>", &rows::payment_id(order))
}

/// Requests that deliver a success for each of these orders, and one of so many of them twice.
pub(crate) fn deliveries(
    orders: Range<usize>,
    address: SocketAddr,
    redelivered_one_of: usize,
) -> Vec<Vec<u8>> {
    let timestamp =
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).to_string();
    let mut places: Vec<(usize, usize)> = Vec::with_capacity(orders.len() * 11 / 10);
    for (place, order) in orders.enumerate() {
        places.push((place, order));
        if place % redelivered_one_of == 0 {
            places.push((place + rows::scramble(order) % REDELIVERED_WITHIN, order));
        }
    }
    places.sort_by_key(|(place, _)| *place);
    places.into_iter().map(|(_, order)| request(&payload(order), &timestamp, address)).collect()
}

fn request(payload: &str, timestamp: &str, address: SocketAddr) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(service::WEBHOOK_SECRET.as_bytes())
        .expect("HMAC takes a key of any length");
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(payload.as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    format!(
        "POST /webhooks/stripe HTTP/1.1\r\nHost: {address}\r\nUser-Agent: Stripe/1.0 \
         (+https://stripe.com/docs/webhooks)\r\nAccept: */*; q=0.5, application/xml\r\nCache-Control: no-cache\r\n\
         Content-Type: application/json; charset=utf-8\r\nContent-Length: {}\r\n\
         Stripe-Signature: t={timestamp},v1={signature}\r\n\r\n{payload}",
        payload.len(),
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::{deliveries, payload};

    #[test]
    fn every_event_comes_and_one_of_ten_comes_twice() {
        let mut times = HashMap::new();
        for request in deliveries(100..300, "127.0.0.1:1".parse().unwrap(), 10) {
            *times.entry(request).or_insert(0) += 1;
        }
        assert_eq!(times.len(), 200);
        assert_eq!(times.values().filter(|times| **times == 2).count(), 20);
        assert!(times.values().all(|times| *times <= 2));
    }

    #[test]
    fn an_event_is_as_large_as_stripes_and_has_no_gaps() {
        let payload = payload(7);
        assert!((2_500..4_000).contains(&payload.len()), "{} bytes", payload.len());
        assert!(!payload.contains('<'));
    }
}
