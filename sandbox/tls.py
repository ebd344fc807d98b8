"""A certificate authority for one sandbox, and one certificate that all of its servers present.

The certificate also carries the platforms' public host names, so that a program whose endpoint cannot be
changed may be pointed here by name resolution alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import certifi
import trustme

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["HOSTS", "Tls", "issue"]

HOSTS = (
    "localhost",
    "127.0.0.1",
    "::1",
    "googleads.googleapis.com",
    "www.googleapis.com",
    "oauth2.googleapis.com",
    "accounts.google.com",
    "analyticsdata.googleapis.com",
    "graph.facebook.com",
    "graph-video.facebook.com",
    "slack.com",
    "www.slack.com",
    "hooks.slack.com",
    "api.twilio.com",
)


@dataclass(frozen=True, slots=True)
class Tls:
    """Paths of PEM files.

    cert_pem: the servers' certificate with its chain. key_pem: its private key. ca_pem: the local
    authority alone. ca_file: certifi's public authorities and the local one, so that it may stand where
    a program's default roots stood (gRPC's and requests' settings replace the defaults).
    """

    cert_pem: Path
    key_pem: Path
    ca_pem: Path
    ca_file: Path


def issue(folder: Path, more: Sequence[str] = ()) -> Tls:
    """Make a new authority and a certificate for HOSTS and `more`, into `folder` (which must exist)."""
    ca = trustme.CA(organization_name="Marketing sandbox")
    certificate = ca.issue_cert(*HOSTS, *more)
    tls = Tls(folder / "server.pem", folder / "server.key", folder / "ca.pem", folder / "ca-bundle.pem")
    tls.key_pem.touch(mode=0o600)
    certificate.private_key_pem.write_to_path(tls.key_pem)
    tls.cert_pem.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    ca.cert_pem.write_to_path(tls.ca_pem)
    tls.ca_file.write_text(certifi.contents() + "\n" + ca.cert_pem.bytes().decode())
    return tls
