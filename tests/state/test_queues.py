"""Redis and Kafka for real where the machine has them, and what became of them."""

from __future__ import annotations

import json
import pickle
import time
from datetime import datetime, timezone

import pytest

from helm_safe.model.kafka_changes import changes as queue_changes
from helm_safe.model.photograph import KafkaState, Photograph, Subject
from helm_safe.model.redis_changes import changes
from helm_safe.model.traffic import NoData
from helm_safe.state import kafka
from helm_safe.state import redis as probe
from tests.fakes.webserver import Handler, listening
from tests.state.servers import deaf_server, kafka_server, redis_server


def same(host: str, port: int) -> tuple[str, int]:
    return host, port


def now() -> datetime:
    return datetime.now(timezone.utc)


def test_families_of_a_real_redis() -> None:
    from redis import Redis

    with redis_server() as address:
        client = Redis.from_url(address)
        for number in range(300):
            client.set(f"session:{number:x}a9f", b'{"user": "ada"}', ex=3600)
            client.hset(f"cart:{number}:items", "tea", 1)
        before = probe.read(address, same, now)
        assert before.whole
        assert before.keys == 600
        assert before.families["session:*"].formats == ("JSON",)
        assert before.families["session:*"].expiring == 100
        for number in range(300):
            client.set(f"session:{number:x}a9f", pickle.dumps({"user": "ada"}), ex=3600)
            client.delete(f"cart:{number}:items")
            client.sadd(f"cart:{number}:items", "tea")
        after = probe.read(address, same, now)
        said = {each.family: each.words for each in changes(before, after)}
        assert "pickle" in said["session:*"]
        assert "WRONGTYPE" in said["cart:*:items"]
        body = Photograph(now(), 1, "", redis=after).to_json()
        assert "ada" not in str(body)
        wrong = address.replace("s3cret-of-redis", "another-s3cret")
        with pytest.raises(NoData) as caught:
            probe.read(wrong, same, now)
        assert "another-s3cret" not in str(caught.value)


def test_a_redis_that_never_answers_is_no_data() -> None:
    with deaf_server() as port, pytest.raises(NoData):
        probe.read(f"redis://127.0.0.1:{port}", same, now)


@pytest.mark.parametrize(
    ("key", "family"),
    [
        (b"session:8f3a2b", "session:*"),
        (b"app:v3:user:42", "app:v3:user:*"),
        (b"feature-flags", "feature-flags"),
        (b"cart:12:items", "cart:*:items"),
        (b"\xff\xfe", "*"),
    ],
)
def test_ids_are_left_out_of_families(key: bytes, family: str) -> None:
    assert probe.family_of(key) == family


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_kafka_that_is_not_there_is_no_data() -> None:
    began = time.monotonic()
    with pytest.raises(NoData):
        kafka.read("kafka://127.0.0.1:1", "", same)
    assert time.monotonic() - began < 20


@pytest.mark.timeout(240)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # kafka-python leaves sockets open
def test_a_real_kafka_and_a_registry() -> None:
    from kafka import KafkaConsumer, KafkaProducer

    with kafka_server() as broker, listening(Registry) as port:
        producer = KafkaProducer(bootstrap_servers=broker)
        for _ in range(20):
            producer.send("orders", b"secret-message")
        producer.flush()
        consumer = KafkaConsumer(
            "orders", bootstrap_servers=broker, group_id="billing", auto_offset_reset="earliest",
            consumer_timeout_ms=20000, enable_auto_commit=False,
        )  # fmt: skip
        for number, _ in enumerate(consumer, 1):
            if number == 15:
                break
        consumer.commit()
        before = kafka.read(f"kafka://{broker}", f"http://127.0.0.1:{port}", same)
        assert before.topics["orders"].end == 20
        assert before.groups["billing"].topics == ("orders",)
        consumer.close()
        for _ in range(30):
            producer.send("orders", b"secret-message")
        producer.flush()
        producer.close()
        after = kafka.read(f"kafka://{broker}", f"http://127.0.0.1:{port}", same)
    assert before.subjects == {"orders-value": Subject(7, "AVRO", "BACKWARD")}
    assert after.topics["orders"].end == 50
    assert after.groups["billing"].lag >= 30
    older = before._replace(subjects={"orders-value": Subject(6, "AVRO", "BACKWARD")})
    said = [each.words for each in queue_changes(older, after)]
    assert any("was 6 and is 7 now (AVRO); 30 messages came since" in words for words in said)
    assert "secret-message" not in str(after.to_json())
    assert KafkaState.from_json(after.to_json()) == after


class Registry(Handler):
    """The Schema Registry's documented answers, for one subject."""

    def do_GET(self) -> None:  # noqa: N802 - the name is the library's
        answers = {
            "/subjects": ["orders-value"],
            "/subjects/orders-value/versions/latest": {
                "subject": "orders-value",
                "id": 9,
                "version": 7,
                "schema": "{}",
            },
            "/config/orders-value?defaultToGlobal=true": {"compatibilityLevel": "BACKWARD"},
        }
        found = answers.get(self.path)
        self.answer(200 if found else 404, {}, json.dumps(found or {"error_code": 40401}).encode())


def test_a_registry_that_refuses_is_no_data() -> None:
    with listening(Refusing) as port, pytest.raises(ValueError, match="401"):
        kafka._subjects(f"http://127.0.0.1:{port}", same)


class Refusing(Handler):
    def do_GET(self) -> None:  # noqa: N802 - the name is the library's
        self.answer(401, {}, b"{}")
