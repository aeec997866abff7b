import pytest

from fedqml.core.errors import InputError
from fedqml.quantum.choices import require_choice


def test_passes_what_is_allowed_and_only_that():
    require_choice("colour", "red", ["red", "green"])
    for wrong in ("Red", "", 3, None):
        with pytest.raises(InputError, match="Argument `colour` must be one of red, green, but"):
            require_choice("colour", wrong, ["red", "green"])


def test_names_the_nearest_only_if_one_is_near():
    with pytest.raises(InputError, match=r"but colour='gren'\. Did you mean 'green'\?$"):
        require_choice("colour", "gren", ["red", "green"])
    with pytest.raises(InputError, match=r"but colour='blue'\.$"):
        require_choice("colour", "blue", ["red", "green"])
