"""Archives for tests, good and bad ones."""

import gzip
import io
import tarfile
import zipfile

FILES = {"pets/cat/1.jpg": b"one" * 900, "pets/cat/2.jpg": b"", "pets/dog/1.jpg": bytes(range(256))}


def write_zip(path, files=FILES, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tar_bytes(files=FILES, **kinds):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for name, (kind, target) in kinds.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, target
            archive.addfile(entry)
    return stream.getvalue()


def write_tar(path, files=FILES, **kinds):
    path.write_bytes(tar_bytes(files, **kinds))
    return path


def write_tgz(path, files=FILES, **kinds):
    path.write_bytes(gzip.compress(tar_bytes(files, **kinds), mtime=0))
    return path


def write_folder(path, files=FILES):
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


WRITERS = {"zip": write_zip, "tar": write_tar, "tgz": write_tgz, "folder": write_folder}
