"""Tests the sandbox at SANDBOX_URL with Stripe's Python library. Prints one line per check, and exits with 1 on failure.

If STRIPE_TEST_SECRET_KEY is set, the script tests Stripe's test mode instead, or the server at STRIPE_TEST_URL. It then
skips the checks that need the sandbox.
"""

import os
import re
import sys
import time
import traceback
import urllib.error
import urllib.request
import uuid
from urllib.parse import parse_qs, urlencode, urlsplit

import stripe

key = os.environ.get("STRIPE_TEST_SECRET_KEY")
if key is not None and not key.startswith(("sk_test_", "rk_test_")):
    sys.exit("STRIPE_TEST_SECRET_KEY must be a key of Stripe's test mode: sk_test_... or rk_test_...")
if key is None:
    url = os.environ.get("SANDBOX_URL", "http://127.0.0.1:12111")
else:
    url = os.environ.get("STRIPE_TEST_URL", "https://api.stripe.com")
client = stripe.StripeClient(key or "sk_test_sandbox", base_addresses={"api": url}, max_network_retries=0)
intents = client.v1.payment_intents
CARDS = {
    "amount": 1000,
    "currency": "eur",
    "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
}


class Skipped(Exception):
    """The reason why a check was skipped."""


def sandbox_only(reason):
    """Skips a check in Stripe's test mode."""
    if key is not None:
        raise Skipped(reason)


def wait_until(check):
    """Repeats `check` until it succeeds. Stripe lists events with a delay."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return check()
        except (AssertionError, IndexError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def failure(kind, call):
    """Returns the error of type `kind` that `call` raises."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}")


def payments():
    created = intents.create({**CARDS, "metadata": {"order_id": "ord_1"}})
    assert created.status == "requires_payment_method"
    paid = intents.confirm(created.id, {"payment_method": "pm_card_visa", "expand": ["latest_charge"]})
    assert paid.status == "succeeded" and paid.latest_charge.paid
    assert intents.retrieve(created.id).metadata["order_id"] == "ord_1"
    updated = intents.update(created.id, {"metadata": {"order_id": "ord_2"}})
    assert updated.metadata["order_id"] == "ord_2"


def charges():
    paid = intents.create({**CARDS, "confirm": True, "payment_method": "pm_card_visa"})
    client.v1.refunds.create({"payment_intent": paid.id, "amount": 400})
    charge = client.v1.charges.retrieve(paid.latest_charge, {"expand": ["refunds"]})
    assert charge.payment_intent == paid.id and charge.amount_refunded == 400
    # The library pages with the list URL in the charge.
    assert [refund.amount for refund in charge.refunds.list().data] == [400]
    updated = client.v1.charges.update(charge.id, {"metadata": {"order_id": "ord_1"}})
    assert updated.metadata["order_id"] == "ord_1"
    assert [one.id for one in client.v1.charges.list({"payment_intent": paid.id}).data] == [charge.id]


def customers_and_payment_methods():
    customers, methods = client.v1.customers, client.v1.payment_methods
    customer = customers.create({"email": "c@example.com"})
    method = methods.create({"type": "card", "card": {"token": "tok_visa"}})
    assert methods.attach(method.id, {"customer": customer.id}).customer == customer.id
    assert methods.retrieve(method.id).card.last4 == "4242"
    assert methods.update(method.id, {"billing_details": {"name": "Ada"}}).billing_details.name == "Ada"
    assert [one.id for one in customers.payment_methods.list(customer.id).data] == [method.id]
    listed = methods.list({"customer": customer.id, "type": "card"})
    assert [one.id for one in listed.data] == [method.id]
    assert methods.detach(method.id).customer is None
    assert customers.update(customer.id, {"name": "Ada"}).email == "c@example.com"
    assert customers.retrieve(customer.id).name == "Ada"
    assert customers.list({"email": "c@example.com", "limit": 1}).data[0].id == customer.id
    assert customers.delete(customer.id).deleted


def webhook_endpoints():
    endpoints = client.v1.webhook_endpoints
    endpoint = endpoints.create({"url": "https://example.com/hook", "enabled_events": ["charge.refunded"]})
    assert endpoint.secret.startswith("whsec_")
    assert endpoints.retrieve(endpoint.id).url == "https://example.com/hook"
    assert endpoints.list({"limit": 1}).data[0].id == endpoint.id
    assert endpoints.update(endpoint.id, {"disabled": True}).status == "disabled"
    assert endpoints.delete(endpoint.id).deleted


