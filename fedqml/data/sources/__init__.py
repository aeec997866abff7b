"""Where data come from: a file each."""

from fedqml.data.sources.breast_cancer import breast_cancer
from fedqml.data.sources.cats_dogs import cats_dogs
from fedqml.data.sources.cifar10_pair import cifar10_pair
from fedqml.data.sources.csv import csv
from fedqml.data.sources.digits import digits
from fedqml.data.sources.image_folder import image_folder
from fedqml.data.sources.npz import npz
from fedqml.data.sources.owner_tables import owner_tables

__all__ = [
    "breast_cancer",
    "cats_dogs",
    "cifar10_pair",
    "csv",
    "digits",
    "image_folder",
    "npz",
    "owner_tables",
]
