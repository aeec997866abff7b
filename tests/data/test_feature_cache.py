import json
import os
import random
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from fedqml.core.cache_folder import cache_folder
from fedqml.core.errors import InputError
from fedqml.data import feature_cache
from fedqml.data.feature_cache import cached_features
from tests.frozen import Small, pictures, small

BROKEN = (4, 33)
FILES = ("features.f32", "batches.jsonl")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FEDQML_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


def content(cache):
    (folder,) = cache.iterdir()
    return {name: (folder / name).read_bytes() for name in FILES}


def seen(log):
    return sum(map(int, log.read_text().split())) if log.exists() else 0


def test_features_are_the_networks(cache):
    shown = pictures(broken=BROKEN)
    found = cached_features(shown, small())
    kept = [i for i in range(40) if i not in BROKEN]
    pixels = np.stack([np.asarray(shown.read(i)).transpose(2, 0, 1) for i in kept])
    expected = Small()(torch.from_numpy(pixels).float()).detach()
    torch.testing.assert_close(found.rows, expected, rtol=1e-5, atol=1e-3)
    assert found.left_out == {i: f"cut off after {i} bytes" for i in BROKEN}


def test_they_are_computed_once_and_mapped_from_the_disk(cache, tmp_path):
    log = tmp_path / "log"
    first = cached_features(pictures(), small(log)).rows
    again = cached_features(pictures(), small(log)).rows
    assert seen(log) == 40
    assert torch.equal(first, again)
    before = content(cache)
    again.zero_()  # in the memory only
    assert content(cache) == before


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"count": 42}, {"weights": "b"}, {"batch": 4}, {"size": 3}]
)
def test_other_images_weights_and_settings_have_a_cache_of_their_own(cache, change):
    of_images = {k: v for k, v in change.items() if k in ("seed", "count")}
    of_network = {k: v for k, v in change.items() if k not in of_images}
    cached_features(pictures(), small(weights="a"))
    cached_features(pictures(**of_images), small(**{"weights": "a", **of_network, **change}))
    assert len(list(cache.iterdir())) == 2


def test_a_folder_made_for_something_else_is_refused(cache):
    cached_features(pictures(), small())
    (folder,) = cache.iterdir()
    for key in ('{"version": 0}', "not JSON"):
        (folder / "key.json").write_text(key)
        with pytest.raises(InputError, match=r"its key\.json says otherwise; delete the folder"):
            cached_features(pictures(), small())


def test_a_folder_without_a_key_is_filled_anew(cache, tmp_path):
    cached_features(pictures(), small())
    (folder,) = cache.iterdir()
    (folder / "key.json").unlink()
    cached_features(pictures(), small(tmp_path / "log"))
    assert seen(tmp_path / "log") == 40


