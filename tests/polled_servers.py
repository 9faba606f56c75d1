"""Throw-away servers of the kinds that are polled: Prometheus, PostgreSQL and MariaDB, on free loopback ports, stopped by their ids.

Without the programs tests are skipped, except in CI, where that is a failure.
"""

import os
import shutil
import socket
import ssl
import stat
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

START_SECONDS = 60.0
POSTGRES_PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))


@dataclass(frozen=True)
class PolledServer:
    """Where a server is and as whom to ask it."""

    port: int
    username: str = ""
    password: str = ""
    database: str = ""
    authority: Path | None = None
    """The certificate that vouches for the server's, which is for `localhost`; None: it has none."""
    count_clients: Callable[[], int] = lambda: 0
    """How many connections the poller has there."""


def find_program(name: str) -> str:
    """The path of a program; without it the test is skipped or, in CI, fails."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin")
    return found or give_up(name)


def give_up(name: str) -> str:
    """Fails in CI, skips otherwise."""
    if os.environ.get("CI"):
        pytest.fail(f"{name} is not installed, and CI must test on it")
    pytest.skip(f"{name} is not installed")


def find_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def hand_over(folder: Path, user: str) -> list[str]:
    """Gives a folder to a user that is not root, whom the servers want; the beginning of commands that run as that user."""
    if os.geteuid() != 0:
        return []
    for parent in (folder, *folder.parents):
        if not parent.stat().st_mode & stat.S_IXOTH:
            parent.chmod(parent.stat().st_mode | 0o055)
    for each in (folder, *folder.rglob("*")):
        shutil.chown(each, user, user)
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]


@contextmanager
def running(command: list[str], folder: Path, is_ready: Callable[[], bool]) -> Iterator[None]:
    """A server that is ready to be asked; it ends with the block."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        end = time.monotonic() + START_SECONDS
        while not is_ready():
            if process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"{command[0]} did not start: {(folder / 'log').read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def write_certificates(folder: Path) -> Path:
    """Writes `server.pem` and `server.key` for localhost and tells where the certificate of their authority is."""
    authority_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of tests")])
    now = datetime.now(UTC)

    def build(subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, is_authority: bool) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(authority_name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        )

    authority = build(authority_name, authority_key, is_authority=True).sign(authority_key, hashes.SHA256())
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    server_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    server = build(server_name, server_key, is_authority=False).add_extension(names, critical=False).sign(authority_key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    path = folder / "authority.pem"
    path.write_bytes(authority.public_bytes(pem))
    (folder / "server.pem").write_bytes(server.public_bytes(pem))
    key = server_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.key").write_bytes(key)
    (folder / "server.key").chmod(0o600)
    return path


def answers_http(url: str, context: ssl.SSLContext | None = None) -> bool:
    """Whether something answers there at all."""
    try:
        with urllib.request.urlopen(url, timeout=2, context=context):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return error.code == 401
    except OSError:
        return False


@contextmanager
def running_prometheus(folder: Path, web_config: str = "") -> Iterator[int]:
    """The port of a Prometheus that scrapes itself every second."""
    program = find_program("prometheus")
    port = find_port()
    scheme = "https" if web_config else "http"
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
        f"scrape_configs: [{{job_name: itself, static_configs: [{{targets: ['127.0.0.1:{port}'], labels: {{zone: north}}}}]}}]\n"
        if not web_config
        else "{}\n"
    )
    (folder / "web.yml").write_text(web_config or "{}\n")
    command = [
        *(program, f"--config.file={folder}/prometheus.yml", f"--web.config.file={folder}/web.yml"),
        *(f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"),
    ]
    context = ssl._create_unverified_context() if web_config else None
    with running(command, folder, lambda: answers_http(f"{scheme}://127.0.0.1:{port}/-/ready", context)):
        yield port


@pytest.fixture(scope="session")
def prometheus_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PolledServer]:
    """A Prometheus without credentials that scrapes itself."""
    with running_prometheus(tmp_path_factory.mktemp("prometheus")) as port:
        yield PolledServer(port)


