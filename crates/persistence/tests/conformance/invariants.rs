//! Invariants of the database.

use quittance_test_support::TestDatabase;

/// The statuses of a paid order, including later refunds and disputes.
const WAS_PAID: &str = "status IN ('paid', 'partially_refunded', 'refunded', 'disputed', 'charged_back')";
const PAID: &str = "kind = 'order.paid' AND subject = ''";

/// Asserts all invariants.
pub(crate) async fn check(database: &TestDatabase) {
    let paid = format!("(SELECT count(*) FROM outbox WHERE order_id = orders.id AND {PAID})");
    let created = "(SELECT count(*) FROM outbox WHERE order_id = orders.id AND kind = 'order.created')";
    let accepted = "(SELECT count(*) FROM decisions WHERE order_id = orders.id AND kind = 'accepted')";
    let live = "(SELECT count(*) FROM payments WHERE order_id = orders.id AND NOT closed)";
    let captured = "(SELECT capture FROM payments WHERE id = current_payment_id)";
    let current = "(SELECT count(*) FROM payments WHERE order_id = orders.id AND id = current_payment_id)";
    for (broken, rows) in [
        ("an order was published as paid twice", format!("orders WHERE {paid} > 1")),
        ("a paid order has no event", format!("orders WHERE {WAS_PAID} AND {paid} = 0")),
        ("an unpaid order was published as paid", format!("orders WHERE NOT ({WAS_PAID}) AND {paid} > 0")),
        ("a paid order has no accepted success", format!("orders WHERE {WAS_PAID} AND {accepted} <> 1")),
        (
            "a paid order lacks its total or captured amount",
            format!("orders WHERE {WAS_PAID} AND amount_paid <> coalesce({captured}, amount_total)"),
        ),
        ("an unpaid order has money", format!("orders WHERE NOT ({WAS_PAID}) AND amount_paid <> 0")),
        ("more was refunded than paid", "orders WHERE amount_refunded > amount_paid".into()),
        (
            "a refund is neither sent nor to be sent",
            "refunds WHERE (stripe_refund_id IS NULL AND refused IS NULL) <> (resume_at IS NOT NULL)".into(),
        ),
        (
            "two messages of an order, or of a seller, have one place",
            "(SELECT sequence FROM outbox GROUP BY order_id, seller_id, sequence HAVING count(*) > 1) AS tied"
                .into(),
        ),
        (
            "an order with refunds or disputes isn't marked",
            "orders WHERE NOT has_refunds_or_disputes \
             AND id IN (SELECT order_id FROM refunds UNION SELECT order_id FROM disputes)"
                .into(),
        ),
        ("an order was not told as placed once", format!("orders WHERE {created} <> 1")),
        ("an order has two live attempts", format!("orders WHERE {live} > 1")),
        (
            "an order shows an attempt that is not its own",
            format!("orders WHERE current_payment_id IS NOT NULL AND {current} <> 1"),
        ),
        (
            "an order with attempts shows none",
            "orders WHERE current_payment_id IS NULL AND id IN (SELECT order_id FROM payments)".into(),
        ),
        ("an outcome version is in the future", "orders WHERE outcome_version > version".into()),
        (
            "an event has a future order version",
            "outbox JOIN orders ON orders.id = outbox.order_id WHERE sequence > version".into(),
        ),
        (
            "an event has a future seller version",
            "outbox JOIN sellers ON sellers.id = outbox.seller_id WHERE sequence > version".into(),
        ),
        (
            "a message repeats another one",
            "(SELECT kind FROM outbox GROUP BY order_id, seller_id, kind, subject HAVING count(*) > 1) AS twice"
                .into(),
        ),
        (
            "an attempt is charged on other terms than its order is sold on",
            "payments JOIN orders ON orders.id = payments.order_id WHERE NOT payments.closed \
             AND coalesce(nullif(payments.account, ''), payments.destination, '') \
             <> coalesce(orders.seller_account, '')"
                .into(),
        ),
    ] {
        assert_eq!(database.scalar_i64(&format!("SELECT count(*) FROM {rows}")).await, 0, "{broken}");
    }
}
