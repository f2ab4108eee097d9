"""Run an API server alone: `python -m apiserver --pki-dir DIR [--store sqlite:PATH] ...`."""

import argparse
import os
import sys
from pathlib import Path

from apiserver.settings import ApiServerSettings
from kube.importing import importing
from kube.log import set_up_logging
from kube.settings import SettingsError, flag_of, load_settings

HELP = {
    "pki_dir": "where keys and certificates are kept; made at first start",
    "bind": "address to listen on",
    "port": "port to listen on",
    "advertise": "address that nodes and pods are told",
    "store": "memory:, sqlite:PATH or etcd:URL,URL",
    "store_ca": "etcd's authority (PEM)",
    "store_cert": "client certificate for etcd (PEM)",
    "store_key": "key of that certificate (PEM)",
    "service_cidr": "range that Services get their addresses from",
    "names": "more names and addresses for the server's certificate, with commas between",
    "token_file": 'fixed tokens: lines of token,user,uid,"group1,group2"',
    "has_dns": "whether nodes answer DNS: then the Service kube-dns is made",
}


def main() -> int:
    """Read the flags and run; return the exit code."""
    with importing(system_roots=False):
        from apiserver.server import StartError, run  # noqa: PLC0415 - so that it is imported in this way.
    parser = argparse.ArgumentParser(prog="python -m apiserver", description="Wherry's API server, alone.")
    for field, text in HELP.items():
        parser.add_argument(flag_of(field), dest=field, help=text)
    parser.add_argument("--config", type=Path, help="YAML file with these settings")
    parser.add_argument("--log-level", default="info", help="debug, info, warning or error")
    flags = vars(parser.parse_args())
    config, level = flags.pop("config"), flags.pop("log_level")
    try:
        set_up_logging(level)
        run(load_settings(ApiServerSettings, flags=flags, environ=os.environ, file=config))
    except (SettingsError, StartError, ValueError) as error:
        sys.stderr.write(f"apiserver: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
