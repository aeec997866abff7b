import sys

import pytest

from fedqml.core.errors import InputError
from fedqml.core.optional import library, require_library


def test_a_library_is_imported_when_it_is_used(monkeypatch, tmp_path):
    (tmp_path / "loud_library.py").write_text(
        "import warnings\nwarnings.warn('careful')\nanswer = 6"
    )
    monkeypatch.syspath_prepend(tmp_path)
    require_library("loud_library")
    assert "loud_library" not in sys.modules
    assert library("loud_library").answer == 6  # and its warning, here an error, is not ours
    assert library("loud_library") is sys.modules.pop("loud_library")


@pytest.mark.parametrize("ask", [require_library, library])
def test_one_that_is_missing_is_named_with_the_remedy(ask):
    with pytest.raises(InputError, match=r'annealing is not installed: pip install "fedqml\[ann'):
        ask("annealing")


def test_an_extra_may_have_a_name_of_its_own():
    with pytest.raises(InputError, match=r'annealing is not installed: pip install "fedqml\[cold'):
        require_library("annealing", "cold")
