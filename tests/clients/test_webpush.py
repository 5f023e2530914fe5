"""The web push service of the simulator, as `pywebpush` sees it."""

import json
import time

import requests
from cryptography.hazmat.primitives.asymmetric import ec
from py_vapid import Vapid
from pywebpush import WebPushException, webpush

from case import Case
from simulator import PATIENCE

TEXT = json.dumps({"title": "Ann", "body": "Grüße 🥗", "data": {"herald_id": "7"}})


class WebPush(Case):
    def setUp(self):
        super().setUp()
        self.key = Vapid.from_file(self.simulator.app["webpush"]["vapid_key_file"])
        self.session = requests.Session()
        # a push service that redirects is not followed
        self.session.max_redirects = 0
        self.addCleanup(self.session.close)

    def send(self, subscription, text=TEXT, **changes):
        fields = {
            "vapid_private_key": self.key,
            "vapid_claims": {"sub": "mailto:ops@example.com"},
            "ttl": 60,
            "timeout": PATIENCE,
            "requests_session": self.session,
        }
        return webpush(subscription, text, **(fields | changes))

    def assert_refused(self, status, subscription, **changes):
        with self.assertRaises(WebPushException) as refused:
            self.send(subscription, **changes)
        self.assertEqual(refused.exception.response.status_code, status)
        return refused.exception.response

    def test_what_the_client_encrypted_is_read(self):
        subscription = self.simulator.subscribe("clients-1")
        answer = self.send(subscription, headers={"Urgency": "high", "Topic": "chat-9"})
        self.assertEqual(answer.status_code, 201)
        self.assertEqual(answer.headers["TTL"], "60")
        self.assertIn("Location", answer.headers)
        push = self.simulator.push("clients-1", 201)
        self.assertEqual((push["provider"], push["body"]), ("webpush", json.loads(TEXT)))
        sent = {name: push["headers"][name] for name in ["ttl", "urgency", "topic", "content-encoding"]}
        self.assertEqual(sent, {"ttl": "60", "urgency": "high", "topic": "chat-9", "content-encoding": "aes128gcm"})

    def test_every_push_is_sealed_anew(self):
        subscription = self.simulator.subscribe("clients-2")
        for number in range(20):
            self.send(subscription, json.dumps({"number": number}))
        self.assertEqual([push["body"]["number"] for push in self.simulator.pushes("clients-2")], list(range(20)))

    def test_subscriptions_that_misbehave(self):
        for name, status in [("dead", 410), ("missing", 404), ("bad", 400), ("mismatch", 400), ("quota", 429), ("down", 503)]:
            with self.subTest(name):
                answer = self.assert_refused(status, self.simulator.subscribe(f"{name}-clients"))
                if name == "quota":
                    self.assertEqual(answer.headers["Retry-After"], "1")
                self.simulator.push(f"{name}-clients", status)

    def test_a_redirect_leads_nowhere(self):
        with self.assertRaises(requests.TooManyRedirects):
            self.send(self.simulator.subscribe("moved-clients"))
        self.assertEqual(self.simulator.pushes("moved"), [])

    def test_a_subscription_that_works_the_third_time(self):
        subscription = self.simulator.subscribe("down-2-clients")
        for _ in range(2):
            self.assert_refused(503, subscription)
        self.assertEqual(self.send(subscription).status_code, 201)

    def test_who_may_send(self):
        subscription = self.simulator.subscribe("clients-3")
        other = Vapid(ec.generate_private_key(ec.SECP256R1()))
        self.assert_refused(403, subscription, vapid_private_key=other)
        self.assert_refused(401, subscription, vapid_claims=None)
        claims = {"sub": "mailto:ops@example.com"}
        for wrong in [{"aud": "https://example.com"}, {"exp": int(time.time()) + 90_000}]:
            with self.subTest(wrong):
                self.assert_refused(401, subscription, vapid_claims=claims | wrong)

    def test_what_is_wrong_with_a_push_is_refused(self):
        subscription = self.simulator.subscribe("clients-4")
        self.assert_refused(400, subscription, headers={"Urgency": "now"})
        self.assert_refused(400, subscription, headers={"Topic": "x" * 33})
        self.assert_refused(400, subscription, content_encoding="aesgcm")
        self.assert_refused(413, subscription, text="x" * 4096)

    def test_a_message_for_other_keys_is_not_read(self):
        mine, other = self.simulator.subscribe("clients-5"), self.simulator.subscribe("clients-6")
        self.assert_refused(400, {"endpoint": mine["endpoint"], "keys": other["keys"]})