def damages():
    rng = random.Random(5)
    yield "features.f32", lambda b: b[: len(b) // 2]
    yield "features.f32", lambda b: b + b"more"
    yield "features.f32", lambda b: b""
    yield "batches.jsonl", lambda b: b""
    yield "batches.jsonl", lambda b: b[:-1]
    yield "batches.jsonl", lambda b: b[: rng.randrange(len(b))]
    yield "batches.jsonl", lambda b: b + b
    for name in FILES:
        for _ in range(6):
            yield name, partial(flipped, at=rng.random(), bit=rng.randrange(8))


def flipped(content, at, bit):
    changed = bytearray(content)
    changed[int(at * len(content))] ^= 1 << bit
    return bytes(changed)


@pytest.mark.parametrize("unfinished", [False, True])
@pytest.mark.parametrize(("name", "damage"), list(damages()))
def test_damage_is_found_and_mended(cache, name, damage, unfinished):
    cached_features(pictures(broken=BROKEN), small())
    (folder,) = cache.iterdir()
    before = content(cache)
    (folder / name).write_bytes(damage(before[name]))
    if unfinished:
        (folder / "features.f32").rename(folder / "features.part")
    cached_features(pictures(broken=BROKEN), small())
    assert content(cache) == before
    assert sorted(p.name for p in folder.iterdir() if p.name != ".lock") == [
        "batches.jsonl",
        "features.f32",
        "key.json",
    ]


def test_only_what_is_missing_is_computed(cache, tmp_path):
    cached_features(pictures(), small())
    (folder,) = cache.iterdir()
    whole = content(cache)["features.f32"]
    # rows of 20 bytes, batches of 3: the torn seventh batch and the rest, 40 - 18 images
    (folder / "features.part").write_bytes(whole[: 20 * 20])
    (folder / "features.f32").unlink()
    cached_features(pictures(), small(tmp_path / "log"))
    assert seen(tmp_path / "log") == 22
    assert content(cache)["features.f32"] == whole


def test_rows_mapped_before_damage_was_found_stay(cache):
    rows = cached_features(pictures(), small()).rows
    (folder,) = cache.iterdir()
    os.truncate(folder / "features.f32", 800)
    (folder / "batches.jsonl").write_bytes(b"")
    cached_features(pictures(), small())
    assert torch.equal(rows, cached_features(pictures(), small()).rows)


_KILLS = """
import os, random, signal, sys, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)
from fedqml.data import feature_cache
from tests.frozen import pictures, small

feature_cache._SYNC_EVERY = float(sys.argv[1])
rng = random.Random(int(sys.argv[2]))
for attempt in range(200):
    child = os.fork()
    if child == 0:
        feature_cache.cached_features(pictures(broken=(4, 33)), small(None, 0.004))
        os._exit(0)
    time.sleep(rng.uniform(0.0, 0.02 * (attempt + 1)))
    os.kill(child, signal.SIGKILL)
    if os.waitpid(child, 0)[1] == 0:
        break
print(attempt)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("every", [0.0, 0.02])
def test_killed_at_any_moment_it_goes_on_to_the_same_bytes(cache, tmp_path, monkeypatch, every):
    cached_features(pictures(broken=BROKEN), small())
    expected = content(cache)
    monkeypatch.setenv("FEDQML_CACHE", str(tmp_path / "killed"))
    command = [sys.executable, "-c", _KILLS, str(every), "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) >= 3, "it was never killed on its way"
    assert content(tmp_path / "killed" / "features") == expected


@contextmanager
def process(log, gate):
    command = [sys.executable, "-m", "tests.frozen", str(log), str(gate)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


def wait_for(condition):
    until = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_of_two_processes_one_computes_and_the_other_waits(tmp_path):
    log, gate = tmp_path / "log", tmp_path / "gate"
    with process(log, gate) as one:
        wait_for(lambda: seen(log) > 6)
        with process(log, gate) as two:
            assert "Another process is at work" in two.stderr.readline()
            gate.touch()
            assert [one.wait(), two.wait()] == [0, 0]
    assert seen(log) == 38


def test_the_one_that_waits_goes_on_after_a_kill(cache, tmp_path, monkeypatch):
    log, other = tmp_path / "log", tmp_path / "other"
    with process(log, tmp_path / "never") as one:
        wait_for(lambda: seen(log) > 6)
        with process(other, tmp_path) as two:
            assert "Another process is at work" in two.stderr.readline()
            one.kill()
            assert two.wait() == 0
    assert seen(other) == 38 - 5  # two batches were on the disk, with one image left out
    resumed = content(cache)
    monkeypatch.setenv("FEDQML_CACHE", str(tmp_path / "at once"))
    cached_features(pictures(broken=BROKEN), small())
    assert content(tmp_path / "at once" / "features") == resumed


def test_threads_are_as_many_afterwards_as_before(monkeypatch):
    used = []

    class Counting(Small):
        def forward(self, x):
            used.append(torch.get_num_threads())
            return super().forward(x)

    monkeypatch.setattr(feature_cache, "cores", lambda: 2)
    torch.set_num_threads(1)
    cached_features(pictures(), replace(small(), network=Counting))
    assert set(used) == {2}
    assert torch.get_num_threads() == 1


class Wrong(Small):
    def forward(self, x):
        return super().forward(x)[:, :2]


class Infinite(Small):
    def forward(self, x):
        return super().forward(x) * torch.inf


@pytest.mark.parametrize(
    ("network", "message"), [(Wrong, r"shape \(3, 5, 1\)"), (Infinite, "must be finite")]
)
def test_a_network_that_does_not_keep_its_word(network, message, cache):
    with pytest.raises(InputError, match=message):
        cached_features(pictures(), replace(small(), network=network))
    cached_features(pictures(), small())  # nothing of it was kept


def test_no_image_can_be_read():
    with pytest.raises(InputError, match=r"but none is; c0\.png: cut off after 0 bytes"):
        cached_features(pictures(broken=tuple(range(40))), small())


def test_an_error_in_the_reader_is_not_swallowed(cache):
    def read(index):
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        cached_features(replace(pictures(), read=read), small())


def test_a_source_that_vanished_is_not_blamed_on_the_cache(cache):
    def read(index):
        raise FileNotFoundError("photos.zip is gone")

    with pytest.raises(InputError, match=r"Image c0\.png of made for tests .*photos\.zip is gone"):
        cached_features(replace(pictures(), read=read), small())


def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FEDQML_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match="FEDQML_CACHE names another place"):
        cached_features(pictures(), small())


def test_no_space_is_said_before_the_work(monkeypatch, tmp_path):
    class Usage:
        free = 799

    monkeypatch.setattr(feature_cache.shutil, "disk_usage", lambda _: Usage)
    with pytest.raises(InputError, match="must have space for"):
        cached_features(pictures(), small(tmp_path / "log"))
    assert seen(tmp_path / "log") == 0


def test_where_the_cache_is(monkeypatch, tmp_path):
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("FEDQML_CACHE")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "fedqml"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "fedqml"


def test_the_key_is_there_to_be_read(cache):
    cached_features(pictures(), small(weights="abc"))
    (folder,) = cache.iterdir()
    key = json.loads((folder / "key.json").read_text())
    assert key["settings"] == {"network": "small", "weights": "abc"}
    assert key["pictures"] == pictures().digest
