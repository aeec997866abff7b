"""What every kind of archive does, and what each refuses."""

import gc
import gzip
import io
import multiprocessing
import os
import random
import struct
import tarfile
import warnings
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from fedqml.core.errors import InputError
from fedqml.data.archives import limits, nested, open_archive
from fedqml.data.archives import tar as tar_module
from fedqml.data.archives import zip as zip_module
from tests.archives import FILES, WRITERS, tar_bytes, write_folder, write_tar, write_tgz, write_zip

ARCHIVES = [kind for kind in WRITERS if kind != "folder"]


@pytest.fixture(params=WRITERS)
def kind(request):
    return request.param


def test_files_folders_and_bytes(tmp_path, kind):
    archive = open_archive(WRITERS[kind](tmp_path / "a"))
    assert archive.kind == {"tgz": "tar"}.get(kind, kind)
    assert archive.files == tuple(sorted(FILES))
    assert archive.folders == {"pets", "pets/cat", "pets/dog"}
    assert {name: archive.read(name) for name in archive.files} == FILES


def test_the_name_of_an_archive_does_not_matter(tmp_path):
    assert open_archive(write_tgz(tmp_path / "photos.zip")).kind == "tar"
    assert open_archive(write_zip(tmp_path / "photos.tar.gz")).kind == "zip"


def test_hidden_files_are_passed_over(tmp_path, kind):
    extra = {".git/config": b"x", "pets/.DS_Store": b"x", "__MACOSX/pets/cat/._1.jpg": b"x"}
    archive = open_archive(WRITERS[kind](tmp_path / "a", {**FILES, **extra}))
    if kind == "folder":  # on a disk, this name means nothing
        archive.read("pets/cat/1.jpg")
        assert "pets/.DS_Store" not in archive.files
    else:
        assert archive.files == tuple(sorted(FILES))


def test_a_stored_zip(tmp_path):
    archive = open_archive(write_zip(tmp_path / "a", compression=zipfile.ZIP_STORED))
    assert {name: archive.read(name) for name in archive.files} == FILES


