"""Web addresses and paged interfaces: files come whole, from a server that fails in the ways servers do."""

import datetime as dt
import gzip
import hashlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
import requests
from anchorspend import fetch, ingest, land
from anchorspend.contract import Institution
from anchorspend.errors import UserError
from anchorspend.fetch import http

QUICK = fetch.Limits(connect=1, read=0.3, total=3, attempts=3, first_wait=0.01, longest_wait=0.2)
BODY = b"Date,Supplier,Amount\n" + b"01/04/2017,Acme,1.00\n" * 20_000
COLUMNS = {"payment_date": "Date", "supplier_name": "Supplier", "amount": "Amount"}
APRIL = {"every": "month", "starts": dt.date(2017, 4, 1), "ends": dt.date(2017, 6, 30)}
Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Site:
    """A real server on loopback. A path has one answer, or several given one after the other, the last one for good."""

    url: str
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def on(self, path: str, *answers: Answer) -> str:
        self.answers[path] = list(answers)
        return self.url + path

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]

    def headers(self, name: str) -> list[str | None]:
        return [headers.get(name.lower()) for _, headers in self.asked]


def serve(host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            site.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            answers = site.answers.get(urlsplit(self.path).path, [nothing])
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            with suppress(BrokenPipeError, ConnectionResetError):
                answer(self)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer((host, 0), Handler)
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    site = Site(f"http{'s' if tls else ''}://{host}:{server.server_port}")
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield site
    server.shutdown()
    server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    yield from serve()


def send(body: bytes = BODY, status: int = 200, **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


nothing = send(b"nothing here", 404)


def cut(count: int, body: bytes = BODY, **headers: str) -> Answer:
    """Promises a whole body, sends a piece and hangs up."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        send(body[:count], 200, **{"Content_Length": str(len(body)), **headers})(handler)
        handler.close_connection = True

    return answer


def rest(body: bytes = BODY, **headers: str) -> Answer:
    """Serves the part that is asked for, as a server with ranges does; the whole where the version is another."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked, version = handler.headers.get("Range"), handler.headers.get("If-Range")
        if not asked or version not in {headers.get("ETag"), headers.get("Last_Modified")}:
            return send(body, **headers)(handler)
        begins = int(asked.removeprefix("bytes=").removesuffix("-"))
        part = f"bytes {begins}-{len(body) - 1}/{len(body)}"
        return send(body[begins:], 206, **{"Content_Range": part, **headers})(handler)

    return answer


def stall(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(0.6)
    handler.close_connection = True


def drip(handler: BaseHTTPRequestHandler) -> None:
    """Never silent for long, never done."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    for _ in range(40):
        handler.wfile.write(b"x")
        time.sleep(0.05)


def to(url: str, status: int = 302) -> Answer:
    return send(b"", status, Location=url)


def college(source: dict[str, Any], **feed: Any) -> Institution:
    ledger = {
        "kind": "ledger",
        "description": "Payments",
        "source": {"allow_private": True, **source},
        "period": r"(?P<year>\d{4})-(?P<month>\d\d)",
        "vat": "net",
        "layouts": [{"columns": COLUMNS}],
        **feed,
    }
    return Institution.model_validate({"id": "college", "name": "C", "type": "college", "feeds": {"ledger": ledger}})


@pytest.fixture
def get(tmp_path: Path) -> Callable[..., dict[str, bytes]]:
    """Fetches everything a source has, as name to bytes."""

    def fetched(
        source: dict[str, Any], limits: fetch.Limits = QUICK, lookup: fetch.Lookup | None = None, **feed: Any
    ) -> dict[str, bytes]:
        files = {}
        institution = college(source, **feed)
        with fetch.opened(institution, "ledger", lookup or fetch.from_environment, limits) as origin:
            for number, found in enumerate(origin.discover()):
                scratch = tmp_path / f"scratch-{number}"
                scratch.mkdir(exist_ok=True)
                if one := origin.fetch(found, None, scratch):
                    files[one.name] = one.path.read_bytes()
        return files

    return fetched


# What can heal


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_a_server_that_fails_twice_is_asked_a_third_time(site: Site, get, status: int) -> None:
    url = site.on("/2017-04.csv", send(b"", status), send(b"", status), send())
    assert get({"urls": [url]}) == {"2017-04.csv": BODY}
    assert len(site.asked) == 3


def test_a_server_that_goes_on_failing_is_named_and_left(site: Site, get) -> None:
    url = site.on("/2017-04.csv", send(b"", 503))
    with pytest.raises(fetch.FetchFailed, match=rf"{url}: the server answers 503 .*; tried 3 times"):
        get({"urls": [url]})
    assert len(site.asked) == 3


def test_a_server_that_is_down_is_not_waited_for_at_every_address(site: Site, connection: psycopg.Connection) -> None:
    urls = [site.on(f"/2017-{month:02}.csv", send(b"", 503)) for month in range(1, 7)]
    feed = college({"urls": [*urls, site.on("/2017-07.csv", send())]})
    with pytest.raises(fetch.FetchFailed):
        list(ingest.land_feed(feed, "ledger", limits=QUICK))
    assert len(site.asked) == 3 + 3 + 3 + 1 + 1 + 1 + 1
    assert connection.execute("select name from landing.file").fetchall() == [("2017-07.csv",)]


def test_a_wait_asked_for_is_kept(site: Site, get) -> None:
    url = site.on("/2017-04.csv", send(b"", 429, Retry_After="1"), send())
    begun = time.monotonic()
    get({"urls": [url]}, fetch.Limits(attempts=2, first_wait=0.01, longest_wait=2))
    assert 1 <= time.monotonic() - begun < 1.9


def test_a_wait_too_long_to_be_kept_is_left_to_a_later_attempt(site: Site, get) -> None:
    url = site.on("/2017-04.csv", send(b"", 429, Retry_After="3600"))
    with pytest.raises(fetch.FetchFailed, match=r"429.*try again in 3600 seconds"):
        get({"urls": [url]})
    assert len(site.asked) == 1


def test_a_server_that_says_nothing_is_given_up_in_time_and_asked_again(site: Site, get) -> None:
    url = site.on("/2017-04.csv", stall, send())
    assert get({"urls": [url]}) == {"2017-04.csv": BODY}
    url = site.on("/2017-05.csv", stall)
    with pytest.raises(fetch.FetchFailed, match=r"no answer within 0\.3 seconds; tried 2 times"):
        get({"urls": [url]}, fetch.Limits(read=0.3, attempts=2, first_wait=0.01))


def test_a_server_that_drips_is_given_up_in_time(site: Site, get) -> None:
    url = site.on("/2017-04.csv", drip)
    begun = time.monotonic()
    with pytest.raises(fetch.FetchFailed, match=r"was not here after 0\.4 seconds"):
        get({"urls": [url]}, fetch.Limits(read=0.3, total=0.4))
    assert time.monotonic() - begun < 1


def test_a_server_that_is_away_is_named(get) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/2017-04.csv"
        with pytest.raises(fetch.FetchFailed, match=rf"{url}: the server cannot be reached; tried 3 times"):
            get({"urls": [url]})


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 451, 501])
def test_what_cannot_heal_is_asked_once(site: Site, get, status: int) -> None:
    url = site.on("/2017-04.csv", send(b"", status))
    with pytest.raises(UserError, match=url):
        get({"urls": [url]})
    assert len(site.asked) == 1


# Files that break off


def test_a_body_shorter_than_promised_is_never_taken_for_the_file(site: Site, get) -> None:
    url = site.on("/2017-04.csv", cut(1000))
    with pytest.raises(fetch.FetchFailed, match="tried 3 times"):
        get({"urls": [url]})
    assert site.headers("Range") == [None, None, None]


@pytest.mark.parametrize("mark", [{"ETag": '"one"'}, {"Last_Modified": "Mon, 01 May 2017 09:00:00 GMT"}])
def test_a_download_that_broke_off_goes_on_where_it_stopped(site: Site, get, mark: dict[str, str]) -> None:
    url = site.on("/2017-04.csv", cut(300_000, **mark), rest(**mark))
    assert get({"urls": [url]}) == {"2017-04.csv": BODY}
    assert site.headers("Range") == [None, "bytes=300000-"]


def test_a_file_that_changed_in_between_is_fetched_anew(site: Site, get) -> None:
    new = BODY.replace(b"Acme", b"Bell")
    url = site.on("/2017-04.csv", cut(300_000, ETag='"one"'), rest(new, ETag='"two"'))
    assert get({"urls": [url]}) == {"2017-04.csv": new}


@pytest.mark.parametrize("mark", [{}, {"ETag": 'W/"one"'}, {"ETag": '"one"', "Accept_Ranges": "none"}])
def test_where_parts_cannot_be_trusted_a_download_starts_again(site: Site, get, mark: dict[str, str]) -> None:
    url = site.on("/2017-04.csv", cut(300_000, **mark), rest(**mark))
    assert get({"urls": [url]}) == {"2017-04.csv": BODY}
    assert site.headers("Range") == [None, None]


def test_a_part_that_was_not_asked_for_is_not_appended(site: Site, get) -> None:
    wrong = send(BODY[5:], 206, ETag='"one"', Content_Range=f"bytes 5-{len(BODY) - 1}/{len(BODY)}")
    url = site.on("/2017-04.csv", cut(300_000, ETag='"one"'), wrong, send())
    assert get({"urls": [url]}) == {"2017-04.csv": BODY}


def test_chunks_that_end_too_soon_are_asked_for_again(site: Site, get) -> None:
    def chunks(handler: BaseHTTPRequestHandler, *, end: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"5\r\nabcde\r\n" + end)
        handler.close_connection = True

    whole, broken = (lambda handler, end=end: chunks(handler, end=end) for end in (b"0\r\n\r\n", b""))
    assert get({"urls": [site.on("/2017-04.csv", broken, whole)]}) == {"2017-04.csv": b"abcde"}
    assert len(site.asked) == 2


# Bounds


def test_a_file_above_the_limit_is_refused_before_it_comes(site: Site, get) -> None:
    url = site.on("/2017-04.csv", send(b"x", Content_Length="1000001"))
    with pytest.raises(UserError, match=rf"{url}: is larger than 1 MB; raise `max_mb`"):
        get({"urls": [url], "max_mb": 1})


def test_a_file_above_the_limit_that_keeps_its_size_to_itself_is_refused_on_the_way(site: Site, get) -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(40):
            handler.wfile.write(b"x" * 100_000)
        handler.close_connection = True

    with pytest.raises(UserError, match="is larger than 1 MB"):
        get({"urls": [site.on("/2017-04.csv", endless)], "max_mb": 1})


def test_a_file_packed_against_our_wish_is_unpacked_and_bounded(site: Site, get) -> None:
    url = site.on("/2017-04.csv", send(gzip.compress(BODY), Content_Encoding="gzip"))
    assert get({"urls": [url]}) == {"2017-04.csv": BODY}
    packed = gzip.compress(BODY)
    broken = packed[:40] + bytes(40) + packed[80:]
    url = site.on(
        "/2017-04.csv", send(broken, Content_Encoding="gzip"), send(packed[:-9], Content_Encoding="gzip"), send()
    )
    assert get({"urls": [url]}) == {"2017-04.csv": BODY}
    bomb = site.on("/2017-05.csv", send(gzip.compress(bytes(2_000_000)), Content_Encoding="gzip"))
    with pytest.raises(UserError, match="is larger than 1 MB"):
        get({"urls": [bomb], "max_mb": 1})


# Redirects and private networks


def test_redirects_are_followed_five_times(site: Site, get) -> None:
    for hop in range(1, 6):
        site.on(f"/{hop}", to(f"{site.url}/{hop + 1}" if hop < 5 else "/there.csv"))
    site.on("/there.csv", send())
    assert get({"urls": [f"{site.url}/1"]}) == {"1": BODY}
    url = site.on("/0", to("/1"))
    with pytest.raises(UserError, match=rf"{url}: leads from address to address more than 5 times"):
        get({"urls": [url]})


def test_a_redirect_in_a_circle_ends(site: Site, get) -> None:
    url = site.on("/2017-04.csv", to("/2017-04.csv", 307))
    with pytest.raises(UserError, match="more than 5 times"):
        get({"urls": [url]})
    assert len(site.asked) == 6


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/a", "http://u:p@127.0.0.1/a"])
def test_a_redirect_away_from_the_web_is_refused(site: Site, get, target: str) -> None:
    url = site.on("/2017-04.csv", to(target))
    with pytest.raises(UserError, match=rf"{url}: leads to an address that is none of the web"):
        get({"urls": [url]})


def test_a_redirect_to_no_address_at_all_is_refused(site: Site, get) -> None:
    url = site.on("/2017-04.csv", to("http://["))
    with pytest.raises(UserError, match=rf"{url}: cannot be asked for .*; check the address"):
        get({"urls": [url]})


def test_an_address_of_a_private_network_is_refused_and_never_asked(site: Site, get) -> None:
    url = site.on("/2017-04.csv", send())
    for named in (url, url.replace("127.0.0.1", "localhost")):
        with pytest.raises(UserError, match=r"an address of a private network; .*`allow_private: true`"):
            get({"urls": [named], "allow_private": False})
    assert site.asked == []
    assert get({"urls": [url], "allow_private": True}) == {"2017-04.csv": BODY}


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("224.0.0.1", "::1", "fe80::1%eth0", "fc00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "::"),
    ],
)
def test_no_private_address_passes(address: str) -> None:
    with pytest.raises(UserError, match="private network"):
        http.refuse_private("council.example", address)


@pytest.mark.parametrize("address", ["8.8.8.8", "51.140.1.1", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_pass(address: str) -> None:
    http.refuse_private("council.example", address)


@pytest.fixture
def first_loopback_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    """127.0.0.1 stands for the public internet, which tests have no part of; every other address is judged as ever."""
    judge = http.refuse_private
    monkeypatch.setattr(http, "refuse_private", lambda host, ip: None if ip == "127.0.0.1" else judge(host, ip))


@pytest.mark.usefixtures("first_loopback_is_public")
def test_a_redirect_into_a_private_network_is_refused(site: Site, get) -> None:
    for inside in serve("127.0.0.2"):
        url = site.on("/2017-04.csv", to(inside.on("/secret", send())))
        with pytest.raises(UserError, match=r"127\.0\.0\.2, an address of a private network"):
            get({"urls": [url], "allow_private": False})
        assert (site.paths(), inside.paths()) == (["/2017-04.csv"], [])
        assert get({"urls": [url], "allow_private": True}) == {"2017-04.csv": BODY}


def names(monkeypatch: pytest.MonkeyPatch, host: str, answers: list[list[str]]) -> list[str]:
    """Makes a host's name stand for given addresses, one answer after the other; the list grows with each question."""
    really, asked = socket.getaddrinfo, []

    def resolve(name: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        if name != host:
            return really(name, port, *arguments, **options)
        asked.append(name)
        given = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in given]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


@pytest.mark.usefixtures("first_loopback_is_public")
def test_a_name_that_stands_for_another_address_a_moment_later_gains_nothing(
    site: Site, get, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.on("/2017-04.csv", send())
    url = site.url.replace("127.0.0.1", "council.example") + "/2017-04.csv"
    asked = names(monkeypatch, "council.example", [["127.0.0.1"], ["127.0.0.2"]])
    assert get({"urls": [url], "allow_private": False}) == {"2017-04.csv": BODY}
    assert len(asked) == 1


@pytest.mark.usefixtures("first_loopback_is_public")
def test_a_name_with_one_private_address_among_others_is_refused(
    site: Site, get, monkeypatch: pytest.MonkeyPatch
) -> None:
    names(monkeypatch, "council.example", [["127.0.0.1", "10.0.0.1"]])
    with pytest.raises(UserError, match=r"council\.example is 10\.0\.0\.1"):
        get({"urls": ["http://council.example/2017-04.csv"], "allow_private": False})


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for council.example, signed by itself, with its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name.from_rfc4514_string("CN=council.example")
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + dt.timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("council.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def secure_site(certificate: Path) -> Iterator[Site]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    yield from serve(tls=tls)


@pytest.mark.parametrize("allow_private", [True, False])
@pytest.mark.usefixtures("first_loopback_is_public")
def test_a_certificate_is_checked_against_the_name_in_the_contract(
    secure_site: Site, certificate: Path, get, monkeypatch: pytest.MonkeyPatch, allow_private: bool
) -> None:
    names(monkeypatch, "council.example", [["127.0.0.1"]])
    names(monkeypatch, "other.example", [["127.0.0.1"]])
    secure_site.on("/2017-04.csv", send())
    urls = {host: secure_site.url.replace("127.0.0.1", host) + "/2017-04.csv" for host in ("council", "other")}
    url, other = (urls[host].replace(f"//{host}", f"//{host}.example") for host in ("council", "other"))
    with pytest.raises(UserError, match=rf"{url}: the server's certificate is not trusted"):
        get({"urls": [url], "allow_private": allow_private})
    monkeypatch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", str(certificate))
    assert get({"urls": [url], "allow_private": allow_private}) == {"2017-04.csv": BODY}
    with pytest.raises(UserError, match="certificate is not trusted"):
        get({"urls": [other], "allow_private": allow_private})


@pytest.mark.usefixtures("first_loopback_is_public")
def test_nothing_leads_from_https_to_http(
    secure_site: Site, site: Site, certificate: Path, get, monkeypatch: pytest.MonkeyPatch
) -> None:
    names(monkeypatch, "council.example", [["127.0.0.1"]])
    monkeypatch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", str(certificate))
    secure_site.on("/2017-04.csv", to(site.on("/plain.csv", send())))
    with pytest.raises(UserError, match="leads from https to http at 127"):
        get({"urls": [secure_site.url.replace("127.0.0.1", "council.example") + "/2017-04.csv"]})
    assert site.asked == []


# Credentials


def login(connection_id: str) -> fetch.Credentials:
    assert connection_id == "council"
    return fetch.Credentials("council", login="né", password="s3cret", extra={"headers": {"X-Key": "k3y"}})


def test_credentials_go_to_the_contracts_host_alone(site: Site, get) -> None:
    for other in serve():
        url = site.on("/2017-04.csv", to(other.on("/elsewhere", send())))
        get({"urls": [url], "connection": "council"}, lookup=login)
        assert site.headers("Authorization") == ["Basic bsOpOnMzY3JldA=="]
        assert site.headers("X-Key") == ["k3y"]
        assert (other.headers("Authorization"), other.headers("X-Key")) == ([None], [None])


@pytest.mark.parametrize("status", [401, 403])
def test_a_login_refused_names_the_connection_and_never_the_password(
    site: Site, get, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    url = site.on("/2017-04.csv", send(b"", status))
    with pytest.raises(UserError, match=rf"{status} .*connection 'council'") as told:
        get({"urls": [url], "connection": "council"}, lookup=login)
    assert [word for word in ("s3cret", "k3y") if word in f"{told.value!r} {caplog.text}"] == []
    with pytest.raises(UserError, match="name the Airflow connection"):
        get({"urls": [url]})


def test_a_header_that_cannot_be_sent_is_not_shown(site: Site, get) -> None:
    def bad(connection_id: str) -> fetch.Credentials:
        return fetch.Credentials("council", extra={"headers": {"X-Key": "k3y\n"}})

    with pytest.raises(UserError, match="the headers of connection 'council'") as told:
        get({"urls": [site.on("/2017-04.csv", send())], "connection": "council"}, lookup=bad)
    assert "k3y" not in str(told.value)


# Names


@pytest.mark.parametrize(
    ("path", "header", "name"),
    [
        ("/a/Spend%20April%202017.csv?x=1", None, "Spend April 2017.csv"),
        ("/a/..%2F..%2Fpasswd", None, "passwd"),
        ("/download", 'attachment; filename="spend 2017-04.csv"', "spend 2017-04.csv"),
        ("/download", "attachment; filename*=UTF-8''spend%20%C2%A3500.csv", "spend £500.csv"),
        ("/download", 'attachment; filename="../../etc/passwd"', "passwd"),
        ("/download", 'attachment; filename="C:\\\\spend\\\\2017-04.csv"', "2017-04.csv"),
        ("/download", 'attachment; filename=".."', "download"),
        ("/download", "inline", "download"),
    ],
)
def test_a_file_is_called_what_the_server_says_else_as_its_address_ends(
    site: Site, get, path: str, header: str | None, name: str
) -> None:
    site.on(urlsplit(path).path, send(**({"Content_Disposition": header} if header else {})))
    assert list(get({"urls": [site.url + path]})) == [name]


def test_a_file_without_any_name_is_refused(site: Site, get) -> None:
    url = site.on("/", send())
    with pytest.raises(UserError, match="ends in no file name"):
        get({"urls": [url]})


def test_a_redirect_does_not_rename_a_file(site: Site, get) -> None:
    site.on("/store/8f3a", send())
    assert list(get({"urls": [site.on("/2017-04.csv", to("/store/8f3a"))]})) == ["2017-04.csv"]


def test_two_addresses_with_one_name_are_refused(site: Site, get) -> None:
    urls = [site.on("/a/spend.csv", send()), site.on("/b/spend.csv", send(b"other"))]
    with pytest.raises(UserError, match=r"/b/spend.csv: its file is called 'spend.csv', as is that of .*/a/spend.csv"):
        get({"urls": urls})


def test_a_page_for_people_is_not_taken_for_a_file(site: Site, get) -> None:
    url = site.on("/2017-04.csv", send(b"\xef\xbb\xbf\n<!DOCTYPE html><p>Sign in", Content_Type="text/html"))
    with pytest.raises(UserError, match="a web page came instead of a file"):
        get({"urls": [url]})


# Templates


def test_a_template_is_filled_for_each_period_and_what_is_missing_is_not_published_yet(site: Site, get) -> None:
    for path in ("/2017/april-04-Q1-2017-18-2017-04.csv", "/2017/june-04-Q1-2017-18-2017-06.csv"):
        site.on(path.replace("june-04", "June-06").replace("april", "April"), send())
    url = site.url + "/{year}/{month_name}-{month:02}-Q{quarter}-{fy}-{from:%Y-%m}.csv"
    assert list(get({"url": url}, calendar=APRIL)) == [
        "April-04-Q1-2017-18-2017-04.csv",
        "June-06-Q1-2017-18-2017-06.csv",
    ]
    assert site.paths()[1] == "/2017/May-05-Q1-2017-18-2017-05.csv"


def test_periods_to_come_are_not_asked_for(site: Site) -> None:
    begins = dt.date.today().replace(day=1)
    source = college({"url": site.url + "/{from}.csv"}, calendar={"every": "month", "starts": begins})
    with fetch.opened(source, "ledger") as origin:
        assert [found.name for found in origin.discover()] == [f"{begins}.csv"]


# Landing


def land_all(institution: Institution, lookup: fetch.Lookup = fetch.from_environment) -> list[land.Landed]:
    return list(ingest.land_feed(institution, "ledger", lookup, QUICK))


def test_a_version_that_was_landed_is_not_fetched_again(site: Site, connection: psycopg.Connection) -> None:
    def unless_known(handler: BaseHTTPRequestHandler) -> None:
        known = handler.headers.get("If-None-Match") == '"one"'
        send(b"" if known else BODY, 304 if known else 200, ETag='"one"')(handler)

    url = site.on("/2017-04.csv", unless_known)
    feed = college({"urls": [url]})
    (landed,) = land_all(feed)
    assert (landed.name, landed.sha256, landed.is_new) == ("2017-04.csv", hashlib.sha256(BODY).hexdigest(), True)
    assert land_all(feed) == []
    assert site.headers("If-None-Match") == [None, '"one"']
    site.on("/2017-04.csv", send(b"put right", ETag='"two"'))
    assert [one.is_new for one in land_all(feed)] == [True]
    assert connection.execute("select distinct source from landing.file").fetchall() == [(url,)]
    assert ingest.waiting(connection, feed) == ["ledger"]


def test_a_servers_own_time_is_sent_back_and_kept(site: Site, connection: psycopg.Connection) -> None:
    stamp = "Mon, 01 May 2017 09:00:00 GMT"
    feed = college({"urls": [site.on("/2017-04.csv", send(Last_Modified=stamp), send(b"", 304))]})
    assert [len(land_all(feed)) for _ in range(2)] == [1, 0]
    assert site.headers("If-Modified-Since") == [None, stamp]
    (landed,) = connection.execute("select modified_at from landing.file").fetchall()
    assert landed[0] == dt.datetime(2017, 5, 1, 9, tzinfo=dt.UTC)


def test_the_marks_of_a_file_that_is_no_longer_registered_count_for_nothing(
    site: Site, connection: psycopg.Connection
) -> None:
    feed = college({"urls": [site.on("/2017-04.csv", send(ETag='"one"'))]})
    land_all(feed)
    connection.execute("delete from landing.file")
    assert len(land_all(feed)) == 1
    assert site.headers("If-None-Match") == [None, None]


def test_the_same_bytes_from_a_server_without_marks_are_nothing_new(site: Site, connection: psycopg.Connection) -> None:
    feed = college({"urls": [site.on("/2017-04.csv", send())]})
    assert [one.is_new for _ in range(2) for one in land_all(feed)] == [True, False]


def test_a_file_that_fails_stops_no_other_and_its_reason_stands_until_it_comes(
    site: Site, connection: psycopg.Connection
) -> None:
    bad = site.on("/2017-04.csv", send(b"", 500), send(b"", 500), send(b"", 500), send())
    feed = college({"urls": [bad, site.on("/2017-05.csv", send())]})
    landed = []
    with pytest.raises(fetch.FetchFailed, match="500"):
        landed.extend(one.name for one in ingest.land_feed(feed, "ledger", limits=QUICK))
    assert connection.execute("select name from landing.file").fetchall() == [("2017-05.csv",)]
    assert [reason.startswith(f"ledger: {bad}: the server answers 500") for reason in ingest.refused(connection, feed)]
    land_all(feed)
    assert ingest.refused(connection, feed) == []


def test_a_source_without_its_credentials_stops_no_other_feed(site: Site, connection: psycopg.Connection) -> None:
    feed = college({"urls": [site.on("/2017-04.csv", send())], "connection": "absent"})
    assert ingest.waiting(connection, feed) == ["ledger"]
    with pytest.raises(UserError, match="no connection 'absent': set AIRFLOW_CONN_ABSENT"):
        land_all(feed)
    assert ingest.refused(connection, feed)


# Paged interfaces

NOTICES = [f'{{"id": {n}, "amount": {n}.10, "big": 12345678901234567890.123456789, "e": 1E+2}}' for n in range(7)]


def page(records: list[str], **more: Any) -> bytes:
    rest_of_it = "".join(f", {json.dumps(key)}: {json.dumps(value)}" for key, value in more.items())
    return f'{{"data": {{"data": 0, "items": [{", ".join(records)}]}}{rest_of_it}}}'.encode()


def paged(size: int, body: Callable[[int, list[str]], bytes], first: int = 1, records: list[str] = NOTICES) -> Answer:
    """An interface whose pages are asked for by number."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        number = int(parse_qs(urlsplit(handler.path).query).get("page", [str(first)])[0]) - first
        send(body(number, records[number * size : (number + 1) * size]))(handler)

    return answer


def api(site: Site, **source: Any) -> dict[str, Any]:
    return {
        "api": f"{site.url}/notices",
        "parameters": {"updatedFrom": "{from}T00:00:00", "updatedTo": "{to}T23:59:59"},
        "records": "data.items",
        **source,
    }


ONE_MONTH = {"every": "month", "starts": dt.date(2017, 4, 1), "ends": dt.date(2017, 4, 30), "due_days": 5}
FILE = "ledger-2017-04-01-2017-04-30.json"


def expected(records: list[str]) -> bytes:
    return ('{"data": {"items": [' + ",".join(f"\n{record}" for record in records) + "\n]}}\n").encode()


@pytest.mark.parametrize(("size", "pages"), [(3, 3), (7, 2), (100, 2), (1, 8)])
def test_numbered_pages_are_read_until_one_is_empty(site: Site, get, size: int, pages: int) -> None:
    site.on("/notices", paged(size, lambda number, records: page(records)))
    # A last page that is short but not empty is followed by one more question: only an empty page says the end.
    got = get(api(site, pages={}), calendar=ONE_MONTH)
    assert got == {FILE: expected(NOTICES)}
    assert len(site.asked) == -(-7 // size) + 1
    assert parse_qs(urlsplit(site.paths()[0]).query) == {
        "updatedFrom": ["2017-04-01T00:00:00"],
        "updatedTo": ["2017-04-30T23:59:59"],
        "page": ["1"],
    }


@pytest.mark.parametrize(("size", "pages"), [(3, 3), (7, 2), (100, 1), (1, 8)])
def test_numbered_pages_are_read_until_one_is_short(site: Site, get, size: int, pages: int) -> None:
    site.on("/notices", paged(size, lambda number, records: page(records), first=0))
    got = get(api(site, pages={"size": size, "starts": 0}), calendar=ONE_MONTH)
    assert (got, len(site.asked)) == ({FILE: expected(NOTICES)}, pages)


@pytest.mark.parametrize(("size", "pages"), [(3, 3), (7, 1), (1, 7)])
def test_numbered_pages_are_read_up_to_the_total(site: Site, get, size: int, pages: int) -> None:
    site.on("/notices", paged(size, lambda number, records: page(records, meta={"pages": pages})))
    got = get(api(site, pages={"total": "meta.pages"}), calendar=ONE_MONTH)
    assert (got, len(site.asked)) == ({FILE: expected(NOTICES)}, pages)


def test_an_empty_page_before_the_last_is_no_end(site: Site, get) -> None:
    site.on("/notices", paged(4, lambda number, records: page(records, meta={"pages": 3})))
    assert get(api(site, pages={"total": "meta.pages"}), calendar=ONE_MONTH) == {FILE: expected(NOTICES)}
    site.on("/notices", paged(4, lambda number, records: page(records, meta={"pages": 4})))
    with pytest.raises(fetch.FetchFailed, match="page 3: is empty, of 4 pages"):
        get(api(site, pages={"total": "meta.pages"}), calendar=ONE_MONTH)


@pytest.mark.parametrize("last", [{}, {"next": None}, {"next": ""}])
@pytest.mark.parametrize("size", [3, 7, 1])
def test_cursors_are_followed_to_the_last_page(site: Site, get, size: int, last: dict[str, Any]) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        begins = int(parse_qs(urlsplit(handler.path).query).get("cursor", ["0"])[0])
        ends = begins + size
        send(page(NOTICES[begins:ends], links={"next": ends} if ends < 7 else last))(handler)

    site.on("/notices", answer)
    got = get(api(site, cursor={"path": "links.next", "parameter": "cursor"}), calendar=ONE_MONTH)
    assert (got, len(site.asked)) == ({FILE: expected(NOTICES)}, -(-7 // size))
    assert all("updatedFrom=2017-04-01" in path for path in site.paths())


@pytest.mark.parametrize(
    "address", ["{site}/notices/2?a=b", "/notices/2?a=b", "notices/2?a=b", "http://127.0.0.1/notices/2?a=b"]
)
def test_the_next_address_is_followed(site: Site, get, address: str) -> None:
    site.on("/notices", send(page(NOTICES[:3], next=address.format(site=site.url))))
    site.on("/notices/2", send(page(NOTICES[3:])))
    assert get(api(site, cursor={"path": "next"}), calendar=ONE_MONTH) == {FILE: expected(NOTICES)}
    assert site.paths()[1] == "/notices/2?a=b"


def test_the_next_address_at_another_host_is_refused(site: Site, get) -> None:
    site.on("/notices", send(page(NOTICES, next="http://127.0.0.2/notices")))
    with pytest.raises(UserError, match=r"at another host, 127\.0\.0\.2"):
        get(api(site, cursor={"path": "next"}), calendar=ONE_MONTH)


def test_a_cursor_that_comes_twice_ends_in_an_error(site: Site, get) -> None:
    site.on("/notices", send(page(NOTICES, next="a")), send(page(NOTICES, next="b")), send(page(NOTICES, next="a")))
    with pytest.raises(UserError, match="page 3: leads back to one already read"):
        get(api(site, cursor={"path": "next", "parameter": "cursor"}), calendar=ONE_MONTH)


def test_what_a_server_puts_into_the_next_address_is_not_repeated(site: Site, get) -> None:
    site.on("/notices", send(page(NOTICES, next="/more?signature=s3cret")))
    for answer in (send(b"", 500), send(b"", 403), send(b""), send(b"{}")):
        site.on("/more", answer)
        with pytest.raises((UserError, fetch.FetchFailed), match=r"/notices\?.*, page 2: ") as told:
            get(api(site, cursor={"path": "next"}), calendar=ONE_MONTH)
        assert "s3cret" not in str(told.value)


def test_a_number_that_the_server_does_not_heed_ends_in_an_error(site: Site, get) -> None:
    site.on("/notices", send(page(NOTICES)))
    with pytest.raises(UserError, match="is the page before once more; is 'page' the parameter"):
        get(api(site, pages={}), calendar=ONE_MONTH)


def test_pages_are_bounded(site: Site, get) -> None:
    site.on("/notices", paged(1, lambda number, records: page(records)))
    with pytest.raises(UserError, match="has more than 3 pages; raise `max_pages`"):
        get(api(site, pages={}, max_pages=3), calendar=ONE_MONTH)
    big = ['"' + "x" * 400_000 + '"', '"' + "y" * 400_000 + '"', '"' + "z" * 400_000 + '"']
    site.on("/notices", paged(1, lambda number, records: page(records), records=big))
    with pytest.raises(UserError, match="larger than `max_mb` together"):
        get(api(site, pages={}, max_mb=1), calendar=ONE_MONTH)


def test_records_stand_as_they_were_written(site: Site, get) -> None:
    odd = ['{"a":1.10,\n "b" : "\\u00a3\\ud83d\\ude00 £", "a": -0.0}', "1e400", '"x, ]}"', "[[1.0], {}]", "null", "{}"]
    site.on("/notices", send(page(odd)))
    assert get(api(site, pages={"size": 100}), calendar=ONE_MONTH)[FILE] == expected(odd)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_list_at_the_top_is_kept_at_the_top(site: Site, get, encoding: str) -> None:
    site.on("/notices", send(f"[{', '.join(NOTICES)}]\n".encode(encoding)))
    got = get(api(site, records="", pages={"size": 100}), calendar=ONE_MONTH)
    assert json.loads(got[FILE], parse_float=str) == [json.loads(one, parse_float=str) for one in NOTICES]


def test_a_page_that_fails_is_asked_for_again_and_lost_pages_lose_the_file(site: Site, get) -> None:
    site.on("/notices", send(page(NOTICES[:3], next="b")), send(b"", 503), cut(5), send(page(NOTICES[3:])))
    cursor = {"path": "next", "parameter": "cursor"}
    assert get(api(site, cursor=cursor), calendar=ONE_MONTH) == {FILE: expected(NOTICES)}
    site.on("/notices", send(page(NOTICES[:3], next="b")), send(b"", 503))
    with pytest.raises(fetch.FetchFailed, match="503"):
        get(api(site, cursor=cursor), calendar=ONE_MONTH)


@pytest.mark.parametrize(
    ("body", "problem", "message"),
    [
        (b"<html>back soon", fetch.FetchFailed, "what came is no JSON"),
        (b'{"data": {"items": [1, 2', fetch.FetchFailed, "what came is no JSON"),
        (b"[" * 100_000, fetch.FetchFailed, "what came is no JSON"),
        (b'{"result": []}', UserError, "there is no 'data' among result; check `records`"),
        (b'{"data": {"items": {}}}', UserError, "at 'data.items' there is no list; check `records`"),
        (b'{"data": 1}', UserError, "there is no object with 'items'; check `records`"),
    ],
)
def test_an_answer_of_another_shape_is_told(
    site: Site, get, body: bytes, problem: type[Exception], message: str
) -> None:
    site.on("/notices", send(body))
    with pytest.raises(problem, match=message):
        get(api(site, pages={}), calendar=ONE_MONTH)


def test_a_window_is_asked_for_until_it_is_due_and_then_stands(site: Site, connection: psycopg.Connection) -> None:
    site.on("/notices", send(page(NOTICES)))
    today = dt.date.today()
    calendar = {"every": "month", "starts": dt.date(2017, 4, 1), "ends": dt.date(2017, 5, 31)}
    feed = college(api(site, pages={"size": 100}), calendar=calendar)
    assert [one.name for one in land_all(feed)] == [FILE, "ledger-2017-05-01-2017-05-31.json"]
    assert (land_all(feed), len(site.asked)) == ([], 2)
    open_one = college(
        api(site, pages={"size": 100}), calendar={"every": "month", "starts": today.replace(day=1), "due_days": 40}
    )
    assert [[one.is_new for one in land_all(open_one)] for _ in range(2)] == [[True], [False]]


def test_a_window_without_records_is_not_landed_until_it_had_some(site: Site, connection: psycopg.Connection) -> None:
    site.on("/notices", send(page([])), send(page(NOTICES)), send(page([])))
    this_month = {"every": "month", "starts": dt.date.today().replace(day=1)}
    feed = college(api(site, pages={"size": 100}), calendar=this_month)
    assert [[one.is_new for one in land_all(feed)] for _ in range(3)] == [[], [True], [True]]
