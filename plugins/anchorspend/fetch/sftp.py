"""SFTP servers whose host key somebody vouches for."""

import binascii
from base64 import b64decode
from io import StringIO
from pathlib import Path

import paramiko
from fsspec.implementations.sftp import SFTPFileSystem

from anchorspend.errors import UserError
from anchorspend.fetch.base import Limits
from anchorspend.fetch.credentials import Credentials

PROBLEMS = (OSError, EOFError, paramiko.SSHException, paramiko.SFTPError)


class Sftp(SFTPFileSystem):  # type: ignore[misc]  # fsspec has no types
    """fsspec's SFTP, which would trust any server, connecting only to one whose key is known."""

    cachable = False

    def __init__(self, host: str, port: int, credentials: Credentials, limits: Limits) -> None:
        self._port, self._credentials, self._limits = port, credentials, limits
        super().__init__(host)

    def _connect(self) -> None:
        credentials, limits = self._credentials, self._limits
        if not credentials.login:
            raise UserError(f"connection {credentials.id!r} has no login")
        name = self.host if self._port == 22 else f"[{self.host}]:{self._port}"
        known = _known_hosts(name, credentials)
        self.client = paramiko.SSHClient()
        for host_name, keys in known.items():
            for kind, key in keys.items():
                self.client.get_host_keys().add(host_name, kind, key)
        self.client.set_missing_host_key_policy(_RefuseUnknown(credentials.id))
        try:
            self.client.connect(
                self.host,
                self._port,
                credentials.login,
                credentials.password,
                pkey=_private_key(credentials),
                timeout=limits.connect,
                banner_timeout=limits.connect,
                auth_timeout=limits.connect,
                # Only what the connection holds, whoever runs this.
                allow_agent=False,
                look_for_keys=False,
            )
            self.ftp = self.client.open_sftp()
            self.ftp.get_channel().settimeout(limits.read)  # type: ignore[union-attr]  # it is open
        except paramiko.BadHostKeyException as problem:
            self.client.close()
            raise UserError(
                f"sftp://{name}: shows another host key ({problem.key.fingerprint}) than the one known; no login was "
                "sent. Ask the institution whether it changed; if so, put the new one into the extra of connection "
                f"{credentials.id!r}"
            ) from None
        except paramiko.AuthenticationException:
            self.client.close()
            raise PermissionError from None
        except BaseException:
            self.client.close()
            raise


class _RefuseUnknown(paramiko.MissingHostKeyPolicy):
    def __init__(self, connection_id: str) -> None:
        self._connection_id = connection_id

    def missing_host_key(
        self,
        client: paramiko.SSHClient,  # noqa: ARG002  # as paramiko calls it
        hostname: str,
        key: paramiko.PKey,
    ) -> None:
        raise UserError(
            f"sftp://{hostname}: nobody vouches for its host key ({key.fingerprint}); no login was sent. Compare it "
            "with what the institution says and put `host_key` or `known_hosts`, the path of a file, into the extra "
            f"of connection {self._connection_id!r}"
        )


def _known_hosts(name: str, credentials: Credentials) -> paramiko.HostKeys:
    """The host keys vouched for: of the connection's extra, else of its known_hosts file, else of our account's."""
    known = paramiko.HostKeys()
    given, path = credentials.extra.get("host_key"), credentials.extra.get("known_hosts")
    if given:
        words = str(given).split()
        text = next((word for word in words if word.startswith("AAAA")), "")
        try:
            blob = b64decode(text, validate=True)
            key = paramiko.PKey.from_type_string(paramiko.Message(blob).get_text(), blob)
        except (binascii.Error, paramiko.SSHException, paramiko.pkey.UnknownKeyType, ValueError):
            raise UserError(
                f"`host_key` in the extra of connection {credentials.id!r} is no public key; write it as in "
                "known_hosts: ssh-ed25519 AAAA..."
            ) from None
        known.add(name, key.get_name(), key)
        return known
    file = Path(path).expanduser() if path else Path("~/.ssh/known_hosts").expanduser()
    if path or file.is_file():
        try:
            known.load(str(file))
        except OSError as problem:
            raise UserError(f"connection {credentials.id!r}: known_hosts {file}: {problem.strerror}") from None
    return known


def _private_key(credentials: Credentials) -> paramiko.PKey | None:
    extra = credentials.extra
    text, path = extra.get("private_key"), extra.get("key_file")
    if not text and not path:
        return None
    try:
        text = text or Path(str(path)).expanduser().read_text()
    except OSError as problem:
        raise UserError(f"connection {credentials.id!r}: key_file {path}: {problem.strerror}") from None
    passphrase = extra.get("private_key_passphrase")
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            return kind.from_private_key(StringIO(text), passphrase)
        except (paramiko.SSHException, ValueError):
            continue
    raise UserError(f"connection {credentials.id!r}: its private key cannot be read; check it and its passphrase")
