"""The check itself: what it must take, and what it must not let through."""

import json
import tempfile
import unittest
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import check_requests
from check_requests import Bad, check

PAYMENT_INTENTS = "/v1/payment_intents"


def request(method, path, form="", user_agent="quittance/1.0.0"):
    sent = {"query": form, "body": ""} if method == "GET" else {"query": "", "body": form}
    return {"method": method, "path": path, "user_agent": user_agent, **sent}


class Takes(unittest.TestCase):
    def test_what_the_types_have(self):
        for method, path, form, route in [
            (
                "POST",
                PAYMENT_INTENTS,
                "amount=1999&currency=eur&automatic_payment_methods[enabled]=true&capture_method=manual"
                "&metadata[order_id]=ord_1&shipping[name]=Ada&shipping[address][line1]=1+Street&receipt_email=",
                PAYMENT_INTENTS,
            ),
            ("GET", PAYMENT_INTENTS, "created%5Bgte%5D=1&limit=100", PAYMENT_INTENTS),
            ("GET", PAYMENT_INTENTS, "created=1", PAYMENT_INTENTS),
            ("GET", "/v1/payment_intents/pi_1", "", "/v1/payment_intents/{intent}"),
            ("GET", "/v1/payment_intents/search", "query=x", "/v1/payment_intents/search"),
            ("POST", "/v1/payment_intents/pi_1/capture", "amount_to_capture=7", "/v1/payment_intents/{intent}/capture"),
            ("POST", "/v1/refunds", "payment_intent=pi_1&amount=1&reason=duplicate", "/v1/refunds"),
            (
                "POST",
                "/v1/checkout/sessions",
                "mode=payment&success_url=https%3A%2F%2Fa.example&line_items[0][price]=p&line_items[0][quantity]=2"
                "&line_items[1][price]=p&expand[]=a&expand[]=b",
                "/v1/checkout/sessions",
            ),
            (
                "POST",
                "/v1/accounts",
                "type=express&capabilities[transfers][requested]=true&metadata[seller_id]=slr_1",
                "/v1/accounts",
            ),
            ("POST", "/oauth/token", "grant_type=authorization_code&code=ac_1", "/oauth/token"),
            ("POST", "/oauth/deauthorize", "client_id=ca_1&stripe_user_id=acct_1", "/oauth/deauthorize"),
            ("GET", "/v1/events", "types[]=charge.refunded&delivery_success=false", "/v1/events"),
        ]:
            with self.subTest(method=method, path=path, form=form):
                self.assertEqual(check(request(method, path, form)).path, route)

    def test_every_endpoint_has_types_that_can_be_used(self):
        for endpoint in check_requests.endpoints():
            check_requests.adapter(endpoint.params)
        self.assertGreater(len(check_requests.endpoints()), 400)


