"""The closed door: what nginx lets sites reach."""

from base64 import b64encode
from string import Template

from fedqml.federation.folders import Server

CALLS = (
    "activate-node",
    "deactivate-node",
    "send-node-heartbeat",
    "pull-messages",
    "push-messages",
    "get-run",
    "pull-object",
    "push-object",
    "confirm-message-received",
)
"""What a site may ask of Flower's fleet API. Not among them: ``register-node`` and
``unregister-node`` (the server registers keys) and ``get-fab`` (a site takes data, never code)."""

_TEMPLATE = Template("""\
# Written by `fedqml server` at each start; changes are lost.
daemon off;
worker_processes 1;
pid $state/nginx.pid;
error_log $state/nginx.log warn;
events {
}
http {
    # A site is let in if its certificate and the key that signs its requests belong together.
    # (Upper and lower case are one to `map`, but an altered key is one that Flower does not know.)
    map_hash_bucket_size 1024;
    map "$$ssl_client_s_dn $$http_flwr_public_key" $$site {
        default "";
$sites
    }

    map $$status $$refused {
        default 1;
        ~^2 0;
    }
    log_format refused '$$time_iso8601 $$remote_addr "$$ssl_client_s_dn" "$$request" $$status';
    access_log $state/refused.log refused if=$$refused;

    server_tokens off;
    client_body_temp_path $state/nginx/body;
    proxy_temp_path $state/nginx/proxy;
    fastcgi_temp_path $state/nginx/fastcgi;
    uwsgi_temp_path $state/nginx/uwsgi;
    scgi_temp_path $state/nginx/scgi;

    upstream superlink {
        server $loopback;
        keepalive 16;
    }

    server {
        listen $listen ssl;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate $folder/server.crt;
        ssl_certificate_key $folder/server.key;
        ssl_client_certificate $folder/ca.crt;
        ssl_verify_client on;
        ssl_verify_depth 1;
        # each connection shows its certificate anew, so that an expired one is noticed
        ssl_session_tickets off;

        client_max_body_size ${largest_request}m;
        client_header_timeout 15s;
        client_body_timeout 30s;
        send_timeout 30s;

        if ($$site = "") {
            return 403;
        }
        location / {
            return 403;
        }
        location ~ ^/v1/fleet/($calls)$$ {
            limit_except POST {
                deny all;
            }
            # the path as it was matched, and the key as it was looked up
            proxy_pass https://superlink/v1/fleet/$$1;
            proxy_set_header Flwr-Public-Key $$http_flwr_public_key;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_read_timeout 60s;
            proxy_ssl_verify on;
            proxy_ssl_trusted_certificate $folder/loopback.crt;
            proxy_ssl_name localhost;
            proxy_ssl_certificate $folder/loopback.crt;
            proxy_ssl_certificate_key $folder/loopback.key;
        }
    }
}
""")


def nginx_conf(server: Server) -> str:
    """Return nginx's configuration for a server.

    Let in is a POST of one of ``CALLS``, not larger than ``largest_request``, over TLS 1.2 or
    newer, with a client certificate of our authority whose common name is a site, and with that
    site's node key in Flower's header. All else is answered by 400, 403 or 413.

    Args:
        server: what ``server.toml`` says; its folder and its sites' keys.

    Example:
        >>> from pathlib import Path
        >>> text = nginx_conf(Server(Path("/srv/fed"), "fed.example.org"))
        >>> "listen 0.0.0.0:9443 ssl;" in text
        True
    """
    pairs = {f"CN={name} {b64encode(key).decode()}": name for name, key in server.nodes.items()}
    host = f"[{server.listen}]" if ":" in server.listen else server.listen
    return _TEMPLATE.substitute(
        state=server.state,
        folder=server.folder,
        sites="\n".join(f'        "{pair}" {name};' for pair, name in pairs.items()),
        calls="|".join(CALLS),
        listen=f"{host}:{server.port}",
        loopback=server.loopback,
        largest_request=server.largest_request,
    )