CONTENTS = {
    "zeros": bytes,
    "text": lambda size: (b"pets/dog.jpg\n" * (size // 13 + 1))[:size],
    "random": lambda size: random.Random(size).randbytes(size),
    "random, then zeros": lambda size: random.Random(size).randbytes(size - 300) + bytes(300),
}


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize(("chunk", "step"), [(1 << 10, 1), (1 << 14, 1), (1 << 20, 50)])
def test_members_a_little_longer_than_what_is_unfolded_at_once(
    tmp_path, monkeypatch, content, chunk, step
):
    # Then zlib has used up all input, while it still holds some bytes, or the mark of the end.
    monkeypatch.setattr(zip_module, "_CHUNK", chunk)
    files = {
        f"{k}/{more}": CONTENTS[content](k * chunk + more)
        for k in (1, 2)
        for more in range(-step, 301, k * step)
    }
    archive = open_archive(write_zip(tmp_path / "zip", files))
    for name in archive.files:
        assert archive.read(name) == files[name], name


@pytest.mark.parametrize("content", CONTENTS)
def test_a_gzip_a_little_longer_than_what_is_unfolded_at_once(tmp_path, monkeypatch, content):
    monkeypatch.setattr(tar_module, "_CHUNK", 1 << 10)
    for more in range(0, 301, 25):
        unfolded = tar_bytes({"a": CONTENTS[content]((1 << 10) + more)}) + bytes(more)
        (tmp_path / "a").write_bytes(gzip.compress(unfolded, mtime=0))
        assert open_archive(tmp_path / "a").read("a") == CONTENTS[content]((1 << 10) + more)


@pytest.mark.parametrize("chunk", [100, 1 << 10, 1 << 20])
def test_a_deflated_member_without_its_end_is_refused(tmp_path, monkeypatch, chunk):
    # All bytes come out, but zlib waits for more: the last block is not marked as the last.
    monkeypatch.setattr(zip_module, "_CHUNK", chunk)
    content = b"cat" * 1000
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = packer.compress(content) + packer.flush(zlib.Z_SYNC_FLUSH)
    path = write_zip(tmp_path / "a", {"x": packed}, zipfile.ZIP_STORED)
    whole = bytearray(path.read_bytes())
    at = whole.find(b"PK\x01\x02")
    whole[at + 10 : at + 12] = struct.pack("<H", zipfile.ZIP_DEFLATED)
    whole[at + 16 : at + 20] = struct.pack("<I", zlib.crc32(content))
    whole[at + 24 : at + 28] = struct.pack("<I", len(content))
    path.write_bytes(whole)
    with pytest.raises(InputError, match="x must be as the archive describes it"):
        open_archive(path).read("x")


def test_threads_and_forked_processes_read_at_once(tmp_path, kind):
    files = {f"d/{i:03}": bytes([i]) * (1000 + i) for i in range(100)}
    archive = open_archive(WRITERS[kind](tmp_path / "a", files))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(archive.read, archive.files * 5)) == list(files.values()) * 5

    def child(queue):
        queue.put(all(archive.read(name) == files[name] for name in list(files) * 5))

    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    children = [context.Process(target=child, args=(queue,)) for _ in range(3)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
        for process in children:
            process.start()
    assert [archive.read(name) for name in files] == list(files.values())
    assert [queue.get(timeout=60) for _ in children] == [True] * 3
    for process in children:
        process.join()


def test_files_are_closed_when_nobody_reads_any_more(tmp_path, kind):
    def descriptors():
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("no list of open files on this system")
    path, before = WRITERS[kind](tmp_path / "a"), descriptors()
    archive = open_archive(path)
    archive.read("pets/cat/1.jpg")
    del archive
    assert descriptors() == before


def test_nothing_is_left_in_the_temporary_folder(tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    archive = open_archive(write_tgz(tmp_path / "a"))
    assert archive.read("pets/dog/1.jpg") == FILES["pets/dog/1.jpg"]
    assert os.listdir(tmp_path / "temporary") == []


def test_no_room_in_the_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(InputError, match=r"cannot be unfolded into .*gone.* or set TMPDIR"):
        open_archive(write_tgz(tmp_path / "a"))


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("inner", ARCHIVES)
def test_an_archive_in_a_zip(tmp_path, inner, compression):
    content = WRITERS[inner](tmp_path / "inner").read_bytes()
    outer = write_zip(tmp_path / "a", {"train.zip": content, "b.csv": b"1"}, compression)
    archive = nested(open_archive(outer), "train.zip")
    assert {name: archive.read(name) for name in archive.files} == FILES


@pytest.mark.parametrize("outer", ["tar", "tgz", "folder"])
def test_a_zip_in_anything_else(tmp_path, outer):
    content = write_zip(tmp_path / "inner").read_bytes()
    archive = nested(open_archive(WRITERS[outer](tmp_path / "a", {"in.zip": content})), "in.zip")
    assert {name: archive.read(name) for name in archive.files} == FILES


def test_what_is_in_an_archive_may_be_no_archive(tmp_path):
    outer = open_archive(write_zip(tmp_path / "a", {"train.zip": b"no archive"}))
    with pytest.raises(InputError, match=r"a/train.zip must be a zip or tar archive, but it is no"):
        nested(outer, "train.zip")


@pytest.mark.parametrize("name", ["../up.jpg", "/etc/passwd", "a/../../b", "C:/a", "a\\b", "a\nb"])
@pytest.mark.parametrize("kind", ARCHIVES)
def test_names_that_lead_out_are_refused(tmp_path, kind, name):
    with pytest.raises(InputError, match="names that stay inside it, but one is"):
        open_archive(WRITERS[kind](tmp_path / "a", {**FILES, name: b"x"}))


def test_a_name_that_ends_early_is_refused(tmp_path):
    write_zip(tmp_path / "a", {"cat/1.jpgX.exe": b"x"})
    content = (tmp_path / "a").read_bytes().replace(b"cat/1.jpgX.exe", b"cat/1.jpg\0.exe")
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(InputError, match="names that stay inside it, but one is"):
        open_archive(tmp_path / "a")


LINKS = {
    "symbolic": (tarfile.SYMTYPE, "/etc/passwd"),
    "hard": (tarfile.LNKTYPE, "pets/cat/1.jpg"),
    "device": (tarfile.CHRTYPE, ""),
    "pipe": (tarfile.FIFOTYPE, ""),
    "sparse": (tarfile.GNUTYPE_SPARSE, ""),
}


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("write", [write_tar, write_tgz])
def test_links_and_devices_in_a_tar_are_refused(tmp_path, write, link):
    path = write(tmp_path / "a", FILES, **{f"pets/{link}": LINKS[link]})
    with pytest.raises(InputError, match=f"pets/{link} is a link, a device or a file with holes"):
        open_archive(path)


@pytest.mark.parametrize("mode", [0o120777, 0o020666, 0o010666])
def test_links_and_devices_in_a_zip_are_refused(tmp_path, mode):
    entry = zipfile.ZipInfo("pets/link")
    entry.create_system, entry.external_attr = 3, mode << 16
    with zipfile.ZipFile(tmp_path / "a", "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(InputError, match="pets/link is a link or a device"):
        open_archive(tmp_path / "a")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("second", ["cat/1.jpg", "./cat//1.jpg"])
def test_a_name_that_is_there_twice_is_refused(tmp_path, second):
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.writestr("cat/1.jpg", b"a")
        archive.writestr(second, b"b")
    with tarfile.open(tmp_path / "tar", "w") as archive:
        for name in ("cat/1.jpg", second):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    for path in (tmp_path / "zip", tmp_path / "tar"):
        with pytest.raises(InputError, match=r"every file once, but cat/1.jpg is there twice"):
            open_archive(path)


def test_an_encrypted_zip_is_refused(tmp_path):
    content = bytearray(write_zip(tmp_path / "a").read_bytes())
    at = content.find(b"PK\x01\x02")
    content[at + 8] |= 1
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(InputError, match=r"must not be encrypted, but pets/cat/1.jpg is; unpack"):
        open_archive(tmp_path / "a")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_rare_methods_of_compression_are_refused(tmp_path, method):
    with pytest.raises(InputError, match=f"must be stored or deflated, but .* number {method}"):
        open_archive(write_zip(tmp_path / "a", compression=method))


@pytest.mark.parametrize("kind", ARCHIVES)
def test_every_truncation_is_noticed(tmp_path, kind):
    whole = WRITERS[kind](tmp_path / "a").read_bytes()
    messages = set()
    end = len(whole) if kind != "tar" else 512 * (len(FILES) + 7)  # then only zeros follow
    for kept in [*range(1, end, 97), *range(512, end + (kind == "tar"), 512)]:
        (tmp_path / "b").write_bytes(whole[:kept])
        with pytest.raises(InputError) as refused:
            open_archive(tmp_path / "b")
        messages.add(str(refused.value))
    for message in messages:
        assert "truncated or damaged" in message or "nor a zip or tar" in message


@pytest.mark.parametrize("kind", ["zip", "tgz"])
def test_every_changed_byte_is_noticed_or_does_not_matter(tmp_path, kind):
    whole = WRITERS[kind](tmp_path / "a").read_bytes()
    for at in range(0, len(whole), 5):
        (tmp_path / "b").write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            archive = open_archive(tmp_path / "b")
            for name in archive.files:
                content = archive.read(name)
                assert content == FILES.get(name, content)
        except InputError:
            pass


def claim(path, name, size):
    """Make the list of a zip's files say that a member has another size."""
    content = bytearray(path.read_bytes())
    at = content.find(b"PK\x01\x02")
    while content[at + 46 : at + 46 + len(name)] != name.encode():
        at = content.find(b"PK\x01\x02", at + 4)
    content[at + 24 : at + 28] = struct.pack("<I", size)
    path.write_bytes(content)


@pytest.mark.parametrize("size", [2699, 2701])
def test_a_member_of_another_size_than_claimed_is_refused(tmp_path, size):
    claim(write_zip(tmp_path / "a"), "pets/cat/1.jpg", size)
    archive = open_archive(tmp_path / "a")
    with pytest.raises(InputError, match=r"pets/cat/1.jpg must be as the archive describes it"):
        archive.read("pets/cat/1.jpg")


def test_a_member_too_large_for_the_memory_is_refused(tmp_path, kind, monkeypatch):
    archive = open_archive(WRITERS[kind](tmp_path / "a"))
    monkeypatch.setattr(limits, "MEMBER", 2699)
    with pytest.raises(InputError, match="must have at most 2699 bytes, but it has 2700"):
        archive.read("pets/cat/1.jpg")
    assert archive.read("pets/dog/1.jpg")


def test_bombs_are_refused_before_they_unfold(tmp_path):
    zeros = bytes(1 << 27)
    bomb = write_zip(tmp_path / "zip", {"a": zeros})
    with pytest.raises(InputError, match=r"at most 200 times its size.* looks like a bomb"):
        open_archive(bomb)
    (tmp_path / "gz").write_bytes(gzip.compress(tar_bytes({"a": zeros})))
    with pytest.raises(InputError, match=r"at most 200 times its size.* looks like a bomb"):
        open_archive(tmp_path / "gz")


def test_a_bomb_in_an_archive_is_refused(tmp_path):
    bomb = write_zip(tmp_path / "inner", {"a": bytes(1 << 27)}).read_bytes()
    outer = open_archive(write_zip(tmp_path / "a", {"train.zip": bomb}))
    with pytest.raises(InputError, match="looks like a bomb"):
        nested(outer, "train.zip")


def test_members_that_share_bytes_are_refused(tmp_path):
    content = bytearray(write_zip(tmp_path / "a").read_bytes())
    first = content.find(b"PK\x01\x02")
    second = content.find(b"PK\x01\x02", first + 4)
    content[second + 42 : second + 46] = content[first + 42 : first + 46]
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(InputError, match="overlap; it looks like a bomb"):
        open_archive(tmp_path / "a")


def test_a_name_that_differs_in_the_two_places_is_refused(tmp_path):
    content = write_zip(tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(content.replace(b"pets/dog/1.jpg", b"pets/dog/2.jpg", 1))
    with pytest.raises(InputError, match=r"pets/dog/1.jpg must be as the archive describes it"):
        open_archive(tmp_path / "a").read("pets/dog/1.jpg")


def test_too_many_files_are_refused(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(limits, "FILES", 2)
    with pytest.raises(InputError, match="must hold at most 2 files and folders, but it"):
        open_archive(WRITERS[kind](tmp_path / "a"))


@pytest.mark.parametrize("write", [write_tar, write_tgz])
@pytest.mark.parametrize("names", [("a", "b", "c"), ("a", "a/", "a//")])
def test_too_many_folders_in_a_tar_are_refused(tmp_path, write, names, monkeypatch):
    path = write(tmp_path / "a", {}, **dict.fromkeys(names, (tarfile.DIRTYPE, "")))
    monkeypatch.setattr(limits, "FILES", 3)
    assert open_archive(path).folders == {name.strip("/") for name in names}
    monkeypatch.setattr(limits, "FILES", 2)
    with pytest.raises(InputError, match="must hold at most 2 files and folders, but it holds"):
        open_archive(path)


def test_too_many_folders_that_only_names_imply_are_refused(tmp_path, kind, monkeypatch):
    path = WRITERS[kind](tmp_path / "a", {"a/b/c/d/1.jpg": b"x"})
    monkeypatch.setattr(limits, "FILES", 5)
    assert len(open_archive(path).folders) == 4
    monkeypatch.setattr(limits, "FILES", 4)
    with pytest.raises(InputError, match="must hold at most 4 files and folders, but it holds"):
        open_archive(path)


@pytest.mark.parametrize("kind", ARCHIVES)
def test_a_name_too_long_for_any_disk_is_refused(tmp_path, kind):
    # Its folders' names together are as long as half its square.
    longest, longer = "d/" * 511 + "ab", "d/" * 511 + "abc"
    assert open_archive(WRITERS[kind](tmp_path / "a", {longest: b"x"})).files == (longest,)
    with pytest.raises(InputError, match="at most 1024 characters, but one has 1025 and begins wi"):
        open_archive(WRITERS[kind](tmp_path / "a", {longer: b"x"}))


@pytest.mark.parametrize(
    ("size", "reason"),
    [
        ("-512", "negative size|invalid offset"),
        ("-1024", "negative size|invalid offset"),
        ("99999999999999999999", "cannot be read"),
    ],
)
def test_sizes_that_lead_astray_are_refused(tmp_path, size, reason):
    # Taken at its word, a negative size makes a reader go back and read the same file again.
    entry = tarfile.TarInfo("cat/1.jpg")
    entry.pax_headers = {"size": size}
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(entry)
        archive.addfile(tarfile.TarInfo("cat/2.jpg"))
    (tmp_path / "a").write_bytes(stream.getvalue())
    with pytest.raises(InputError, match=reason):
        open_archive(tmp_path / "a")


@pytest.mark.parametrize(
    ("start", "kind"),
    [(b"BZh9", "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"7z\xbc\xaf\x27\x1c", "7z"), (b"Rar!", "rar")],
)
def test_other_archives_are_to_be_unpacked(tmp_path, start, kind):
    (tmp_path / "a").write_bytes(start + bytes(600))
    with pytest.raises(InputError, match=f"but it is a {kind} file; unpack it"):
        open_archive(tmp_path / "a")


@pytest.mark.parametrize("content", [b"", b"I am a text", b"PK", b"\x1f\x8b", bytes(2000)])
def test_what_is_no_archive(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(InputError, match=r"truncated or damaged|is none, nor a zip or tar archive"):
        open_archive(tmp_path / "a", "Download it.")


def test_what_is_not_there(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match=r"there is no .*gone\. .* Download it\.$"):
        open_archive(tmp_path / "gone", "Download it.")
    with pytest.raises(InputError, match=r"must be a folder, but .*pipe is none"):
        open_archive(tmp_path / "pipe")


def test_links_in_folders(tmp_path):
    root = write_folder(tmp_path / "a")
    os.symlink("../cat/1.jpg", root / "pets/dog/inside.jpg")
    os.symlink(tmp_path, root / "pets/out")
    os.symlink("..", root / "pets/dog/round")
    os.symlink("nowhere", root / "pets/dog/nothing")
    os.mkfifo(root / "pets/dog/pipe")
    archive = open_archive(root)
    assert archive.read("pets/dog/inside.jpg") == FILES["pets/cat/1.jpg"]
    assert not [name for name in archive.files if "round" in name]
    for name, reason in {
        "pets/out/": "leads out of it",
        "pets/dog/nothing": "a link to nothing",
        "pets/dog/pipe": "no regular file",
    }.items():
        with pytest.raises(InputError, match=reason):
            archive.read(name)


def test_a_link_that_is_bent_after_the_listing_is_refused(tmp_path):
    root = write_folder(tmp_path / "a")
    (tmp_path / "secret").write_text("secret")
    archive = open_archive(root)
    (root / "pets/cat/1.jpg").unlink()
    os.symlink(tmp_path / "secret", root / "pets/cat/1.jpg")
    with pytest.raises(InputError, match="leads out of it"):
        archive.read("pets/cat/1.jpg")