@pytest.fixture(scope="session")
def guarded_prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PolledServer]:
    """A Prometheus behind TLS and a password."""
    folder = tmp_path_factory.mktemp("guarded")
    authority = write_certificates(folder)
    web_config = (
        "tls_server_config: {cert_file: server.pem, key_file: server.key}\n"
        "basic_auth_users: {poller: $2b$04$m/BghAvG0vOp.TIT7c6XpOrNZWHLjfKKfS/yvrPF2c9FNJDCboIFG}\n"
    )
    with running_prometheus(folder, web_config) as port:
        yield PolledServer(port, "poller", "prom secret/1", authority=authority)


@pytest.fixture(scope="session")
def polled_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PolledServer]:
    """A PostgreSQL that is reached over TCP, with a password and TLS."""
    if not POSTGRES_PROGRAMS:
        give_up("PostgreSQL")
    folder = tmp_path_factory.mktemp("polled")
    authority = write_certificates(folder)
    programs = POSTGRES_PROGRAMS[-1].parent
    (folder / "password").write_text("pg secret'1")
    as_server = hand_over(folder, "postgres")
    data, port = folder / "data", find_port()
    initdb = [programs / "initdb", "-D", data, "-A", "scram-sha-256", "-U", "poller", f"--pwfile={folder}/password", "--no-sync"]
    subprocess.run([*as_server, *map(str, initdb)], check=True, cwd=folder, capture_output=True)
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": folder,
        "fsync": "off",
        "ssl": "on",
        "ssl_cert_file": folder / "server.pem",
        "ssl_key_file": folder / "server.key",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    def ask(statement: str) -> str:
        environment = {**os.environ, "PGPASSWORD": "pg secret'1"}
        address = ["-h", "127.0.0.1", "-p", str(port), "-U", "poller", "-d", "postgres"]
        command = [programs / "psql", "-X", "-At", *address, "-c", statement]
        return subprocess.run([*map(str, command)], check=True, capture_output=True, text=True, env=environment).stdout.strip()

    def is_ready() -> bool:
        with suppress(subprocess.CalledProcessError):
            return ask("SELECT 1") == "1"
        return False

    count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'lumetry'"
    with running([*as_server, str(programs / "postgres"), "-D", str(data), *options], folder, is_ready):
        yield PolledServer(port, "poller", "pg secret'1", "postgres", authority, lambda: int(ask(count)))


@pytest.fixture(scope="session")
def mariadb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PolledServer]:
    """A MariaDB with a password and TLS."""
    install, program, client = find_program("mariadb-install-db"), find_program("mariadbd"), find_program("mariadb")
    folder = tmp_path_factory.mktemp("mariadb")
    authority = write_certificates(folder)
    as_server = hand_over(folder, "mysql")
    data, port, end = folder / "data", find_port(), folder / "socket"
    making = [install, "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal", "--skip-test-db"]
    subprocess.run([*as_server, *making], check=True, cwd=folder, capture_output=True)
    serving = [
        *(program, "--no-defaults", f"--datadir={data}", f"--socket={end}", f"--port={port}", "--bind-address=127.0.0.1"),
        *(f"--pid-file={folder}/pid", "--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0", f"--ssl-ca={authority}"),
        *(f"--ssl-cert={folder}/server.pem", f"--ssl-key={folder}/server.key", "--max-allowed-packet=256M"),
    ]

    def ask(statement: str) -> str:
        command = [client, "--no-defaults", f"--socket={end}", "-u", "root", "-N", "-B", "-e", statement]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def is_ready() -> bool:
        with suppress(subprocess.CalledProcessError):
            return ask("SELECT 1") == "1"
        return False

    count = "SELECT count(*) FROM information_schema.processlist WHERE user = 'poller'"
    with running([*as_server, *serving], folder, is_ready):
        ask("CREATE DATABASE shop; CREATE USER 'poller'@'%' IDENTIFIED BY 'my sécret\"1'; GRANT ALL ON shop.* TO 'poller'@'%'")
        ask("CREATE TABLE shop.orders (id INT PRIMARY KEY, state VARCHAR(20), total DECIMAL(10,2), is_paid BOOL, flags BIT(3))")
        rows = "(1, 'open', 10.50, 1, 5), (2, 'open', 4.25, 0, 0), (3, 'sent', 99.99, 1, 0), (4, NULL, NULL, 0, NULL)"
        ask(f"INSERT INTO shop.orders VALUES {rows}")
        yield PolledServer(port, "poller", 'my sécret"1', "shop", authority, lambda: int(ask(count)))
