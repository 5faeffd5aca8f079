"""A shop that uses the client generated from openapi/quittance.json.

Reads the catalog, places an order, pays it, and checks that it is paid. Needs a service in sandbox mode, with its URLs
in QUITTANCE_URL and QUITTANCE_SANDBOX_URL.
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

T = TypeVar("T")


def success(response: T | Problem | None) -> T:
    """Returns a successful response, or fails."""
    if response is None or isinstance(response, Problem):
        raise AssertionError(f"{response.code}: {response.detail}" if response else "undocumented response")
    return response


def main() -> None:
    url, sandbox = os.environ["QUITTANCE_URL"], os.environ["QUITTANCE_SANDBOX_URL"]
    public = Client(base_url=url)

    config = success(config_get.sync(client=public))
    assert config.mode == PublicMode.SANDBOX

    product = success(product_list.sync(client=public, limit=2)).data[0]

    # A request with the same idempotency key returns the same order.
    key = str(uuid.uuid4())
    body = OrderCreate(
        items=[OrderItemCreate(product_id=product.id, quantity=2)],
        customer=CustomerInput(email="jenny.rosen@example.com", name="Jenny Rosen"),
    )
    order = success(order_create.sync(client=public, body=body, idempotency_key=key))
    assert order.status == OrderStatus.PENDING
    assert order.amount_total == 2 * product.unit_amount
    repeated = success(order_create.sync(client=public, body=body, idempotency_key=key))
    assert (repeated.id, repeated.client_token) == (order.id, order.client_token)

    # A lookup can wait for 20 seconds.
    customer = AuthenticatedClient(base_url=url, token=order.client_token, timeout=httpx.Timeout(30))
    intent = success(order_payment_intent_create.sync(order.id, client=customer))
    assert intent.amount == order.amount_total
    assert intent.status == PaymentStatus.REQUIRES_PAYMENT_METHOD

    # In a browser, Stripe.js confirms the payment.
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

    payment = success(order_payment_get.sync(order.id, client=customer, wait=20, after=order.version))
    assert (payment.status, payment.order_status) == (PaymentStatus.SUCCEEDED, OrderStatus.PAID)

    paid = success(order_get.sync(order.id, client=customer))
    assert paid.status == OrderStatus.PAID
    assert paid.amount_paid == order.amount_total
    assert paid.payment is not None and paid.payment.payment_intent_id == intent.payment_intent_id
    assert paid.payment.last_error is None

    # An inaccessible order is not found. Errors are typed, too.
    missing = order_get.sync_detailed("ord_00000000000000000000000000", client=customer)
    assert missing.status_code == HTTPStatus.NOT_FOUND
    assert isinstance(missing.parsed, Problem)
    assert missing.parsed.code == "not_found"
    assert missing.parsed.request_id == missing.headers["X-Request-Id"]

    print(f"Python: {paid.id} is {paid.status.value}")


if __name__ == "__main__":
    main()
