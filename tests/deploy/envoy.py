"""Real Envoy, with the configuration of `deploy/envoy`."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from tests.acceptance.processes import free_port
from tests.tools import tool

CONFIGURATION: Final = Path(__file__).parents[2] / "deploy" / "envoy"


def certificate(folder: Path) -> None:
    subprocess.run(
        [tool("openssl", required_by="DEPLOY"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", folder / "tls.key", "-out", folder / "tls.crt"],
        check=True, capture_output=True,
    )  # fmt: skip


def configuration(
    folder: Path, *, listen: int, servers: list[int], gateway: tuple[int, int], idle: str | None = None
) -> Path:
    """The configuration of `deploy/envoy`: only addresses, ports and paths are others.

    `gateway`: its port, and that of its admin listener. `idle`: another time after which a silent stream ends.
    """
    secret = (CONFIGURATION / "certificate.yaml").read_text().replace("/etc/envoy/tls", str(folder))
    (folder / "certificate.yaml").write_text(secret)
    text = (
        (CONFIGURATION / "envoy.yaml").read_text().replace("/etc/envoy/certificate.yaml", f"{folder}/certificate.yaml")
    )
    whole: Any = yaml.safe_load(text)
    whole["admin"]["address"]["socket_address"]["port_value"] = free_port()
    [listener] = whole["static_resources"]["listeners"]
    listener["address"]["socket_address"] = {"address": "127.0.0.1", "port_value": listen}
    [manager] = listener["filter_chains"][0]["filters"]
    if idle is not None:
        manager["typed_config"]["stream_idle_timeout"] = idle
    clusters = {cluster["name"]: cluster for cluster in whole["static_resources"]["clusters"]}
    clusters["server"]["load_assignment"]["endpoints"] = [{"lb_endpoints": [endpoint(port) for port in servers]}]
    port, admin_port = gateway
    only = endpoint(port)
    only["endpoint"]["health_check_config"] = {"port_value": admin_port}
    clusters["gateway"]["load_assignment"]["endpoints"] = [{"lb_endpoints": [only]}]
    (folder / "envoy.yaml").write_text(yaml.safe_dump(whole))
    return folder / "envoy.yaml"


def endpoint(port: int) -> dict[str, Any]:
    return {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}


@contextmanager
def envoy(configuration: Path, folder: Path) -> Iterator[None]:
    command = [tool("envoy", required_by="ENVOY"), "--config-path", str(configuration), "--log-level", "warning",
               "--concurrency", "1", "--disable-hot-restart", "--file-flush-interval-msec", "100"]  # fmt: skip
    with (folder / "envoy.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield
        finally:
            process.terminate()
            process.wait(20)
