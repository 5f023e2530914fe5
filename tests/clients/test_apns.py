"""The look-alike of APNs, as `aioapns` sees it."""

import asyncio
import logging
import ssl
import time
import uuid
from pathlib import Path
from unittest import mock
from urllib.parse import urlsplit

import jwt
from aioapns import APNs, NotificationRequest, PushType
from aioapns.connection import APNsProductionClientProtocol, JWTAuthorizationHeaderProvider
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from case import AsyncCase
from simulator import PATIENCE

logging.getLogger("aioapns").setLevel(logging.CRITICAL)

ALERT = {"aps": {"alert": {"title": "Ann", "body": "Lunch?"}}, "herald_id": "7"}


def token(start):
    return start.ljust(64, "a")


class Apns(AsyncCase):
    def setUp(self):
        super().setUp()
        self.settings = self.simulator.app["apns"]
        address = urlsplit(self.settings["endpoint"])
        for name, value in [("APNS_SERVER", address.hostname), ("APNS_PORT", address.port)]:
            patch = mock.patch.object(APNsProductionClientProtocol, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def tls(self):
        context = ssl.create_default_context(cafile=self.settings["ca_file"])
        context.set_alpn_protocols(["h2"])
        return context

    def client(self, **changes):
        settings = {
            "key": Path(self.settings["key_file"]).read_text(),
            "key_id": self.settings["key_id"],
            "team_id": self.settings["team_id"],
            "topic": self.settings["bundle_id"],
            "ssl_context": self.tls(),
            "max_connection_attempts": 1,
            "max_connections": 1,
        }
        client = APNs(**(settings | changes))
        self.addCleanup(client.pool.close)
        return client

    async def send(self, client, device_token, message=ALERT, **fields):
        fields.setdefault("push_type", PushType.ALERT)
        request = NotificationRequest(device_token=device_token, message=message, **fields)
        return await asyncio.wait_for(client.send_notification(request), PATIENCE)

    def assert_refused(self, result, status, reason):
        self.assertEqual((result.status, result.description), (str(status), reason))

    async def test_a_push_is_booked_as_it_was_sent(self):
        name = str(uuid.uuid4())
        fields = {"notification_id": name, "time_to_live": 60, "priority": 5, "collapse_key": "chat-9"}
        result = await self.send(self.client(), token("c1"), **fields)
        self.assertTrue(result.is_successful)
        self.assertEqual(result.notification_id, name)
        push = self.simulator.push(token("c1"))
        self.assertEqual((push["provider"], push["environment"], push["body"]), ("apns", "production", ALERT))
        headers = push["headers"]
        expected = {
            "apns-id": name,
            "apns-topic": self.settings["bundle_id"],
            "apns-push-type": "alert",
            "apns-priority": "5",
            "apns-collapse-id": "chat-9",
        }
        self.assertEqual({header: headers[header] for header in expected}, expected)
        self.assertAlmostEqual(int(headers["apns-expiration"]), time.time() + 60, delta=PATIENCE)

    async def test_many_at_once_over_one_connection_that_begins_with_one_stream(self):
        client = self.client()
        before = self.simulator.stats()
        tokens = [token(f"c2{number:04x}") for number in range(200)]
        results = await asyncio.gather(*(self.send(client, each) for each in tokens))
        self.assertTrue(all(result.is_successful for result in results))
        stats = self.simulator.stats()
        self.assertEqual((stats["accepted"], stats["devices"], stats["repeats"]), (200, 200, 0))
        self.assertEqual(stats["connections"] - before["connections"], 1)

    async def test_tokens_that_misbehave(self):
        client = self.client()
        for start, status, reason in [
            ("dead0", 410, "Unregistered"),
            ("bad00", 400, "BadDeviceToken"),
            ("50000", 500, "InternalServerError"),
            ("50300", 503, "ServiceUnavailable"),
            ("42900", 429, "TooManyRequests"),
        ]:
            with self.subTest(start):
                result = await self.send(client, token(start))
                self.assert_refused(result, status, reason)
                self.assertEqual(self.simulator.push(token(start), status)["body"], ALERT)
                if status == 410:
                    self.assertAlmostEqual(result.timestamp / 1000, time.time(), delta=PATIENCE)
        self.assertEqual(self.simulator.stats()["accepted"], 0)

    async def test_a_token_that_works_the_third_time(self):
        client = self.client()
        results = [await self.send(client, token("50302")) for _ in range(3)]
        self.assertEqual([result.status for result in results], ["503", "503", "200"])

    async def test_what_is_wrong_with_a_push_is_named(self):
        client = self.client()
        large = {"aps": {"alert": "x" * 4096}}
        for reason, status, fields in [
            ("BadCollapseId", 400, {"collapse_key": "x" * 65}),
            ("BadMessageId", 400, {"notification_id": str(uuid.uuid4()).upper()}),
            ("BadPriority", 400, {"priority": 7}),
            ("BadPriority", 400, {"message": {"aps": {"content-available": 1}}, "push_type": PushType.BACKGROUND, "priority": 10}),
            ("TopicDisallowed", 400, {"apns_topic": "com.example.other"}),
            ("TopicDisallowed", 400, {"push_type": PushType.VOIP}),
            ("PayloadEmpty", 400, {"message": {}}),
            ("PayloadTooLarge", 413, {"message": large}),
        ]:
            with self.subTest(f"{reason} {fields.keys()}"):
                self.assert_refused(await self.send(client, token("c3"), **fields), status, reason)
        self.assert_refused(await self.send(client, "no-token"), 400, "BadDeviceToken")

    async def test_a_call_has_its_own_topic_and_size(self):
        topic = self.settings["bundle_id"] + ".voip"
        fields = {"push_type": PushType.VOIP, "apns_topic": topic, "message": {"call": "x" * 5000}}
        self.assertTrue((await self.send(self.client(), token("c4"), **fields)).is_successful)

    async def test_provider_tokens_that_do_not_hold(self):
        other = ec.generate_private_key(ec.SECP256R1())
        pem = other.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        for reason, changes in [
            ("InvalidProviderToken", {"key": pem.decode()}),
            ("InvalidProviderToken", {"key_id": "OTHERKEY01"}),
            ("InvalidProviderToken", {"team_id": "OTHERTEAM1"}),
        ]:
            with self.subTest(changes.keys()):
                self.assert_refused(await self.send(self.client(**changes), token("c5")), 403, reason)

    async def test_a_stale_provider_token(self):
        key = Path(self.settings["key_file"]).read_text()
        hour_old = {"iss": self.settings["team_id"], "iat": int(time.time()) - 3700}
        stale = jwt.encode(hour_old, key, algorithm="ES256", headers={"kid": self.settings["key_id"]})
        with mock.patch.object(JWTAuthorizationHeaderProvider, "get_header", lambda _: f"bearer {stale}"):
            self.assert_refused(await self.send(self.client(), token("c6")), 403, "ExpiredProviderToken")

    async def test_a_certificate_stands_for_a_token(self):
        certificate = Path(self.settings["ca_file"]).with_name("push-certificate.pem")
        client = APNs(
            client_cert=str(certificate), topic=self.settings["bundle_id"], ssl_context=self.tls(), max_connection_attempts=1
        )
        self.addCleanup(client.pool.close)
        self.assertTrue((await self.send(client, token("c7"))).is_successful)
        self.assertNotIn("authorization", self.simulator.push(token("c7"))["headers"])

    async def test_a_rule_answers_what_it_is_told(self):
        rule = {"provider": "apns", "respond": {"status": 410, "reason": "ExpiredToken", "timestamp": 1700000000000}, "times": 1}
        self.simulator.behave([rule])
        client = self.client()
        result = await self.send(client, token("c8"))
        self.assert_refused(result, 410, "ExpiredToken")
        self.assertEqual(result.timestamp, 1700000000000)
        self.assertTrue((await self.send(client, token("c8"))).is_successful)
