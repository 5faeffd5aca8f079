//! Stripe events, signed ahead of time.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{seed, service};

/// An event in Stripe's format, with `<…>` placeholders.
const TEMPLATE: &str = include_str!("payment_intent_succeeded.json");

/// The maximum number of deliveries between an event and its redelivery. Some events are committed by then, others
/// are still in flight.
const REDELIVERY_DISTANCE_MAX: usize = 2_000;

/// Returns the `payment_intent.succeeded` event of an order.
pub(crate) fn payload(order: usize) -> String {
    TEMPLATE
        .replace("<event>", &seed::event_id(order))
        .replace("<created>", seed::CREATED)
        .replace("<payment_intent>", &seed::payment_intent_id(order))
        .replace("<order>", &seed::order_id(order))
        .replace("<payment>", &seed::payment_id(order))
}

/// Returns requests that deliver one event per order. Every `redeliver_every`th event is delivered twice.
pub(crate) fn deliveries(orders: Range<usize>, address: SocketAddr, redeliver_every: usize) -> Vec<Vec<u8>> {
    let timestamp =
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).to_string();
    let mut positions: Vec<(usize, usize)> = Vec::with_capacity(orders.len() * 11 / 10);
    for (position, order) in orders.enumerate() {
        positions.push((position, order));
        if position % redeliver_every == 0 {
            positions.push((position + seed::scramble(order) % REDELIVERY_DISTANCE_MAX, order));
        }
    }
    positions.sort_by_key(|(position, _)| *position);
    positions.into_iter().map(|(_, order)| request(&payload(order), &timestamp, address)).collect()
}

fn request(payload: &str, timestamp: &str, address: SocketAddr) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(service::WEBHOOK_SECRET.as_bytes())
        .expect("HMAC accepts keys of any length");
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
    fn deliveries_repeat_one_of_ten_events() {
        let mut times = HashMap::new();

        for request in deliveries(100..300, "127.0.0.1:1".parse().unwrap(), 10) {
            *times.entry(request).or_insert(0) += 1;
        }

        assert_eq!(times.len(), 200);
        assert_eq!(times.values().filter(|times| **times == 2).count(), 20);
        assert!(times.values().all(|times| *times <= 2));
    }

    #[test]
    fn payload_has_realistic_size() {
        let payload = payload(7);

        assert!((2_500..4_000).contains(&payload.len()), "{} bytes", payload.len());
    }

    #[test]
    fn payload_has_no_placeholders() {
        assert!(!payload(7).contains('<'));
    }
}
