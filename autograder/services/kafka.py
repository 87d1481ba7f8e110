"""Apache Kafka: one node that is broker and controller (KRaft), for this machine only.

There is no wheel and no Debian package, but Maven has it: its jar files are fetched once into the
user's cache folder (45 MB).
"""

from __future__ import annotations

import base64
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from . import looking
from .docker import container
from .model import Namespace, NoAnswer, Plan, Server, Service, Step, Way

VERSION = "4.3.1"  # Java 17 suffices, and the consumer protocol of KIP-848 is there; as in Compose
_JAVA = 17
_LOGGING = "2.25.3"

# Rebalances come soon, since tests wait for them; a cluster of one cannot replicate.
_SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={folder}/data
num.partitions=4
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.session.timeout.ms=6000
group.consumer.min.heartbeat.interval.ms=100
group.consumer.heartbeat.interval.ms=500
"""
_LOG = """\
rootLogger.level=WARN
rootLogger.appenderRef.out.ref=OUT
appender.out.type=Console
appender.out.name=OUT
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %m (%c{1})%n
"""
_POM = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>course</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>{VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>log4j-slf4j-impl</artifactId>
      <version>{_LOGGING}</version>
    </dependency>
  </dependencies>
</project>
"""
_JVM = ("-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


def address(port: int) -> str:
    """The bootstrap server on this port."""
    return f"127.0.0.1:{port}"


def ping(where: str) -> None:
    """Return once a broker at one of these addresses, joined by commas, has named its cluster.

    Raises:
        NoAnswer: none has.
    """
    brokers = [broker.strip() for broker in where.split(",")]
    problem = NoAnswer("that is no address")
    for broker in filter(None, brokers):
        try:
            looking.reach(broker, 9092)
            break
        except NoAnswer as reason:
            problem = reason
    else:
        raise problem
    kafka: Any = import_module("confluent_kafka")
    try:
        if not _admin(where).list_topics(timeout=looking.PATIENCE).brokers:
            raise NoAnswer("it knows no broker yet")
    except kafka.KafkaException as error:
        raise NoAnswer(error.args[0].str()) from None


@contextmanager
def namespace(service: Service) -> Iterator[Namespace]:
    """A prefix for the names of topics and groups; what bears it is deleted afterwards."""
    prefix = looking.unique() + "."
    try:
        yield Namespace(service.address, prefix)
    finally:
        with suppress(Exception):  # the test may have killed the broker, or deleted them itself
            _delete(service.address, prefix)


def _delete(where: str, prefix: str) -> None:
    kafka: Any = import_module("confluent_kafka")
    admin = _admin(where)
    topics = [name for name in admin.list_topics(timeout=10).topics if name.startswith(prefix)]
    groups = [
        group.group_id
        for group in admin.list_consumer_groups(request_timeout=10).result().valid
        if group.group_id.startswith(prefix)
    ]
    deleted: list[Any] = []
    if groups:
        deleted += admin.delete_consumer_groups(groups, request_timeout=10).values()
    if topics:
        deleted += admin.delete_topics(topics, operation_timeout=10).values()
    for future in deleted:
        with suppress(kafka.KafkaException):  # a group that still has members
            future.result(15)


def _admin(where: str) -> Any:
    """A client that keeps its complaints to itself; we say what is wrong."""
    admin: Any = import_module("confluent_kafka.admin")
    settings = {"bootstrap.servers": where, "log_level": 0, "error_cb": lambda _: None}
    return admin.AdminClient(settings)


def plan(java: str, maven: str | None, port: int, folder: Path) -> Plan:
    """Fetch the jar files if need be, format the log directory, run the node."""
    jars = jar_folder()
    fetched = jars.with_name(f"{jars.name}.{folder.name}")
    steps, afterwards = [], []
    if maven and not jars.is_dir():
        goal = "dependency:copy-dependencies"
        where = [f"-DoutputDirectory={fetched}", "-DincludeScope=runtime"]
        take = "import os, sys; os.path.isdir(sys.argv[2]) or os.rename(*sys.argv[1:])"
        steps += [
            Step([maven, "-B", "-ntp", "-f", str(folder / "pom.xml"), goal, *where], stays=False),
            Step([sys.executable, "-c", take, str(fetched), str(jars)], stays=False),
        ]
        remove = "import shutil, sys; shutil.rmtree(sys.argv[1], ignore_errors=True)"
        afterwards = [[sys.executable, "-c", remove, str(fetched)]]  # if it was interrupted
    settings = str(folder / "server.properties")
    log = f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}"
    run = [java, *_JVM, log, "-cp", str(jars / "*")]
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    steps += [
        Step([*run, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", settings], False),
        # Nothing of it is kept: an orderly end would be for nothing.
        Step([*run, "kafka.Kafka", settings], polite="SIGKILL"),
    ]
    values = {"port": port, "controller": looking.free_port(), "folder": folder.as_posix()}
    files = {
        "server.properties": _SETTINGS.format(**values),
        "log4j2.properties": _LOG,
        "pom.xml": _POM,
    }
    return Plan(steps, str(folder), files, afterwards=afterwards)


def jar_folder() -> Path:
    """Where the jar files are, once they have been fetched."""
    return looking.cache_folder() / f"kafka-{VERSION}"


@cache
def _java() -> str | None:
    """A Java that is new enough."""
    java = looking.program("java")
    if java is None:
        return None
    try:
        done = subprocess.run(
            [java, "-version"], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.search(r'version "(\d+)', done.stderr)
    return java if version and int(version[1]) >= _JAVA else None


def _here() -> bool:
    return _java() is not None and (jar_folder().is_dir() or looking.program("mvn") is not None)


def _maven(port: int, folder: Path) -> Plan:
    return plan(str(_java()), looking.program("mvn"), port, folder)


SERVER = Server(
    name="kafka",
    title="Kafka",
    variable="KAFKA_BOOTSTRAP",
    port=9092,
    modules=(10, 17),
    address=address,
    ping=ping,
    ways=(
        container("kafka", startup=600),
        Way(
            "Maven",
            _here,
            _maven,
            looking.system_package("default-jre-headless maven", "openjdk maven"),
            startup=400,
        ),
    ),
    namespace=namespace,
    clients=("confluent_kafka",),
)
