import subprocess

import pytest

from fedqml.federation.folders import Server
from fedqml.federation.proxy import nginx_conf
from tests.federation.real import make, needs_nginx


def test_every_site_has_one_line_and_no_other_is_let_in(tmp_path):
    text = nginx_conf(make(tmp_path / "fed", "bern", "ulm"))
    assert text.count('"CN=') == 2
    assert 'default "";' in text
    (tmp_path / "fed/server/nodes/ulm.pub").unlink()
    assert '"CN=ulm' not in nginx_conf(Server(tmp_path / "fed/server", "localhost"))


def test_an_ipv6_address_is_listened_on(tmp_path):
    assert "listen [::]:9443 ssl;" in nginx_conf(Server(tmp_path, "localhost", listen="::"))


@needs_nginx
@pytest.mark.parametrize("sites", [1, 40])
def test_nginx_accepts_it(tmp_path, sites):
    server = make(tmp_path / "fed", *(f"site-{number}" for number in range(sites)))
    (server.state / "nginx").mkdir(parents=True)
    path = server.state / "nginx.conf"
    path.write_text(nginx_conf(server))
    command = ["/usr/sbin/nginx", "-t", "-e", str(server.state / "nginx.log"), "-c", str(path)]
    tested = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert tested.returncode == 0, tested.stderr
    assert "[warn]" not in tested.stderr