def captures_and_cancels():
    manual = {**CARDS, "capture_method": "manual", "confirm": True, "payment_method": "pm_card_visa"}
    assert intents.capture(intents.create(manual).id).status == "succeeded"
    assert intents.cancel(intents.create(manual).id).status == "canceled"


def declines_are_card_errors():
    for method, code, decline_code in [
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc"),
    ]:
        error = failure(
            stripe.CardError,
            lambda method=method: intents.create({**CARDS, "confirm": True, "payment_method": method}),
        )
        assert error.code == code and error.http_status == 402
        assert error.error.decline_code == decline_code
        assert error.error.payment_intent.status == "requires_payment_method"
        assert error.request_id.startswith("req_")


def other_errors_have_their_classes():
    error = failure(stripe.InvalidRequestError, lambda: intents.create({**CARDS, "color": "red"}))
    assert error.code == "parameter_unknown" and error.param == "color"
    error = failure(stripe.InvalidRequestError, lambda: intents.retrieve("pi_x"))
    assert error.code == "resource_missing" and error.http_status == 404
    failure(stripe.AuthenticationError, lambda: intents.list(options={"api_key": "sk_live_x"}))
    failure(stripe.PermissionError, lambda: intents.list(options={"stripe_account": "nobody"}))


def idempotency_keys():
    options = {"idempotency_key": str(uuid.uuid4())}
    first = intents.create(CARDS, options)
    assert intents.create(CARDS, options).id == first.id
    failure(stripe.IdempotencyError, lambda: intents.create({**CARDS, "amount": 2000}, options))


def pagination():
    created = [intents.create(CARDS).id for _ in range(5)][::-1]
    listed = []
    for intent in intents.list({"limit": 2}).auto_paging_iter():
        listed.append(intent.id)
        if len(listed) == len(created):
            break
    assert listed == created


def refunds():
    paid = intents.create({**CARDS, "confirm": True, "payment_method": "pm_card_visa"})
    part = client.v1.refunds.create({"payment_intent": paid.id, "amount": 400, "metadata": {"order_id": "ord_1"}})
    assert part.status == "succeeded" and part.metadata["order_id"] == "ord_1"
    assert client.v1.refunds.retrieve(part.id, {"expand": ["charge"]}).charge.amount_refunded == 400
    error = failure(
        stripe.InvalidRequestError,
        lambda: client.v1.refunds.create({"payment_intent": paid.id, "amount": 601}),
    )
    assert error.param == "amount" and "unrefunded amount" in str(error)
    client.v1.refunds.create({"charge": paid.latest_charge})
    repeat = lambda: client.v1.refunds.create({"charge": paid.latest_charge})
    assert failure(stripe.InvalidRequestError, repeat).code == "charge_already_refunded"
    updated = client.v1.refunds.update(part.id, {"metadata": {"order_id": "ord_2"}})
    assert updated.metadata["order_id"] == "ord_2"
    error = failure(stripe.InvalidRequestError, lambda: client.v1.refunds.cancel(part.id))
    assert error.http_status == 400
    listed = client.v1.refunds.list({"payment_intent": paid.id})
    assert [refund.amount for refund in listed.data] == [600, 400]


def disputes():
    sandbox_only("the check disputes a charge with the control API")
    paid = intents.create({**CARDS, "confirm": True, "payment_method": "pm_card_visa"})
    client.raw_request("post", f"/_sandbox/charges/{paid.latest_charge}/dispute", reason="duplicate")
    dispute = client.v1.disputes.list({"payment_intent": paid.id}).data[0]
    assert dispute.status == "needs_response" and dispute.reason == "duplicate"
    staged = client.v1.disputes.update(dispute.id, {"evidence": {"customer_name": "Ada"}, "submit": False})
    assert staged.evidence.customer_name == "Ada" and staged.evidence_details.submission_count == 0
    assert client.v1.disputes.close(dispute.id).status == "lost"
    assert client.v1.disputes.retrieve(dispute.id).status == "lost"


def balance():
    sandbox_only("fees differ between accounts")
    paid = intents.create({**CARDS, "confirm": True, "payment_method": "pm_card_visa"})
    transaction = client.v1.balance_transactions.list({"source": paid.latest_charge}).data[0]
    assert client.v1.balance_transactions.retrieve(transaction.id).net == 941
    assert client.v1.balance.retrieve().object == "balance"


