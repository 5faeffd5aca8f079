//! The tables, with this database's column types.

use diesel::{allow_tables_to_appear_in_same_query, joinable, table};

table! {
    use diesel::sql_types::{BigInt, Bool, Nullable, Text};
    use super::super::dialect::{Document, Instant};

    products (id) {
        id -> Text,
        name -> Text,
        description -> Nullable<Text>,
        unit_amount -> BigInt,
        currency -> Text,
        active -> Bool,
        stock -> Nullable<BigInt>,
        seller_id -> Nullable<Text>,
        stripe_product_id -> Nullable<Text>,
        metadata -> Document,
        created_at -> Instant,
        updated_at -> Instant,
    }
}

table! {
    use diesel::sql_types::{BigInt, Bool, Nullable, Text};
    use super::super::dialect::{Document, Instant};

    orders (id) {
        id -> Text,
        lines -> Document,
        amount_total -> BigInt,
        currency -> Text,
        seller_id -> Nullable<Text>,
        seller_account -> Nullable<Text>,
        charge_type -> Nullable<Text>,
        application_fee -> Nullable<BigInt>,
        customer_email -> Nullable<Text>,
        customer_name -> Nullable<Text>,
        customer_reference -> Nullable<Text>,
        shipping -> Nullable<Document>,
        metadata -> Document,
        client_address -> Nullable<Text>,
        status -> Text,
        review_reason -> Nullable<Text>,
        amount_paid -> BigInt,
        amount_refunded -> BigInt,
        current_payment_id -> Nullable<Text>,
        closing -> Nullable<Text>,
        version -> BigInt,
        outcome_version -> BigInt,
        details_version -> BigInt,
        held_stock -> Document,
        expires_at -> Instant,
        check_at -> Nullable<Instant>,
        has_refunds_or_disputes -> Bool,
        created_at -> Instant,
        updated_at -> Instant,
    }
}

table! {
    use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text};
    use super::super::dialect::{Document, Instant};

    payments (id) {
        id -> Text,
        order_id -> Text,
        flow -> Text,
        request_params -> Text,
        account -> Text,
        mode -> Text,
        amount -> BigInt,
        currency -> Text,
        application_fee -> Nullable<BigInt>,
        destination -> Nullable<Text>,
        capture_method -> Text,
        payment_intent_id -> Nullable<Text>,
        checkout_session_id -> Nullable<Text>,
        client_secret_hash -> Nullable<Text>,
        facts -> Document,
        capture -> Nullable<BigInt>,
        abandoned -> Bool,
        refused -> Nullable<Text>,
        closed -> Bool,
        request -> Text,
        sent_details_version -> BigInt,
        resume_at -> Nullable<Instant>,
        resume_count -> Integer,
        created_at -> Instant,
    }
}

table! {
    use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text};
    use super::super::dialect::{Document, Instant};

    refunds (id) {
        id -> Text,
        order_id -> Text,
        payment_id -> Text,
        account -> Text,
        amount -> BigInt,
        currency -> Text,
        reason -> Nullable<Text>,
        cause -> Text,
        reverse_transfer -> Bool,
        refund_application_fee -> Bool,
        stripe_refund_id -> Nullable<Text>,
        facts -> Document,
        refused -> Nullable<Text>,
        resume_at -> Nullable<Instant>,
        resume_count -> Integer,
        key_number -> Integer,
        key_since -> Nullable<Instant>,
        created_at -> Instant,
        updated_at -> Instant,
    }
}

table! {
    use diesel::sql_types::Text;
    use super::super::dialect::{Document, Instant};

    disputes (id) {
        id -> Text,
        order_id -> Text,
        payment_id -> Text,
        account -> Text,
        stripe_dispute_id -> Text,
        facts -> Document,
        created_at -> Instant,
        updated_at -> Instant,
    }
}

table! {
    use diesel::sql_types::{Nullable, Text};
    use super::super::dialect::Instant;

    stripe_calls (id) {
        id -> Text,
        order_id -> Text,
        subject -> Text,
        operation -> Text,
        request_id -> Nullable<Text>,
        error -> Nullable<Text>,
        at -> Instant,
    }
}

table! {
    use diesel::sql_types::Text;
    use super::super::dialect::Instant;

    stripe_accounts (mode) {
        mode -> Text,
        account_id -> Text,
        first_seen_at -> Instant,
    }
}

table! {
    use diesel::sql_types::{Nullable, Text};
    use super::super::dialect::Instant;

    event_backfills (name) {
        name -> Text,
        seen_until -> Nullable<Instant>,
        lease_until -> Nullable<Instant>,
    }
}

table! {
    use diesel::sql_types::Text;
    use super::super::dialect::Instant;

    decisions (order_id, kind) {
        order_id -> Text,
        kind -> Text,
        subject -> Text,
        created_at -> Instant,
    }
}

