"""Flower's SuperLink behind mutual TLS: ``python -m fedqml.federation.link CERTIFICATE ...``.

The further arguments are those of ``flower-superlink``, which has none that asks its clients for a
certificate. uvicorn, the web server inside, has: without it, every user of the machine could
submit runs.
"""

import functools
import ssl
import sys


def main() -> None:
    """Run the SuperLink; only clients with a certificate of the first argument's are served."""
    import uvicorn
    from flwr.supercore import constant

    # Nodes that send large models at once wait for each other's writes, some for more than the 5 s
    # after which they would be turned away, and less than the 30 s after which they give up.
    pragmas = {**dict(constant.SQLITE_PRAGMAS), "busy_timeout": "25000"}
    constant.SQLITE_PRAGMAS = tuple(pragmas.items())  # type: ignore[assignment]
    from flwr.superlink.cli.flower_superlink import flower_superlink

    run, trusted = uvicorn.run, sys.argv.pop(1)
    closed = functools.partial(run, ssl_cert_reqs=ssl.CERT_REQUIRED, ssl_ca_certs=trusted)
    uvicorn.run = closed
    flower_superlink()


if __name__ == "__main__":
    main()
