//! Seeds orders with one payment attempt each, in the state after the service has created a PaymentIntent.
//!
//! IDs are derived from numbers, so SQL, pgbench, and the load generator can compute the same IDs. Order IDs sort by
//! creation time, as real ones do. Stripe's IDs don't.

use std::ops::Range;

/// An odd number, so multiplying by it modulo 2³² is a bijection.
const SCRAMBLE: usize = 2_654_435_761;
const MODULUS: usize = 1 << 32;

/// The creation time of all seeded objects, as a Unix timestamp.
pub(crate) const CREATED: &str = "1795370000";

/// The facts of an attempt that awaits the customer's payment.
const FACTS_OPEN: &str = r#"{"open":{"created":1795370000,"rank":0,"event":"","status":"requires_payment_method","failure":null},"failures":{},"canceled":false,"successes":[]}"#;
/// The facts after the event in `payment_intent_succeeded.json`.
pub(crate) const FACTS_PAID: &str = r#"{"open":{"created":1795370000,"rank":0,"event":"","status":"requires_payment_method","failure":null},"failures":{},"canceled":false,"successes":[{"amount":2500,"currency":"eur","amount_received":2500,"application_fee":null}]}"#;

/// The only product.
pub(crate) const PRODUCT_ID: &str = "prd_00000000000000000000000001";

pub(crate) fn order_id(n: usize) -> String {
    format!("ord_{n:026}")
}

pub(crate) fn payment_id(n: usize) -> String {
    format!("pay_{n:026}")
}

pub(crate) fn message_id(n: usize) -> String {
    format!("msg_{n:026}")
}

pub(crate) fn payment_intent_id(n: usize) -> String {
    format!("pi_{:024}", scramble(n))
}

pub(crate) fn event_id(n: usize) -> String {
    format!("evt_{:024}", scramble(n))
}

/// Maps each number below 2³² to a different one.
pub(crate) fn scramble(n: usize) -> usize {
    n * SCRAMBLE % MODULUS
}

/// The SQL dialect of a database.
#[derive(Clone, Copy)]
pub(crate) enum Dialect {
    Postgres,
    Sqlite,
}

impl Dialect {
    fn padded(self, number: &str, digits: usize) -> String {
        match self {
            Self::Postgres => format!("lpad(({number})::text, {digits}, '0')"),
            Self::Sqlite => format!("printf('%0{digits}d', {number})"),
        }
    }

    fn now(self) -> &'static str {
        match self {
            Self::Postgres => "now()",
            Self::Sqlite => "strftime('%Y-%m-%d %H:%M:%f', 'now') || '000+00:00'",
        }
    }

    /// Returns when a seeded order expires.
    fn expiry(self) -> &'static str {
        match self {
            Self::Postgres => "now() + interval '35 minutes'",
            Self::Sqlite => "strftime('%Y-%m-%d %H:%M:%f', 'now', '+35 minutes') || '000+00:00'",
        }
    }

    /// Returns a statement that creates the product.
    pub(crate) fn product(self) -> String {
        format!(
            "INSERT INTO products (id, name, description, unit_amount, currency, active, metadata, created_at, \
             updated_at) VALUES ('{PRODUCT_ID}', 'Teapot', 'Holds a liter', 1250, 'eur', {}, '{{}}', {now}, {now})",
            match self {
                Self::Postgres => "true",
                Self::Sqlite => "1",
            },
            now = self.now(),
        )
    }

    /// Returns statements that create orders, each with an attempt that awaits payment. If `published`, their
    /// `order.created` events count as already published.
    pub(crate) fn orders(self, orders: Range<usize>, published: bool) -> String {
        let (first, last) = (orders.start, orders.end - 1);
        let numbers = format!(
            "WITH RECURSIVE numbers (n) AS (SELECT CAST({first} AS bigint) UNION ALL SELECT n + 1 FROM numbers WHERE n < {last})"
        );
        let number = self.padded("n", 26);
        let scrambled = self.padded(&format!("n * {SCRAMBLE} % {MODULUS}"), 24);
        let (now, expiry) = (self.now(), self.expiry());
        let line = format!(
            r#"[{{"product_id":"{PRODUCT_ID}","name":"Teapot","unit_price":{{"minor":1250,"currency":"eur"}},"quantity":2,"amount":{{"minor":2500,"currency":"eur"}}}}]"#
        );
        let shipping = r#"{"name":"Jenny Rosen","address":{"line1":"Torstraße 1","line2":null,"city":"Berlin","state":null,"postal_code":"10119","country":"DE"}}"#;
        format!(
            "{numbers} INSERT INTO orders (id, lines, amount_total, currency, customer_email, customer_name, \
             customer_reference, shipping, metadata, client_address, status, review_reason, amount_paid, \
             current_payment_id, closing, version, outcome_version, details_version, held_stock, expires_at, \
             check_at, created_at, updated_at) \
             SELECT 'ord_' || {number}, '{line}', 2500, 'eur', 'jenny.rosen@example.com', 'Jenny Rosen', \
             NULL, '{shipping}', '{{}}', NULL, 'pending', NULL, 0, 'pay_' || {number}, NULL, 2, 0, 1, '[]', \
             {expiry}, {expiry}, {now}, {now} FROM numbers; \
             {numbers} INSERT INTO payments (id, order_id, flow, request_params, account, mode, amount, currency, application_fee, \
             capture_method, payment_intent_id, client_secret_hash, facts, refused, closed, request, \
             sent_details_version, resume_at, resume_count, created_at) \
             SELECT 'pay_' || {number}, 'ord_' || {number}, 'payment_intent', '', \
             '', 'test', 2500, 'eur', NULL, 'automatic', \
             'pi_' || {scrambled}, '{hash}', '{FACTS_OPEN}', NULL, {no}, '{request}', 1, NULL, 0, {now} FROM numbers; \
             {numbers} INSERT INTO outbox (id, order_id, kind, subject, sequence, created_at, published) \
             SELECT 'msg_' || {number}, 'ord_' || {number}, 'order.created', '', 1, {now}, {published} FROM numbers",
            hash = "5e".repeat(32),
            no = match self {
                Self::Postgres => "false",
                Self::Sqlite => "0",
            },
            request = "amount=2500&automatic_payment_methods[enabled]=true&currency=eur&description=Order&\
                       receipt_email=jenny.rosen%40example.com&shipping[address][line1]=Torstra%C3%9Fe+1",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{event_id, order_id, payment_id, payment_intent_id};

    #[test]
    fn ids_of_numbers_are_padded_to_full_length() {
        assert_eq!(order_id(42), "ord_00000000000000000000000042");
        assert_eq!(payment_id(42), "pay_00000000000000000000000042");
        assert_eq!(payment_intent_id(1), "pi_000000000000002654435761");
    }

    #[test]
    fn event_ids_of_different_numbers_differ() {
        assert_ne!(event_id(1), event_id(2));
    }
}
