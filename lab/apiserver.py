"""Runs etcd and kube-apiserver on the management network, with RBAC and nothing else of a cluster."""

from __future__ import annotations

import base64
import json
import secrets
import shutil
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from lab.errors import ApiServerFailed, CommandFailed
from lab.kernel import OUTSIDE, Finished
from lab.tools import Tools

__all__ = ["ApiServer"]

PORT = 6443
ETCD_PORT, ETCD_PEER_PORT = 2379, 2380
SERVICE_NETWORK = "10.96.0.0/16"
CRDS = Path(__file__).parents[1] / "deploy" / "crds"
READY_WITHIN = 90.0  # seconds; under 4 where the machine has nothing else to do


class ApiServer:
    """An API server that can be stopped and started, with its data kept.

    Objects are stored and served, admission and RBAC work; there is no controller manager, so that nothing makes
    EndpointSlices of Services, collects garbage or empties namespaces that are deleted.

    Parameters
    ----------
    tools
        Its programs.
    directory
        Folder for data, certificates and logs; best on a tmpfs.
    """

    def __init__(self, tools: Tools, directory: Path) -> None:
        self.tools = tools
        self.directory = directory
        self.url = f"https://{OUTSIDE}:{PORT}"
        self.etcd_url = f"http://127.0.0.1:{ETCD_PORT}"
        self.admin_kubeconfig = directory / "admin.kubeconfig"
        self._certificate = directory / "server.crt"
        self._token = secrets.token_urlsafe(24)
        self._etcd: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def logs(self) -> tuple[Path, Path]:
        """The logs of kube-apiserver and etcd."""
        return self.directory / "kube-apiserver.log", self.directory / "etcd.log"

    def start(self) -> None:
        """Start it and wait until it is ready.

        Raises
        ------
        ApiServerFailed
            With the end of its log, if it is not ready in time.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        self._write_credentials()
        if self._etcd is None:
            self._etcd = self._spawn("etcd", self._etcd_command())
            self._await(f"{self.etcd_url}/health", self._etcd, "etcd")
        self._server = self._spawn("kube-apiserver", self._server_command())
        self._await(f"{self.url}/readyz", self._server, "kube-apiserver")
        self.admin_kubeconfig.write_text(self.kubeconfig_for(self._token))

    def start_if_stopped(self) -> None:
        """Start it unless it runs."""
        if self._server is None:
            self.start()

    def stop(self, *, etcd: bool = False) -> None:
        """Stop it at once, as a crash would, and etcd with it if that is asked for; its data stays."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None
        if etcd and self._etcd is not None:
            self._etcd.kill()
            self._etcd.wait()
            self._etcd = None

    def restart(self) -> None:
        """Stop and start it, and etcd with it."""
        self.stop(etcd=True)
        self.start()

    def close(self) -> None:
        """Stop it and remove its data."""
        self.stop(etcd=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    def kubeconfig_for(self, token: str) -> str:
        """Return a kubeconfig for the bearer of a token, as text that needs no other file."""
        certificate = self._certificate
        cluster = {
            "server": self.url,
            "certificate-authority-data": base64.b64encode(certificate.read_bytes()).decode(),
        }
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "lab", "cluster": cluster}],
            "users": [{"name": "lab", "user": {"token": token}}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}],
            "current-context": "lab",
        }
        return json.dumps(config, indent=2) + "\n"

    def service_account_token(self, namespace: str, name: str) -> str:
        """Return a token for a service account that exists."""
        return self.kubectl("-n", namespace, "create", "token", name).stdout.strip()

    def kubectl(self, *args: str, input: str | None = None, check: bool = True) -> Finished:
        """Run kubectl as administrator.

        Raises
        ------
        CommandFailed
            If it ends with another code than 0 and ``check`` is set.
        """
        command = [str(self.tools.kubectl), "--kubeconfig", str(self.admin_kubeconfig), *args]
        done = subprocess.run(
            command, input=input or "", capture_output=True, text=True, check=False, env={"HOME": str(self.directory)}
        )
        if check and done.returncode != 0:
            raise CommandFailed(["kubectl", *args], None, done.returncode, done.stdout + done.stderr)
        return Finished(done.returncode, done.stdout, done.stderr)

    def apply(self, text: str) -> None:
        """Apply manifests."""
        self.kubectl("apply", "-f", "-", input=text)

    def add_node(self, name: str, address: str, labels: Mapping[str, str] | None = None) -> None:
        """Make a Node with this InternalIP, as a kubelet would."""
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": dict(labels or {})}}
        status = {
            "addresses": [{"type": "InternalIP", "address": address}],
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": ""}],
        }
        self.apply(json.dumps(node))
        self.kubectl(
            "patch", "node", name, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status})
        )

    def install_crds(self, folder: Path = CRDS) -> None:
        """Install the CRDs of a folder and wait until they are served."""
        self.kubectl("apply", "--server-side", "-f", str(folder))
        self.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(folder))

    def _write_credentials(self) -> None:
        key = self.directory / "service-account.key"
        if not key.exists():
            _openssl("genrsa", "-out", str(key), "2048")
            _openssl(
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
                "-subj", "/CN=lab", "-out", str(self._certificate),
                "-keyout", str(self._certificate.with_suffix(".key")),
                # 127.0.0.1 is for relays that tests put in between.
                "-addext", f"subjectAltName=IP:{OUTSIDE},IP:127.0.0.1",
                "-addext", "keyUsage=critical,digitalSignature,keyCertSign",
            )  # fmt: skip
        # Columns: token, user, uid, groups (kubernetes.io, "Static token file").
        (self.directory / "tokens.csv").write_text(f'{self._token},admin,admin,"system:masters"\n')

    def _etcd_command(self) -> list[str]:
        peers = f"http://127.0.0.1:{ETCD_PEER_PORT}"
        return [
            str(self.tools.etcd),
            f"--data-dir={self.directory / 'etcd'}",
            f"--listen-client-urls={self.etcd_url}",
            f"--advertise-client-urls={self.etcd_url}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
            "--unsafe-no-fsync",
        ]

    def _server_command(self) -> list[str]:
        key = self.directory / "service-account.key"
        return [
            str(self.tools.kube_apiserver),
            f"--etcd-servers={self.etcd_url}",
            f"--tls-cert-file={self._certificate}",
            f"--tls-private-key-file={self._certificate.with_suffix('.key')}",
            f"--cert-dir={self.directory}",
            f"--bind-address={OUTSIDE}",
            f"--advertise-address={OUTSIDE}",
            f"--secure-port={PORT}",
            f"--service-cluster-ip-range={SERVICE_NETWORK}",
            "--authorization-mode=RBAC",
            "--allow-privileged=true",  # as in clusters, where a namespace's policy judges
            f"--token-auth-file={self.directory / 'tokens.csv'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            # Of these, one waits for a controller that is not here, the other is of no use without pods.
            "--disable-admission-plugins=ServiceAccount,RuntimeClass",
            "--profiling=false",
        ]

    def _spawn(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        with (self.directory / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={"HOME": str(self.directory)}
            )

    def _await(self, url: str, process: subprocess.Popen[bytes], name: str) -> None:
        deadline = time.monotonic() + READY_WITHIN
        while not self._answers(url):
            if process.poll() is not None or time.monotonic() > deadline:
                self.stop(etcd=True)
                log = (self.directory / f"{name}.log").read_text(errors="replace")
                raise ApiServerFailed(name, process.returncode, READY_WITHIN, log)
            time.sleep(0.05)

    def _answers(self, url: str) -> bool:
        # Whether it is ready is asked; who answers is nobody else, in namespaces of the lab's own.
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {self._token}"})  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=5, context=context) as reply:  # noqa: S310
                return bool(reply.status == 200)
        except OSError:  # urllib's errors among them
            return False


def _openssl(*args: str) -> None:
    done = subprocess.run(["openssl", *args], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ApiServerFailed(f"openssl {args[0]}", done.returncode, READY_WITHIN, done.stderr)