table! {
    use diesel::sql_types::{BigInt, Binary, Nullable, Text};
    use super::super::dialect::Instant;

    inbox (event_id) {
        event_id -> Text,
        kind -> Text,
        account -> Text,
        mode -> Text,
        created -> BigInt,
        payload -> Binary,
        outcome -> Text,
        reason -> Nullable<Text>,
        order_id -> Nullable<Text>,
        received_at -> Instant,
    }
}

table! {
    use diesel::sql_types::{BigInt, Bool, Nullable, Text};
    use super::super::dialect::Instant;

    outbox (id) {
        id -> Text,
        order_id -> Nullable<Text>,
        seller_id -> Nullable<Text>,
        kind -> Text,
        subject -> Text,
        sequence -> BigInt,
        created_at -> Instant,
        published -> Bool,
    }
}

table! {
    outbound_locks (work) {
        work -> diesel::sql_types::Text,
    }
}

table! {
    use diesel::sql_types::{Bool, Nullable, Text};
    use super::super::dialect::{Document, Instant};

    webhook_endpoints (id) {
        id -> Text,
        url -> Text,
        description -> Nullable<Text>,
        event_types -> Document,
        secrets -> Document,
        enabled -> Bool,
        disabled_reason -> Nullable<Text>,
        failing_since -> Nullable<Instant>,
        created_at -> Instant,
        updated_at -> Instant,
        removed_at -> Nullable<Instant>,
    }
}

table! {
    use diesel::sql_types::{BigInt, Nullable, Text};
    use super::super::dialect::Instant;

    messages (id) {
        id -> Text,
        order_id -> Nullable<Text>,
        seller_id -> Nullable<Text>,
        kind -> Text,
        sequence -> Nullable<BigInt>,
        payload -> Text,
        created_at -> Instant,
    }
}

table! {
    use diesel::sql_types::{BigInt, Integer, Nullable, Text};
    use super::super::dialect::Instant;

    deliveries (message_id, endpoint_id) {
        message_id -> Text,
        endpoint_id -> Text,
        sequence -> Nullable<BigInt>,
        state -> Text,
        attempts -> Integer,
        attempts_since_resend -> Integer,
        due_at -> Nullable<Instant>,
        ordering_key -> Nullable<Text>,
        claim -> Nullable<Text>,
        lease_until -> Nullable<Instant>,
        created_at -> Instant,
    }
}

table! {
    use diesel::sql_types::{BigInt, Integer, Nullable, Text};
    use super::super::dialect::Instant;

    delivery_attempts (message_id, endpoint_id, number) {
        message_id -> Text,
        endpoint_id -> Text,
        number -> Integer,
        outcome -> Text,
        status -> Nullable<Integer>,
        answer -> Nullable<Text>,
        duration_ms -> BigInt,
        at -> Instant,
    }
}

table! {
    use diesel::sql_types::{Integer, Nullable, Text};
    use super::super::dialect::Instant;

    idempotency_keys (scope, key) {
        scope -> Text,
        key -> Text,
        fingerprint -> Text,
        claim -> Text,
        lease_until -> Instant,
        status -> Nullable<Integer>,
        body -> Nullable<Text>,
        secret -> Nullable<Text>,
        created_at -> Instant,
    }
}

table! {
    use diesel::sql_types::{Nullable, Text};
    use super::super::dialect::Instant;

    secret_keys (id) {
        id -> Text,
        name -> Text,
        hash -> Text,
        created_at -> Instant,
        revoked_at -> Nullable<Instant>,
    }
}

table! {
    use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text};
    use super::super::dialect::{Document, Instant};

    sellers (id) {
        id -> Text,
        account_id -> Nullable<Text>,
        mode -> Text,
        origin -> Text,
        connection_status -> Text,
        unlink_forced -> Bool,
        charge_type -> Text,
        fee_basis_points -> Integer,
        fee_fixed -> BigInt,
        fee_minimum -> BigInt,
        reference -> Nullable<Text>,
        metadata -> Document,
        state -> Nullable<Document>,
        snapshot_at_s -> BigInt,
        last_event_at_s -> BigInt,
        connected_at_s -> BigInt,
        request -> Nullable<Text>,
        checked_at -> Nullable<Instant>,
        check_at -> Nullable<Instant>,
        check_count -> Integer,
        version -> BigInt,
        created_at -> Instant,
        updated_at -> Instant,
    }
}

table! {
    use diesel::sql_types::{Nullable, Text};
    use super::super::dialect::Instant;

    oauth_states (state_hash) {
        state_hash -> Text,
        binding_hash -> Text,
        created_at -> Instant,
        expires_at -> Instant,
        used_at -> Nullable<Instant>,
    }
}

table! {
    address_locks (slot) {
        slot -> diesel::sql_types::Integer,
    }
}

table! {
    __diesel_schema_migrations (version) {
        version -> diesel::sql_types::Text,
    }
}

joinable!(payments -> orders (order_id));
allow_tables_to_appear_in_same_query!(orders, payments);
allow_tables_to_appear_in_same_query!(payments, sellers, event_backfills);
allow_tables_to_appear_in_same_query!(webhook_endpoints, deliveries, messages);
