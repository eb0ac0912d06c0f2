"""Google Cloud Storage on loopback: an emulator from PyPI, and a proxy that leads TensorFlow's C++ client to it.

Python clients (gcsfs, google-cloud-storage) read the emulator's address from STORAGE_EMULATOR_HOST. TensorFlow's file
system for gs:// has Google's addresses compiled in, but uses libcurl, which obeys `https_proxy` and trusts the
certificates in CURL_CA_BUNDLE: the proxy answers as Google with a test certificate. No code under test is replaced.
"""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from gcp_storage_emulator import server as emulator_server

_HOSTS = ("www.googleapis.com", "storage.googleapis.com")


@contextmanager
def object_store(folder: Path, bucket: str) -> Iterator[dict[str, str]]:
    """Serves an empty bucket in memory; yields the environment variables that programs need for gs://.

    Args:
        folder: where the certificate is written.
        bucket: name of the bucket.
    """
    emulator = emulator_server.create_server("127.0.0.1", 0, in_memory=True, default_bucket=bucket)
    emulator_server._read_data = _read_data
    emulator.start()
    host, port = emulator._api._httpd.socket.getsockname()
    certificate = _certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        threading.Thread(target=_accept, args=(proxy, context, (host, port)), daemon=True).start()
        address = "http://{}:{}".format(*proxy.getsockname())
        try:
            yield {
                "STORAGE_EMULATOR_HOST": f"http://{host}:{port}",
                "http_proxy": address,
                "https_proxy": address,
                "no_proxy": "127.0.0.1,localhost",
                "CURL_CA_BUNDLE": str(certificate),
                "GOOGLE_AUTH_TOKEN_FOR_TESTING": "token",
                "NO_GCE_CHECK": "true",
            }
        finally:
            emulator.stop()


_emulators_read_data = emulator_server._read_data


def _read_data(handler: BaseHTTPRequestHandler, query: dict[str, list[str]]) -> object:
    """Like the emulator's function, which fails on two requests of TensorFlow.

    One has a Content-Length beside a chunked body (ignored by RFC 9112, 6.3), the other the empty object of a folder.
    """
    if handler.headers.get("Transfer-Encoding") == "chunked":
        del handler.headers["Content-Length"]
    data = _emulators_read_data(handler, query)
    return b"" if data is None and query.get("uploadType") == ["media"] else data


def _certificate(folder: Path) -> Path:
    """A key and its self-signed certificate for Google's two hosts, valid for a day, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback object store")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in _HOSTS]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "loopback.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


def _accept(proxy: socket.socket, context: ssl.SSLContext, emulator: tuple[str, int]) -> None:
    with suppress(OSError):  # the test closed it
        while True:
            client, _ = proxy.accept()
            threading.Thread(target=_serve, args=(client, context, emulator), daemon=True).start()


def _serve(client: socket.socket, context: ssl.SSLContext, emulator: tuple[str, int]) -> None:
    """Passes one connection on: a tunnel for https, a request with an absolute address for http."""
    head = b""
    while b"\r\n\r\n" not in head and (more := client.recv(65536)):
        head += more
    first, _, rest = head.partition(b"\r\n")
    method, _, target = first.partition(b" ")
    if not any(host.encode() in target for host in _HOSTS):  # only the store can be reached through this proxy
        client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        client.close()
        return
    with socket.create_connection(emulator) as server, suppress(OSError):
        if method == b"CONNECT":
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            client = context.wrap_socket(client, server_side=True)
        else:
            _, _, path = target.removeprefix(b"http://").partition(b"/")
            if b"Expect: 100-continue\r\n" in rest:  # the emulator never sends it, and curl waits a second for it
                client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                rest = rest.replace(b"Expect: 100-continue\r\n", b"")
            server.sendall(method + b" /" + path + b"\r\n" + rest)
        upwards = threading.Thread(target=_copy, args=(client, server), daemon=True)
        upwards.start()
        _copy(server, client)  # until the emulator has answered: it closes after each answer
        with suppress(OSError):
            socket.socket.shutdown(client, socket.SHUT_RDWR)
        upwards.join()  # do not read from a closed descriptor: the next connection may get its number
    client.close()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(65536):
            target.sendall(block)
