//! What must hold in the database whatever has happened.

use quittance_test_support::TestDatabase;

const PAID: &str = "kind = 'order.paid' AND subject = ''";

/// Asserts what must hold whatever has happened.
pub(crate) async fn check(database: &TestDatabase) {
    let paid = format!("(SELECT count(*) FROM outbox WHERE order_id = orders.id AND {PAID})");
    let created = "(SELECT count(*) FROM outbox WHERE order_id = orders.id AND kind = 'order.created')";
    let accepted = "(SELECT count(*) FROM decisions WHERE order_id = orders.id AND kind = 'accepted')";
    let live = "(SELECT count(*) FROM payments WHERE order_id = orders.id AND NOT closed)";
    let current = "(SELECT count(*) FROM payments WHERE order_id = orders.id AND id = current_payment_id)";
    for (broken, rows) in [
        ("an order was told as paid twice", format!("orders WHERE {paid} > 1")),
        ("an order is paid and nobody was told", format!("orders WHERE status = 'paid' AND {paid} = 0")),
        ("an order was told as paid and is not", format!("orders WHERE status <> 'paid' AND {paid} > 0")),
        ("a paid order has no accepted success", format!("orders WHERE status = 'paid' AND {accepted} <> 1")),
        (
            "a paid order has not all its money",
            "orders WHERE status = 'paid' AND amount_paid <> amount_total".into(),
        ),
        ("an unpaid order has money", "orders WHERE status <> 'paid' AND amount_paid <> 0".into()),
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
        ("a version was settled that is to come", "orders WHERE settled_version > version".into()),
        (
            "something was told of a version to come",
            "outbox JOIN orders ON orders.id = outbox.order_id WHERE sequence > version".into(),
        ),
        (
            "a message repeats another one",
            "(SELECT order_id FROM outbox GROUP BY order_id, kind, subject HAVING count(*) > 1) AS twice"
                .into(),
        ),
    ] {
        assert_eq!(database.scalar_i64(&format!("SELECT count(*) FROM {rows}")).await, 0, "{broken}");
    }
}