def checkout_sessions():
    sandbox_only("the check pays a page with the control API")
    sessions = client.v1.checkout.sessions
    mug = {"currency": "eur", "unit_amount": 999, "product_data": {"name": "Mug", "description": "Blue"}}
    params = {
        "mode": "payment",
        "success_url": "https://shop.example/done?session={CHECKOUT_SESSION_ID}",
        "cancel_url": "https://shop.example/cart",
        "line_items": [{"quantity": 2, "price_data": mug}],
        "metadata": {"order_id": "ord_1"},
        "payment_intent_data": {"capture_method": "manual", "metadata": {"order_id": "ord_1"}},
    }
    session = sessions.create(params)
    assert session.status == "open" and session.amount_total == 1998 and session.payment_intent is None
    assert sessions.line_items.list(session.id).data[0].price.unit_amount == 999
    client.raw_request("post", f"/_sandbox/checkout/sessions/{session.id}/pay")
    authorized = sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    assert authorized.status == "complete" and authorized.payment_intent.status == "requires_capture"
    assert sessions.list({"payment_intent": authorized.payment_intent.id}).data[0].id == session.id
    assert sessions.update(session.id, {"metadata": {"order_id": "ord_2"}}).metadata["order_id"] == "ord_2"
    expired = sessions.expire(sessions.create(params).id)
    assert expired.status == "expired" and expired.url is None
    failure(stripe.InvalidRequestError, lambda: sessions.expire(expired.id))
    failure(stripe.InvalidRequestError, lambda: sessions.create({**params, "mode": "subscription"}))


def products_and_prices():
    products, prices = client.v1.products, client.v1.prices
    price = {"currency": "eur", "unit_amount": 1999, "tax_behavior": "inclusive"}
    mug = products.create({"name": "Mug", "metadata": {"sku": "mug"}, "default_price_data": price})
    read = products.retrieve(mug.id, {"expand": ["default_price"]})
    assert read.default_price.unit_amount == 1999 and read.default_price.tax_behavior == "inclusive"
    changed = products.update(mug.id, {"name": "Cup", "metadata": {"sku": ""}, "active": False})
    assert changed.name == "Cup" and "sku" not in changed.metadata and not changed.active
    spoon = prices.create({"currency": "usd", "unit_amount": 500, "product_data": {"name": "Spoon"}})
    assert prices.list({"product": spoon.product}).data[0].id == spoon.id
    assert prices.retrieve(spoon.id).recurring is None
    products.update(spoon.product, {"active": False})
    failure(stripe.InvalidRequestError, lambda: products.delete(mug.id))
    fork = products.create({"name": "Fork"})
    assert [one.id for one in products.list({"ids": [fork.id, mug.id], "active": True}).data] == [fork.id]
    assert products.delete(fork.id).deleted
    failure(stripe.InvalidRequestError, lambda: products.retrieve(fork.id))


