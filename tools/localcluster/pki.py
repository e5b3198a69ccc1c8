"""Issue the certificates of one control plane with openssl.

Separate because everything else only names files: who may be whom is decided here. Keys never leave the
folder, which only its owner can read.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

_DAYS = "3650"


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, by path."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Subject:
    """Whom a certificate names."""

    file: str
    common_name: str
    organisation: str = ""
    alternatives: tuple[str, ...] = ()
    """Names of a server, as ``DNS:host`` or ``IP:address``; a certificate without any is a client's."""

    @property
    def line(self) -> str:
        """Return the subject as openssl wants it."""
        organisation = f"/O={self.organisation}" if self.organisation else ""
        return f"{organisation}/CN={self.common_name}"

    @property
    def extensions(self) -> str:
        """Return the X.509 extensions: servers get names, clients do not."""
        usage = "extendedKeyUsage=serverAuth,clientAuth" if self.alternatives else "extendedKeyUsage=clientAuth"
        lines = ["basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature", usage]
        if self.alternatives:
            lines.append("subjectAltName=" + ",".join(self.alternatives))
        return "\n".join(lines)


ADMIN = Subject("admin", "moorage-admin", "system:masters")
CONTROLLER_MANAGER = Subject("controller-manager", "system:kube-controller-manager")
SCHEDULER = Subject("scheduler", "system:kube-scheduler")
KUBE_PROXY = Subject("kube-proxy", "system:kube-proxy")
KUBELET_CLIENT = Subject("apiserver-kubelet-client", "kube-apiserver-kubelet-client", "system:masters")
FRONT_PROXY_CLIENT = Subject("front-proxy-client", "front-proxy-client")


def api_server(*addresses: str) -> Subject:
    """Return the API server's subject for the addresses it is reached by."""
    names = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
    hosts = tuple(f"DNS:{name}" for name in (*names, "localhost"))
    return Subject("apiserver", "kube-apiserver", alternatives=hosts + tuple(f"IP:{one}" for one in addresses))


def node_client(node: str) -> Subject:
    """Return the kubelet's subject as a client of the API server."""
    return Subject("node", f"system:node:{node}", "system:nodes")


def node_server(node: str, address: str) -> Subject:
    """Return the kubelet's subject as a server, for exec, logs and port-forward."""
    return Subject("kubelet", f"system:node:{node}", "system:nodes", (f"DNS:{node}", f"IP:{address}"))


@dataclass(frozen=True)
class Authority:
    """A folder of certificates under two authorities: the cluster's and the front proxy's."""

    folder: Path

    @property
    def root(self) -> Pair:
        """Return the authority that every certificate but the front proxy's comes from."""
        return self.pair("ca")

    @property
    def front_proxy(self) -> Pair:
        """Return the authority of aggregated API servers' callers; its own, or any client could pose as them."""
        return self.pair("front-proxy-ca")

    @property
    def service_accounts(self) -> Pair:
        """Return the public and private key that sign service-account tokens."""
        return Pair(self.folder / "service-accounts.pub", self.folder / "service-accounts.key")

    def pair(self, file: str) -> Pair:
        """Return the paths of one certificate."""
        return Pair(self.folder / f"{file}.crt", self.folder / f"{file}.key")

    def create(self) -> None:
        """Make both authorities and the service-account keys, unless they exist."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _self_signed(self.root, "moorage-ca")
        _self_signed(self.front_proxy, "moorage-front-proxy-ca")
        _rsa(self.service_accounts)
        self.issue(FRONT_PROXY_CLIENT, self.front_proxy)

    def issue(self, subject: Subject, authority: Pair | None = None) -> Pair:
        """Issue a certificate unless it exists, and return where it is."""
        pair = self.pair(subject.file)
        if not pair.certificate.exists():
            signer = authority or self.root
            by = ["-CA", str(signer.certificate), "-CAkey", str(signer.key)]
            _request(pair, subject.line, subject.extensions, by)
        return pair


def _self_signed(pair: Pair, name: str) -> None:
    if not pair.certificate.exists():
        extensions = (
            "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash"
        )
        _request(pair, f"/CN={name}", extensions, [])


def _request(pair: Pair, subject: str, extensions: str, signer: list[str]) -> None:
    """Make key and certificate in one call; the certificate appears last and whole."""
    config = pair.certificate.with_suffix(".cnf")
    config.write_text(f"[req]\ndistinguished_name=dn\nx509_extensions=ext\nprompt=no\n[dn]\n[ext]\n{extensions}\n")
    made = pair.certificate.with_suffix(".new")
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(pair.key)]
    names = ["-config", str(config), "-subj", subject, "-days", _DAYS, "-out", str(made)]
    _openssl("req", "-x509", *curve, *names, *signer)
    made.rename(pair.certificate)
    config.unlink()


def _rsa(pair: Pair) -> None:
    """Make the token keys: RSA, since RS256 is what every verifier of service-account tokens accepts."""
    if not pair.certificate.exists():
        _openssl("genrsa", "-out", str(pair.key), "2048")
        _openssl("rsa", "-in", str(pair.key), "-pubout", "-out", str(pair.certificate))


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"openssl {arguments[0]} failed: {done.stderr.strip()}")
