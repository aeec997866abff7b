"""Parts of data sources that an experiment file can name as settings of something else."""

from typing import Annotated

from fedqml.core.resolve import Plugin
from fedqml.data.backbone import Backbone

Features = Annotated[Backbone, Plugin("fedqml.data.backbones")] | None
"""The frozen network whose features stand for the images; None for the pixels themselves."""
