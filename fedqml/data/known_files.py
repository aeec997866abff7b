"""Files that fedqml can use but may not ship: where they are offered, and how to know them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class KnownFile:
    """A file that somebody else offers.

    Attributes:
        name: what it is called there.
        title: what it holds.
        page: where it is described; to be opened in a browser.
        url: the file itself, if it can be had without signing in.
        size: how large it is, in words.
        licence: under which it may be used, in words.
        setting: how an experiment file names it, with ``PATH`` for its place.
        md5: 32 hexadecimal digits, where its publisher names them.
        sha256: 64 hexadecimal digits, or the first of them if no more are published.
    """

    name: str
    title: str
    page: str
    url: str
    size: str
    licence: str
    setting: str
    md5: str = ""
    sha256: str = ""


_CIFAR = "https://www.cs.toronto.edu/~kriz/"
_CIFAR_LICENCE = (
    "no formal licence; its authors ask to cite A. Krizhevsky, Learning Multiple Layers of "
    "Features from Tiny Images (2009)"
)
_CIFAR_SETTING = 'data = { use = "cifar10_pair", path = "PATH" }'
_MICROSOFT = "https://www.microsoft.com/en-us/download/details.aspx?id=54765"
_CATS_SETTING = 'data = { use = "cats_dogs", path = "PATH" }'
_VGG_SETTING = 'features = { use = "vgg16", weights = "PATH" }   # inside data = { ... }'
_TORCHVISION = "https://docs.pytorch.org/vision/stable/models/generated/torchvision.models.vgg16"

CIFAR10_PYTHON = KnownFile(
    name="cifar-10-python.tar.gz",
    title="CIFAR-10, 60,000 photographs of 32 x 32 pixels in 10 classes, as Python pickles",
    page=f"{_CIFAR}cifar.html",
    url=f"{_CIFAR}cifar-10-python.tar.gz",
    size="170,498,071 bytes",
    licence=_CIFAR_LICENCE,
    setting=_CIFAR_SETTING,
    md5="c58f30108f718f92721af3b95e74349a",
)
CIFAR10_BINARY = KnownFile(
    name="cifar-10-binary.tar.gz",
    title="the same, as plain bytes",
    page=f"{_CIFAR}cifar.html",
    url=f"{_CIFAR}cifar-10-binary.tar.gz",
    size="170,052,171 bytes",
    licence=_CIFAR_LICENCE,
    setting=_CIFAR_SETTING,
    md5="c32a1d4ab5d03f1284b67883e8d87530",
)
MICROSOFT_CATS_DOGS = KnownFile(
    name="kagglecatsanddogs_5340.zip",
    title="cats and dogs, 25,000 photographs less two that are empty",
    page=_MICROSOFT,
    url="https://download.microsoft.com/download/3/E/1/3E1C3F21-ECDB-4869-8368-6DEBA77B919F/"
    "kagglecatsanddogs_5340.zip",
    size="824,887,076 bytes",
    licence="the terms in the archive; the photographs belong to others and are never shown",
    setting=_CATS_SETTING,
    # Nobody publishes it officially; so several projects found it.
    sha256="b7974bd00a84a99921f36ee4403f089853777b5ae8d151c76a86e64900334af9",
)
MICROSOFT_CATS_DOGS_OLD = KnownFile(
    name="kagglecatsanddogs_3367a.zip",
    title="the same photographs in an older archive, not offered any more",
    page=_MICROSOFT,
    url="",
    size="824,894,548 bytes",
    licence="the terms in the archive; the photographs belong to others and are never shown",
    setting=_CATS_SETTING,
)
KAGGLE_CATS_DOGS = KnownFile(
    name="dogs-vs-cats.zip",
    title="cats and dogs, all 25,000 labelled photographs in the train.zip inside",
    page="https://www.kaggle.com/c/dogs-vs-cats/data",
    url="",
    size="about 0.8 GB",
    licence="the competition's rules, to be accepted there; the photographs are never shown",
    setting=_CATS_SETTING,
)
VGG16 = KnownFile(
    name="vgg16-397923af.pth",
    title="VGG16 trained on ImageNet by torchvision",
    page=f"{_TORCHVISION}.html",
    url="https://download.pytorch.org/models/vgg16-397923af.pth",
    size="about 553 MB",
    licence="torchvision is BSD-3-Clause; trained on ImageNet, whose images are for research",
    setting=_VGG_SETTING,
    sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
)
VGG16_CAFFE = KnownFile(
    name="vgg16_features-amdegroot-88682ab5.pth",
    title="the convolutions of the original VGG16 (Caffe), in torchvision's names",
    page=f"{_TORCHVISION}.html",
    url="https://download.pytorch.org/models/vgg16_features-amdegroot-88682ab5.pth",
    size="about 553 MB",
    licence="the original weights are CC BY 4.0 (Visual Geometry Group, Oxford)",
    setting=_VGG_SETTING,
    # As PyTorch's names of files have it: the first eight digits.
    sha256="88682ab5",
)
VGG16_ORIGINAL = KnownFile(
    name="vgg16_features_oxford.safetensors",
    title="the same, blue first, as converted from its authors' own file",
    page="https://www.robots.ox.ac.uk/~vgg/research/very_deep/",
    url="",
    size="58,861,232 bytes",
    licence="CC BY 4.0 (Visual Geometry Group, Oxford)",
    setting=_VGG_SETTING,
    sha256="4efff1945d961279f59f91d46f6cab6c097a7b1da5d50b9a61a8cacce7d50291",
)

DATA = (
    CIFAR10_PYTHON,
    CIFAR10_BINARY,
    MICROSOFT_CATS_DOGS,
    MICROSOFT_CATS_DOGS_OLD,
    KAGGLE_CATS_DOGS,
)
WEIGHTS = (VGG16, VGG16_CAFFE, VGG16_ORIGINAL)

CIFAR10_BATCHES = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
"""MD5 of each file of ``cifar-10-batches-py``, whose tests come last."""

CIFAR10_ROWS = 10_000
"""Images of each batch of CIFAR-10."""


def where_to_get(*files: KnownFile) -> str:
    """Return a sentence that says where files can be had, for an error.

    Example:
        >>> where_to_get(VGG16)
        'Download vgg16-397923af.pth from https://download.pytorch.org/models/vgg16-397923af.pth. \
It need not be unpacked.'
    """
    offers = [f"{file.name} from {file.url or file.page}" for file in files]
    return f"Download {' or '.join(offers)}. It need not be unpacked."
