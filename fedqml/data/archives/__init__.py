"""Files in a folder, a zip or a tar archive, all read in the same way and without unpacking."""

from fedqml.data.archives.archive import Archive
from fedqml.data.archives.opening import archives_in, nested, open_archive

__all__ = ["Archive", "archives_in", "nested", "open_archive"]