class Refuses(unittest.TestCase):
    def refuses(self, method, path, form, why):
        with self.subTest(method=method, path=path, form=form):
            with self.assertRaisesRegex((Bad, ValueError), why):
                check(request(method, path, form))

    def test_calls_that_there_are_not(self):
        self.refuses("POST", "/v1/payment_intents/pi_1/fly", "", "no such call")
        self.refuses("DELETE", "/v1/payment_intents/pi_1", "", "no such call")
        self.refuses("POST", "/payment_intents", "", "no such call")
        self.refuses("GET", "/v1/payment_intents/", "", "no such call")

    def test_parameters_that_there_are_not(self):
        good = "amount=1&currency=eur"
        self.refuses("POST", PAYMENT_INTENTS, f"{good}&color=red", "Extra inputs")
        self.refuses("POST", PAYMENT_INTENTS, f"{good}&shipping[name]=A&shipping[address][street]=x", "street")
        self.refuses("POST", PAYMENT_INTENTS, f"{good}&stripe_account=acct_1", "Extra inputs")
        self.refuses("POST", PAYMENT_INTENTS, f"{good}&idempotency_key=k", "Extra inputs")
        self.refuses("GET", PAYMENT_INTENTS, "created[since]=1", "since")

        self.refuses("POST", "/oauth/token", "grant_type=authorization_code&code=ac_1&state=s", "state")

    def test_parameters_that_are_missing(self):
        self.refuses("POST", "/oauth/token", "code=ac_1", "grant_type")
        self.refuses("POST", "/oauth/deauthorize", "client_id=ca_1", "stripe_user_id")
        self.refuses("POST", PAYMENT_INTENTS, "amount=1", "currency")
        self.refuses("POST", PAYMENT_INTENTS, "", "amount")

    def test_wrong_types(self):
        for form in [
            "amount=1.5&currency=eur",
            "amount=+1&currency=eur",
            "amount=one&currency=eur",
            "amount=&currency=eur",
            "amount[]=1&currency=eur",
            "amount=1&currency[a]=eur",
            "amount=1&currency=eur&confirm=1",
            "amount=1&currency=eur&metadata=x",
            "amount=1&currency=eur&metadata[a][b]=x",
            "amount=1&currency=eur&metadata[]=x",
            "amount=1&currency=eur&payment_method_types=card",
            "amount=1&currency=eur&expand[0]=a&expand[2]=b",
            "amount=1&currency=eur&automatic_payment_methods=true",
        ]:
            self.refuses("POST", PAYMENT_INTENTS, form, "validation error")
        self.refuses("POST", "/oauth/token", "grant_type=password&code=ac_1", "grant_type")
        self.refuses("GET", PAYMENT_INTENTS, "limit=ten", "limit")

    def test_forms_that_say_two_things(self):
        self.refuses("POST", PAYMENT_INTENTS, "amount=1&amount=2&currency=eur", "given twice")
        self.refuses("POST", PAYMENT_INTENTS, "amount=1&currency=eur&metadata=a&metadata[a]=b", "as a value")
        self.refuses("POST", PAYMENT_INTENTS, "amount=1&currency=eur&metadata[a]=b&metadata=a", "given twice")
        self.refuses("POST", PAYMENT_INTENTS, "amount=1&currency=eur&metadata[a=b", "brackets")
        self.refuses("POST", PAYMENT_INTENTS, "amount", "")

    def test_parameters_in_the_wrong_place(self):
        with self.assertRaisesRegex(Bad, "a GET with a body"):
            check({**request("GET", PAYMENT_INTENTS), "body": "limit=1"})
        with self.assertRaisesRegex(Bad, "a POST with a query"):
            check({**request("POST", "/v1/payment_intents/pi_1/cancel"), "query": "a=b"})


class Runs(unittest.TestCase):
    def run_on(self, *requests):
        with tempfile.TemporaryDirectory() as directory, redirect_stdout(StringIO()) as said:
            lines = "".join(json.dumps(request) + "\n" for request in requests)
            Path(directory, "1.jsonl").write_text(lines, encoding="utf-8")
            return check_requests.main(directory), said.getvalue()

    def test_good_requests_are_counted(self):
        cancel = request("POST", "/v1/payment_intents/pi_1/cancel")
        status, said = self.run_on(cancel, cancel)
        self.assertEqual(status, 0, said)
        self.assertIn("2  POST /v1/payment_intents/{intent}/cancel", said)

    def test_one_wrong_request_among_good_ones_fails(self):
        wrong = request("POST", "/v1/payment_intents/pi_1/cancel", "reason=x")
        status, said = self.run_on(request("GET", PAYMENT_INTENTS), wrong)
        self.assertEqual(status, 1)
        self.assertIn("FAILED  POST /v1/payment_intents/pi_1/cancel", said)

    def test_nothing_recorded_fails(self):
        self.assertEqual(self.run_on()[0], 1)
        with redirect_stdout(StringIO()):
            self.assertEqual(check_requests.main("/nowhere"), 1)

    def test_others_are_left_out_and_do_not_count(self):
        other = request("POST", "/v1/none", user_agent="curl/8")
        self.assertEqual(self.run_on(other)[0], 1)
        self.assertEqual(self.run_on(other, request("GET", PAYMENT_INTENTS))[0], 0)

    def test_a_record_that_can_not_be_read_fails(self):
        with self.assertRaises(KeyError):
            self.run_on({"method": "GET"})


if __name__ == "__main__":
    unittest.main()
