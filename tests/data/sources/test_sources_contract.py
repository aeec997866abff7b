"""What every source must do; a new file in the folder is tested without an edit here.

A source that reads a path needs one, so only for such a source an example is added below.
"""

import importlib
import inspect
import pkgutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fedqml.core.errors import InputError
from fedqml.core.resolve import call, settings
from fedqml.data import sources
from fedqml.data.dataset import Data
from fedqml.data.partitions import central
from tests.archives import write_tgz, write_zip
from tests.data.owner_folders import pooled_folder
from tests.image_sets import cifar10_python, kaggle, make_official

NAMES = [module.name for module in pkgutil.iter_modules(sources.__path__)]
RNG_SEED = 11


def csv(folder):
    values = np.random.Generator(np.random.Philox(RNG_SEED)).normal(size=(40, 2))
    rows = [f"{a},{b},{'no' if a < b else 'yes'}" for a, b in values.tolist()]
    (folder / "table.csv").write_text("\n".join(["a,b,ill", *rows]))
    return {"path": "table.csv", "target": "ill"}


def npz(folder):
    rng = np.random.Generator(np.random.Philox(RNG_SEED))
    np.savez(folder / "arrays.npz", x=rng.normal(size=(40, 2, 3)), y=np.arange(40) % 2)
    return {"path": "arrays.npz"}


def image_folder(folder):
    rng = np.random.Generator(np.random.Philox(RNG_SEED))
    for name in ("cat", "dog"):
        (folder / "pets" / name).mkdir(parents=True)
        for i in range(10):
            pixels = rng.integers(256, size=(6, 5, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "pets" / name / f"{i}.png")
    return {"path": "pets", "size": 4}


def cats_dogs(folder):
    write_zip(folder / "dogs-vs-cats.zip", kaggle(10))
    return {"path": "dogs-vs-cats.zip", "tests": 6, "size": 4}


def cifar10_pair(folder):
    write_tgz(folder / "cifar-10-python.tar.gz", cifar10_python())
    return {"path": "cifar-10-python.tar.gz", "size": 4}


def owner_tables(folder):
    pooled_folder(folder / "owners")
    return {"path": "owners"}


EXAMPLES = {
    "cats_dogs": cats_dogs,
    "cifar10_pair": cifar10_pair,
    "csv": csv,
    "npz": npz,
    "image_folder": image_folder,
    "owner_tables": owner_tables,
}


DIVIDED = {"cifar10_pair", "owner_tables"}


@pytest.fixture(params=NAMES)
def source(request, tmp_path, monkeypatch):
    """Return ``load(**changes)``, as an experiment file in ``tmp_path`` would call the source."""
    make_official(monkeypatch)
    factory = getattr(sources, request.param)
    given = EXAMPLES[request.param](tmp_path) if request.param in EXAMPLES else {}

    def load(**changes):
        whole = settings(factory, {**given, **changes}, "data")
        return call(factory, whole, "data", base=tmp_path)

    load.parameters = inspect.signature(factory).parameters
    return load


def fingerprint(data):
    return data.split(central()).fingerprint()


def test_the_folder_is_not_empty():
    assert {"breast_cancer", "digits", *EXAMPLES} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_file_function_and_export_have_one_name(name):
    module = importlib.import_module(f"{sources.__name__}.{name}")
    assert getattr(sources, name) is getattr(module, name)
    assert name in sources.__all__
    assert getattr(module, name).__module__ == module.__name__


@pytest.mark.parametrize("name", NAMES)
def test_settings_are_documented_and_mean_the_same_everywhere(name):
    factory = getattr(sources, name)
    parameters = inspect.signature(factory).parameters
    for parameter in parameters:
        assert f"    {parameter}: " in factory.__doc__
    usual = {"test_fraction": 0.2, "seed": 0, "draw": 0, "size": 32, "grey": False}
    usual |= {"features": None, "components": 0}
    for key, default in usual.items():
        assert key not in parameters or parameters[key].default == default
    # What is for testing is a share of the rows, a number of them, or settled by the data.
    assert {"test_fraction", "tests"} & set(parameters) or name in DIVIDED
    assert inspect.get_annotations(factory).get("path", Path) is Path


def test_data_are_complete(source):
    data = source()
    assert isinstance(data, Data)
    assert data.x.dtype == data.test[0].dtype == torch.float32
    for y in (data.y, data.test[1]):
        assert y.unique().tolist() == list(range(len(data.classes)))


def test_equal_settings_give_equal_data(source):
    assert fingerprint(source()) == fingerprint(source())


def test_the_seed_chooses_the_test_rows(source):
    name = next((n for n in ("seed", "draw") if n in source.parameters), None)
    if name is None:
        pytest.skip("the data come divided")
    one, other = source(**{name: 0}), source(**{name: 1})
    assert fingerprint(one) != fingerprint(other)
    assert one.x.shape == other.x.shape


def test_the_fraction_is_kept_in_every_class(source):
    if "test_fraction" not in source.parameters:
        pytest.skip("takes no fraction")
    data = source(test_fraction=0.3)
    held_out = torch.bincount(data.test[1])
    sizes = torch.bincount(data.y) + held_out
    assert (held_out - 0.3 * sizes).abs().max() < 1
    assert abs(len(data.test[1]) - 0.3 * int(sizes.sum())) <= 0.5


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.5, 2.0])
def test_a_fraction_outside_0_and_1_is_refused(source, fraction):
    if "test_fraction" not in source.parameters:
        pytest.skip("takes no fraction")
    with pytest.raises(InputError, match="`test_fraction` must lie between 0 and 1"):
        source(test_fraction=fraction)


def test_standardised_features_have_mean_0_and_sd_1(source):
    if "standardise" not in source.parameters:
        pytest.skip("not standardised")
    raw, data = source(standardise=False), source(standardise=True)
    varies = (raw.x != raw.x[0]).any(0)
    assert data.x.mean(0).abs().max() < 1e-5
    assert (data.x.std(0, correction=0)[varies] - 1).abs().max() < 1e-4
    assert not data.x[:, ~varies].any()
    assert torch.equal(raw.y, data.y)


def test_a_path_to_nothing_is_refused(source):
    if "path" not in source.parameters:
        pytest.skip("reads no file")
    with pytest.raises(
        InputError, match=r"`path` must be a (file|folder), but there is no .*/gone"
    ):
        source(path="gone")


def test_no_global_random_state(source):
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    source()
    assert torch.get_rng_state().equal(before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
