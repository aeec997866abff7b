import pytest
import torch
from safetensors.torch import save_file

from fedqml.core.errors import InputError
from fedqml.data.weights import read_weights, weights_file

SHAPES = {"a.weight": (2, 3), "a.bias": (2,)}


def tensors():
    return {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.tensor([0.5, -1.0])}


def saved(folder, tensors, suffix=".pth"):
    path = folder / f"w{suffix}"
    if suffix == ".safetensors":
        save_file(tensors, path)
    else:
        torch.save(tensors, path)
    return path


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_tensors_come_in_single_precision(tmp_path, suffix, dtype):
    given = {name: tensor.to(dtype) for name, tensor in tensors().items()}
    found = read_weights(saved(tmp_path, given, suffix), "Net", SHAPES)
    for name, tensor in tensors().items():
        assert torch.equal(found[name], tensor)
        assert found[name].dtype == torch.float32


def test_other_parts_of_the_network_are_left_alone(tmp_path):
    given = {**tensors(), "classifier.0.weight": torch.tensor([torch.nan])}
    path = saved(tmp_path, given)
    assert set(read_weights(path, "Net", SHAPES, beside=("classifier.",))) == set(SHAPES)
    with pytest.raises(InputError, match=r"has a tensor `classifier\.0\.weight`.*another network"):
        read_weights(path, "Net", SHAPES)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a.bias": None}, r"tensor `a\.bias` of shape \(2,\) is missing"),
        ({"a.bias": torch.zeros(3)}, r"`a\.bias` of real numbers in shape \(2,\).* \(3,\)"),
        ({"a.bias": torch.zeros(2, dtype=torch.int64)}, r"torch\.int64"),
        ({"a.bias": torch.tensor([1.0, torch.nan])}, r"`a\.bias` has NaN or infinite"),
        ({"a.bias": torch.tensor([1.0, torch.inf])}, r"`a\.bias` has NaN or infinite"),
    ],
)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_other_weights_are_refused_by_the_files_name(tmp_path, change, message, suffix):
    given = {name: t for name, t in {**tensors(), **change}.items() if t is not None}
    path = saved(tmp_path, given, suffix)
    with pytest.raises(InputError, match=message) as refused:
        read_weights(path, "Net", SHAPES)
    assert str(path) in str(refused.value)
    assert "Net" in str(refused.value) or "finite" in str(refused.value)


class Trap:
    def __reduce__(self):
        return (print, ("this must never run",))


@pytest.mark.parametrize("content", [Trap(), {"a": Trap()}])
def test_code_in_a_file_never_runs(tmp_path, capsys, content):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"as a \.pth of tensors alone"):
        read_weights(tmp_path / "w.pth", "Net", SHAPES)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("content", [[torch.zeros(2)], {"a": 1}, {1: torch.zeros(2)}])
def test_no_dict_of_tensors(tmp_path, content):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(InputError, match="must hold a dict of named tensors"):
        read_weights(tmp_path / "w.pth", "Net", SHAPES)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("keep", [0.0, 0.2, 0.7, 0.99])
def test_truncated_files(tmp_path, suffix, keep):
    path = saved(tmp_path, tensors(), suffix)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(InputError, match="cannot be read as that"):
        read_weights(path, "Net", SHAPES)


def test_no_file(tmp_path):
    with pytest.raises(InputError, match=r"`weights` must be a file, but .* is none"):
        weights_file(tmp_path)
    with pytest.raises(InputError, match="`weights` must be a file, but there is no"):
        weights_file(tmp_path / "gone")
