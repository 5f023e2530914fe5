"""The look-alike of FCM and of Google's token endpoint, as `firebase-admin` sees them."""

import datetime
import json
from pathlib import Path
from unittest import mock

import firebase_admin
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from firebase_admin import credentials, exceptions, messaging
from google.auth.exceptions import RefreshError
from google.oauth2 import service_account

from case import Case
from simulator import PATIENCE


def message(token="well-1", **fields):
    fields.setdefault("data", {"herald_id": "7"})
    return messaging.Message(token=token, **fields)


class Fcm(Case):
    def setUp(self):
        super().setUp()
        settings = self.simulator.app["fcm"]
        self.account = json.loads(Path(settings["service_account_file"]).read_text())
        url = settings["endpoint"] + "/v1/projects/{0}/messages:send"
        for patch in [
            mock.patch.object(messaging._MessagingService, "FCM_URL", url),
            # Google's library names Google's endpoint as the audience, whatever the account's token_uri
            mock.patch.object(service_account, "_GOOGLE_OAUTH2_TOKEN_ENDPOINT", self.account["token_uri"]),
        ]:
            patch.start()
            self.addCleanup(patch.stop)
        self.app = self.start(self.account)

    def start(self, account):
        app = firebase_admin.initialize_app(credentials.Certificate(account), {"httpTimeout": PATIENCE}, name=f"{self.id()}-{id(account)}")
        self.addCleanup(firebase_admin.delete_app, app)
        return app

    def send(self, one, **options):
        return messaging.send(one, app=self.app, **options)

    def assert_no_push(self, token):
        self.assertEqual(self.simulator.pushes(token), [])

    def test_a_message_is_booked_as_it_was_sent(self):
        notification = messaging.Notification(title="Ann", body="Lunch?")
        name = self.send(message(notification=notification))
        self.assertRegex(name, rf"^projects/{self.account['project_id']}/messages/.+")
        push = self.simulator.push("well-1")
        expected = {"token": "well-1", "data": {"herald_id": "7"}, "notification": {"title": "Ann", "body": "Lunch?"}}
        self.assertEqual(push["body"]["message"], expected)
        self.assertTrue(push["headers"]["authorization"].startswith("Bearer "))

    def test_every_field_of_the_client_is_taken(self):
        android = messaging.AndroidConfig(
            collapse_key="c",
            priority="high",
            ttl=datetime.timedelta(seconds=90, milliseconds=500),
            restricted_package_name="com.example",
            data={"k": "v"},
            notification=messaging.AndroidNotification(
                title="t",
                body="b",
                icon="i",
                color="#a1b2c3",
                sound="s",
                tag="t",
                click_action="a",
                body_loc_key="k",
                body_loc_args=["1"],
                title_loc_key="k",
                title_loc_args=["1"],
                channel_id="c",
                image="https://example.com/i.png",
                ticker="t",
                sticky=True,
                event_timestamp=datetime.datetime(2026, 12, 1, tzinfo=datetime.timezone.utc),
                local_only=True,
                priority="max",
                vibrate_timings_millis=[100, 1500],
                default_vibrate_timings=False,
                default_sound=True,
                light_settings=messaging.LightSettings(color="#a1b2c3", light_on_duration_millis=100, light_off_duration_millis=200),
                default_light_settings=False,
                visibility="secret",
                notification_count=3,
                proxy="if_priority_lowered",
            ),
            fcm_options=messaging.AndroidFCMOptions("label"),
            direct_boot_ok=True,
            bandwidth_constrained_ok=True,
            restricted_satellite_ok=True,
        )
        sound = messaging.CriticalSound("s", critical=True, volume=0.5)
        aps = messaging.Aps(
            alert=messaging.ApsAlert(title="t", subtitle="s", body="b", loc_key="k", loc_args=["1"], launch_image="l"),
            badge=3,
            sound=sound,
            content_available=True,
            category="c",
            thread_id="t",
            mutable_content=True,
            custom_data={"interruption-level": "critical"},
        )
        apns = messaging.APNSConfig(
            headers={"apns-priority": "5"},
            payload=messaging.APNSPayload(aps, key="value"),
            fcm_options=messaging.APNSFCMOptions("label", "https://example.com/i.png"),
            live_activity_token="token",
        )
        webpush = messaging.WebpushConfig(
            headers={"TTL": "60"},
            data={"k": "v"},
            notification=messaging.WebpushNotification(
                title="t", body="b", icon="i", actions=[messaging.WebpushNotificationAction("a", "t")], tag="t", vibrate=[100]
            ),
            fcm_options=messaging.WebpushFCMOptions("https://example.com"),
        )
        self.send(message(android=android, apns=apns, webpush=webpush, fcm_options=messaging.FCMOptions("label")))
        body = self.simulator.push("well-1")["body"]["message"]
        self.assertEqual(body["android"]["ttl"], "90.500000000s")
        self.assertEqual(body["apns"]["payload"]["aps"]["sound"], {"critical": 1, "name": "s", "volume": 0.5})
        self.assertEqual(body["webpush"]["notification"]["actions"], [{"action": "a", "title": "t"}])

    def test_a_dry_run_is_checked_and_not_booked(self):
        name = self.send(message("well-2"), dry_run=True)
        self.assertTrue(name.endswith("/fake_message_id"), name)
        self.assert_no_push("well-2")
        with self.assertRaises(messaging.UnregisteredError):
            self.send(message("dead-2"), dry_run=True)
        self.assert_no_push("dead-2")

    def test_tokens_that_misbehave(self):
        for token, status, error in [
            ("dead-1", 404, messaging.UnregisteredError),
            ("bad-1", 400, exceptions.InvalidArgumentError),
            ("mismatch-1", 403, messaging.SenderIdMismatchError),
            ("quota-1", 429, messaging.QuotaExceededError),
        ]:
            with self.subTest(token):
                with self.assertRaises(error):
                    self.send(message(token))
                self.assertEqual(self.simulator.push(token, status)["body"]["message"]["token"], token)
        self.assertEqual(self.simulator.stats()["accepted"], 0)

    def test_the_client_tries_a_failing_service_again(self):
        self.send(message("down-2-1"))
        self.assertEqual([push["status"] for push in self.simulator.pushes("down-2-1")], [503, 503, 200])

    def test_what_is_wrong_with_a_message_is_named(self):
        for wrong, field in [
            (message(android=messaging.AndroidConfig(ttl=datetime.timedelta(weeks=5))), "ttl"),
            (message(data={"from": "me"}), "from"),
            (message(data={"k": "x" * 4096}), "too big"),
            (messaging.Message(topic="news", data={"k": "x" * 2048}), "too big"),
        ]:
            with self.subTest(field):
                with self.assertRaises(exceptions.InvalidArgumentError) as refused:
                    self.send(wrong)
                self.assertIn(field, json.dumps(refused.exception.http_response.json()))

    def test_topics_and_conditions(self):
        self.send(messaging.Message(topic="news", data={"k": "v"}))
        self.assertEqual(self.simulator.push("topic:news")["body"]["message"]["topic"], "news")
        condition = "'news' in topics && !('sport' in topics)"
        self.send(messaging.Message(condition=condition, data={"k": "v"}))
        self.simulator.push(f"condition:{condition}")

    def test_many_at_once(self):
        result = messaging.send_each([message(f"well-{number}") for number in range(100)], app=self.app)
        self.assertEqual((result.success_count, result.failure_count), (100, 0))
        names = {response.message_id for response in result.responses}
        self.assertEqual(len(names), 100)

    def test_a_key_of_firebase_s_that_apple_refuses(self):
        self.simulator.behave([{"provider": "fcm", "respond": {"status": 401, "reason": "THIRD_PARTY_AUTH_ERROR"}}])
        with self.assertRaises(messaging.ThirdPartyAuthError):
            self.send(message())

    def test_an_access_token_that_ended_is_renewed(self):
        self.send(message())
        before = self.simulator.stats()["oauth_tokens"]
        self.simulator.behave([{"provider": "fcm", "respond": {"status": 401}, "times": 1}])
        self.send(message())
        self.assertEqual(self.simulator.stats()["oauth_tokens"], before + 1)

    def test_a_revoked_key(self):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        app = self.start(self.account | {"private_key": pem.decode()})
        with self.assertRaisesRegex(RefreshError, "invalid_grant"):
            messaging.send(message("well-3"), app=app)
        self.assert_no_push("well-3")

    def test_another_project_is_not_found(self):
        app = self.start(self.account | {"project_id": "other"})
        with self.assertRaises(exceptions.NotFoundError) as refused:
            messaging.send(message(), app=app)
        self.assertNotIsInstance(refused.exception, messaging.UnregisteredError)
