"""What a shop does with a client that is generated from openapi/quittance.json.

Reads the catalogue, places an order, pays it, and learns that it is paid. Against a service with its sandbox:
QUITTANCE_URL, QUITTANCE_SANDBOX_URL.
"""

import os
import uuid
from http import HTTPStatus
from typing import TypeVar

import httpx

from quittance_client import AuthenticatedClient, Client
from quittance_client.api.config import config_get
from quittance_client.api.orders import order_create, order_get
from quittance_client.api.payments import order_payment_get, order_payment_intent_create
from quittance_client.api.products import product_list
from quittance_client.models import (
    CustomerInput,
    OrderCreate,
    OrderItemCreate,
    OrderStatus,
    PaymentStatus,
    Problem,
    PublicMode,
)

Answer = TypeVar("Answer")


def well(answer: Answer | Problem | None) -> Answer:
    """What a call answered, if it did not fail."""
    if answer is None or isinstance(answer, Problem):
        raise AssertionError(f"{answer.code}: {answer.detail}" if answer else "an answer that is not described")
    return answer


def main() -> None:
    url, sandbox = os.environ["QUITTANCE_URL"], os.environ["QUITTANCE_SANDBOX_URL"]
    public = Client(base_url=url)

    config = well(config_get.sync(client=public))
    assert config.mode == PublicMode.SANDBOX

    product = well(product_list.sync(client=public, limit=2)).data[0]

    # The same key again is the same order.
    key = str(uuid.uuid4())
    body = OrderCreate(
        items=[OrderItemCreate(product_id=product.id, quantity=2)],
        customer=CustomerInput(email="jenny.rosen@example.com", name="Jenny Rosen"),
    )
    order = well(order_create.sync(client=public, body=body, idempotency_key=key))
    assert order.status == OrderStatus.PENDING
    assert order.amount_total == 2 * product.unit_amount
    again = well(order_create.sync(client=public, body=body, idempotency_key=key))
    assert (again.id, again.client_token) == (order.id, order.client_token)

    # A lookup may wait for 20 seconds.
    holder = AuthenticatedClient(base_url=url, token=order.client_token, timeout=httpx.Timeout(30))
    intent = well(order_payment_intent_create.sync(order.id, client=holder))
    assert intent.amount == order.amount_total
    assert intent.status == PaymentStatus.REQUIRES_PAYMENT_METHOD

    # In a browser, Stripe.js does this.
    confirmation = httpx.post(
        f"{sandbox}/v1/payment_intents/{intent.payment_intent_id}/confirm",
        data={
            "key": config.publishable_key,
            "client_secret": intent.client_secret,
            "payment_method": "pm_card_visa",
            "return_url": "http://127.0.0.1/return",
        },
    )
    assert confirmation.status_code == HTTPStatus.OK, confirmation.text

    payment = well(order_payment_get.sync(order.id, client=holder, wait=20, after=order.version))
    assert (payment.status, payment.order_status) == (PaymentStatus.SUCCEEDED, OrderStatus.PAID)

    paid = well(order_get.sync(order.id, client=holder))
    assert paid.status == OrderStatus.PAID
    assert paid.amount_paid == order.amount_total
    assert paid.payment is not None and paid.payment.payment_intent_id == intent.payment_intent_id
    assert paid.payment.last_error is None

    # Somebody else's order is as good as none. A failure is typed, too.
    missing = order_get.sync_detailed("ord_00000000000000000000000000", client=holder)
    assert missing.status_code == HTTPStatus.NOT_FOUND
    assert isinstance(missing.parsed, Problem)
    assert missing.parsed.code == "not_found"
    assert missing.parsed.request_id == missing.headers["X-Request-Id"]

    print(f"Python: {paid.id} is {paid.status.value}")


if __name__ == "__main__":
    main()