def connect():
    sandbox_only("the check needs a user on Stripe's page")
    base = os.environ.get("SANDBOX_URL", "http://127.0.0.1:12111")
    bases = {"api": base, "connect": base}
    platform = stripe.StripeClient("sk_test_sandbox", client_id="ca_Test1", base_addresses=bases)
    authorize_url = platform.oauth.authorize_url(
        {"state": "a b", "scope": "read_write", "redirect_uri": "https://shop.example/back"}
    )
    with urllib.request.urlopen(authorize_url) as page:
        assert "Connect my account" in page.read().decode()
    form = {
        "client_id": "ca_Test1",
        "redirect_uri": "https://shop.example/back",
        "scope": "read_write",
        "state": "a b",
        "decision": "connect",
        "account": "new",
    }
    query = parse_qs(urlsplit(location_of(f"{base}/oauth/authorize", form)).query)
    assert query["state"] == ["a b"]
    grant = {"grant_type": "authorization_code", "code": query["code"][0]}
    token = platform.oauth.token(grant)
    seller = token.stripe_user_id
    assert platform.v1.accounts.retrieve(seller).charges_enabled
    own = stripe.StripeClient(token.access_token, base_addresses=bases)
    assert own.v1.accounts.retrieve_current().id == seller
    options = {"stripe_account": seller}
    paid = intents.create(
        {**CARDS, "confirm": True, "payment_method": "pm_card_visa", "application_fee_amount": 100}, options
    )
    assert paid.application == "ca_Test1"
    mug = client.v1.products.create({"name": "Mug"}, options)
    assert client.v1.products.retrieve(mug.id, options=options).name == "Mug"
    fee = client.v1.application_fees.list({"charge": paid.latest_charge}).data[0]
    assert fee.amount == 100 and fee.account == seller
    refunds = client.v1.application_fees.refunds
    refund = refunds.create(fee.id)
    assert refunds.retrieve(fee.id, refund.id).amount == 100
    assert refunds.update(fee.id, refund.id, {"metadata": {"why": "late"}}).metadata["why"] == "late"
    assert [one.id for one in refunds.list(fee.id).data] == [refund.id]
    assert client.v1.application_fees.retrieve(fee.id).refunded
    failure(stripe.oauth_error.InvalidGrantError, lambda: platform.oauth.token(grant))
    unknown = {"stripe_user_id": "acct_unknown"}
    failure(stripe.oauth_error.InvalidClientError, lambda: platform.oauth.deauthorize(unknown))
    assert platform.oauth.deauthorize({"stripe_user_id": seller}).stripe_user_id == seller
    failure(stripe.PermissionError, lambda: intents.list(options=options))

    account = client.v1.accounts.create({"type": "custom", "country": "DE"})
    capabilities = client.v1.accounts.capabilities
    capabilities.update(account.id, "transfers", {"requested": True})
    assert capabilities.retrieve(account.id, "transfers").requested
    assert "transfers" in [one.id for one in capabilities.list(account.id).data]
    client.v1.accounts.update(account.id, {"metadata": {"seller": "7"}})
    assert client.v1.accounts.list({"limit": 1}).data[0].metadata["seller"] == "7"
    link = {
        "account": account.id,
        "type": "account_onboarding",
        "refresh_url": "https://shop.example/again",
        "return_url": "https://shop.example/back",
    }
    link = client.v1.account_links.create(link)
    with urllib.request.urlopen(link.url) as page:
        form = re.search('action="([^"]+)"', page.read().decode())[1]
    assert location_of(base + form, {"outcome": "complete"}) == "https://shop.example/back"
    assert client.v1.accounts.retrieve(account.id).capabilities.transfers == "active"
    params = {**CARDS, "confirm": True, "payment_method": "pm_card_visa", "transfer_data": {"destination": account.id}}
    paid = intents.create(params)
    transfer = client.v1.transfers.list({"destination": account.id}).data[0]
    assert transfer.source_transaction == paid.latest_charge
    why, reversals = {"metadata": {"why": "late"}}, client.v1.transfers.reversals
    reversal = reversals.create(transfer.id, {"amount": 400})
    assert reversals.retrieve(transfer.id, reversal.id).amount == 400
    assert reversals.update(transfer.id, reversal.id, why).metadata["why"] == "late"
    assert [one.id for one in reversals.list(transfer.id).data] == [reversal.id]
    assert client.v1.transfers.retrieve(transfer.id).amount_reversed == 400
    assert client.v1.transfers.update(transfer.id, why).metadata["why"] == "late"
    rejected = client.v1.accounts.reject(account.id, {"reason": "fraud"})
    assert rejected.requirements.disabled_reason == "rejected.platform_fraud"
    assert client.v1.accounts.delete(account.id).deleted


def location_of(url, form):
    """Posts a form, and returns the URL of the redirect."""

    class NoRedirect(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):
            return None

    try:
        urllib.request.build_opener(NoRedirect).open(url, urlencode(form).encode())
    except urllib.error.HTTPError as error:
        return error.headers["location"]
    raise AssertionError("expected a redirect")


def events():
    paid = intents.create({**CARDS, "confirm": True, "payment_method": "pm_card_visa"})

    def latest():
        event = client.v1.events.list({"type": "payment_intent.succeeded", "limit": 1}).data[0]
        assert event.data.object["id"] == paid.id
        return event

    event = wait_until(latest)
    assert client.v1.events.retrieve(event.id).type == "payment_intent.succeeded"


def main():
    failed = 0
    checks = [
        payments,
        charges,
        customers_and_payment_methods,
        webhook_endpoints,
        captures_and_cancels,
        declines_are_card_errors,
        other_errors_have_their_classes,
        idempotency_keys,
        pagination,
        refunds,
        disputes,
        balance,
        checkout_sessions,
        products_and_prices,
        connect,
        events,
    ]
    for check in checks:
        name = check.__name__.replace("_", " ")
        try:
            check()
            print(f"ok      {name}")
        except Skipped as reason:
            print(f"skipped {name}: {reason}")
        except Exception:
            failed += 1
            print(f"FAILED  {name}\n{traceback.format_exc()}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
