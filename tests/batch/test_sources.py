"""What users name, and what hostile files do to those who read them."""

from __future__ import annotations

import os
import select
import socket
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path, PurePath

import pytest

from bshm import disk
from bshm.batch.sources import expand
from bshm.batch.web import LIMITS
from bshm.codec import png
from tests.helpers import refusal

needs_posix = pytest.mark.skipif(os.name == "nt", reason="POSIX only")


def made(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode("utf-8", "surrogateescape"))
    return folder


def below(folder, sources):
    return [PurePath(os.path.relpath(source.name, str(folder))).as_posix() for source in sources]


# --- files and folders ---


def test_files_keep_their_order_name_and_stem(tmp_path):
    made(tmp_path, "b.jpg", "a.jpg", "Grüße 写真.tar.PNG")
    named = [str(tmp_path / name) for name in ("b.jpg", "a.jpg", "Grüße 写真.tar.PNG")]
    sources = expand(named)
    assert [source.name for source in sources] == named
    assert [source.stem for source in sources] == ["b", "a", "Grüße 写真.tar"]
    assert [source.path for source in sources] == [Path(name) for name in named]
    assert all(source.parent == PurePath() for source in sources)
    assert sources[0].read() == b"b.jpg"


def test_folder_lists_photos_only_in_natural_order(tmp_path):
    made(tmp_path, "p10.jpg", "p9.JPEG", "P1.heic", "notes.txt", ".hidden.jpg", "x.jpg.part")
    made(tmp_path, "below/deep.png", ".hidden/x.jpg")
    (tmp_path / "folder.jpg").mkdir()
    assert below(tmp_path, expand([str(tmp_path)])) == ["P1.heic", "p9.JPEG", "p10.jpg"]


def test_recursive_keeps_where_each_photo_was(tmp_path):
    made(tmp_path, "a.jpg", "z/b.jpg", "z/y/c.jpg", "b/d.jpg", ".git/e.jpg")
    sources = expand([str(tmp_path)], recursive=True)
    assert below(tmp_path, sources) == ["a.jpg", "b/d.jpg", "z/b.jpg", "z/y/c.jpg"]
    parents = [source.parent for source in sources]
    assert parents == [PurePath(), PurePath("b"), PurePath("z"), PurePath("z", "y")]


def test_folder_without_photos_is_an_error_that_names_it(tmp_path):
    made(tmp_path, "notes.txt", "below/a.jpg")
    [source] = expand([str(tmp_path)])
    assert "no photos in this folder" in refusal(source)
    [source] = expand([str(tmp_path / "below" / "..")], recursive=True)
    assert source.stem == "a"


def test_listing_is_done_before_any_output_is_written(tmp_path):
    made(tmp_path, "a.jpg", "b/c.jpg")
    sources = expand([str(tmp_path), str(tmp_path / "b"), str(tmp_path / "*.*")], recursive=True)
    made(tmp_path, "a.png", "b/c.png")
    assert below(tmp_path, sources) == ["a.jpg", "b/c.jpg", "b/c.jpg", "a.jpg"]


def test_outputs_of_earlier_runs_are_not_listed_but_can_be_named(tmp_path, pixels):
    made(tmp_path, "a.jpg", "below/b.jpg")
    cutout = png.encode_png(pixels[..., 0], mark="cutout of a.jpg")
    for name in ("a.png", "below/b.PNG"):
        (tmp_path / name).write_bytes(cutout)
    (tmp_path / "photo.png").write_bytes(png.encode_png(pixels[..., 0]))  # of somebody else
    found = below(tmp_path, expand([str(tmp_path)], recursive=True))
    assert found == ["a.jpg", "photo.png", "below/b.jpg"]
    found = below(tmp_path, expand([str(tmp_path / "**" / "*.*")]))
    assert found == ["a.jpg", "below/b.jpg", "photo.png"]
    [source] = expand([str(tmp_path / "a.png")])
    assert source.read() == cutout


def test_folders_and_patterns_with_nothing_but_cutouts_are_called_that(tmp_path, pixels):
    (tmp_path / "a.png").write_bytes(png.encode_png(pixels[..., 0], mark="cutout of a.jpg"))
    made(tmp_path, "notes.txt")
    for named in (str(tmp_path), str(tmp_path / "*")):
        [source] = expand([named])
        assert "nothing is there but cutouts that bshm made" in refusal(source)


@needs_posix
def test_links_in_circles_end(tmp_path):
    made(tmp_path, "a/x.jpg", "b/y.jpg")
    for place in ("a", "b"):
        (tmp_path / place / "up").symlink_to(tmp_path)
        (tmp_path / place / "self").symlink_to(tmp_path / place)
    assert below(tmp_path, expand([str(tmp_path)], recursive=True)) == ["a/x.jpg", "b/y.jpg"]
    assert below(tmp_path, expand([str(tmp_path / "**" / "*.jpg")])) == ["a/x.jpg", "b/y.jpg"]
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    [source] = expand([str(tmp_path / "loop.jpg")])
    assert "cannot be read" in refusal(source)


@needs_posix
def test_linked_photos_are_read_and_broken_links_are_not_passed_over(tmp_path):
    made(tmp_path, "real/x.jpg")
    folder = tmp_path / "links"
    folder.mkdir()
    (folder / "a.jpg").symlink_to(tmp_path / "real" / "x.jpg")
    (folder / "b.jpg").symlink_to(tmp_path / "gone.jpg")
    (folder / "c").symlink_to(tmp_path / "real")
    whole, broken, deep = expand([str(folder)], recursive=True)
    assert whole.read() == b"real/x.jpg" and deep.parent == PurePath("c")
    assert "No such file" in refusal(broken)


def test_a_folder_that_cannot_be_listed_is_reported_and_the_rest_is_done(tmp_path, monkeypatch):
    made(tmp_path, "a/x.jpg", "b/y.jpg")
    scandir = os.scandir

    def refusing(folder):  # root may list every folder, so a mode would not do
        if os.path.basename(folder) == "a":
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    closed, fine = expand([str(tmp_path)], recursive=True)
    assert "a: cannot be listed: Permission denied" in refusal(closed)
    assert fine.read() == b"b/y.jpg"


def test_missing_files_fail_in_their_place_and_the_others_go_on(tmp_path):
    made(tmp_path, "a.jpg")
    missing, present = expand([str(tmp_path / "no.jpg"), str(tmp_path / "a.jpg")])
    assert "no such file" in refusal(missing) and missing.path is None
    assert present.read() == b"a.jpg"


@needs_posix
def test_a_photo_in_a_closed_folder_is_not_called_missing(tmp_path):
    made(tmp_path, "closed/a.jpg")
    (tmp_path / "closed").chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        [source] = expand([str(tmp_path / "closed" / "a.jpg")])
    finally:
        if root:
            os.seteuid(0)
        (tmp_path / "closed").chmod(0o700)
    assert "cannot be read: Permission denied" in refusal(source)


def test_files_that_vanish_or_change_after_listing(tmp_path):
    made(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    first, second, third = expand([str(tmp_path)])
    (tmp_path / "a.jpg").unlink()
    (tmp_path / "b.jpg").unlink()
    (tmp_path / "b.jpg").mkdir()
    (tmp_path / "c.jpg").write_bytes(b"changed")
    assert "No such file" in refusal(first)
    assert "is a folder, not a photo" in refusal(second)
    assert third.read() == b"changed"


@pytest.mark.parametrize(
    "name",
    ["x" * 300 + ".jpg", "nul\0byte.jpg", "", " ", "lone\ud800.jpg", "nul\0/*", "lone\ud800/?"],
)
def test_impossible_names_are_errors(name):
    [source] = expand([name])
    assert refusal(source)
    assert source.name.isprintable()


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux only")
def test_names_that_are_not_text_can_be_read_and_printed(tmp_path):
    name = os.fsdecode(b"caf\xe9\n\x1b[31m.jpg")
    made(tmp_path, name)
    [source] = expand([str(tmp_path)])
    assert source.read() and source.name.isprintable()
    assert source.name.endswith("caf\\udce9\\n\\x1b[31m.jpg")
    disk.write_atomic(tmp_path / (source.stem + ".png"), b"data")
    assert os.listdir(os.fsencode(str(tmp_path))).count(b"caf\xe9\n\x1b[31m.png") == 1


# --- patterns ---


def test_globs(tmp_path):
    made(tmp_path, "p10.jpg", "p9.jpg", "q.png", "notes.txt", "a/x.jpg", "a/b/y.jpg", ".h/z.jpg")

    def found(pattern, **options):
        return below(tmp_path, expand([str(tmp_path / pattern)], **options))

    assert found("*.jpg") == ["p9.jpg", "p10.jpg"]
    assert found("p?.jpg") == ["p9.jpg"]
    assert found("[pq]*") == ["p9.jpg", "p10.jpg", "q.png"]
    assert found("*") == ["p9.jpg", "p10.jpg", "q.png"]
    assert found("*.txt") == ["notes.txt"]
    assert found("**/*.jpg") == ["a/b/y.jpg", "a/x.jpg", "p9.jpg", "p10.jpg"]
    assert found("a/**") == ["a/b/y.jpg", "a/x.jpg"]
    assert found("*/x.jpg") == ["a/x.jpg"]


def test_relative_globs(tmp_path, monkeypatch):
    made(tmp_path, "x.jpg", "a/y.jpg")
    monkeypatch.chdir(tmp_path)
    assert [source.name for source in expand(["*.jpg"])] == ["x.jpg"]
    names = [source.name for source in expand(["**/*.jpg"])]
    assert names == [os.path.join("a", "y.jpg"), "x.jpg"]


def test_globs_keep_folders_only_when_recursive(tmp_path):
    made(tmp_path, "a/x.jpg", "b/x.jpg")
    pattern = str(tmp_path / "*" / "*.jpg")
    assert [source.parent for source in expand([pattern])] == [PurePath(), PurePath()]
    parents = [source.parent for source in expand([pattern], recursive=True)]
    assert parents == [PurePath("a"), PurePath("b")]


def test_folders_that_a_glob_matches_are_done_where_no_file_matches(tmp_path):
    made(tmp_path, "in/day 1/x.jpg", "in/day 2/x.jpg", "in/day 2/deep/y.jpg")

    def found(pattern, **options):
        return below(tmp_path / "in", expand([str(tmp_path / "in" / pattern)], **options))

    assert found("day*") == ["day 1/x.jpg", "day 2/x.jpg"]
    assert found("day*" + os.sep, recursive=True) == [
        *("day 1/x.jpg", "day 2/x.jpg", "day 2/deep/y.jpg")
    ]
    (tmp_path / "in" / "day 3").mkdir()
    *_, empty = expand([str(tmp_path / "in" / "*")])
    assert "no photos in this folder" in refusal(empty)


def test_globs_never_lead_out_of_the_output_folder(tmp_path):
    made(tmp_path, "in/a1/x.jpg", "b/q.jpg")
    pattern = str(tmp_path / "in" / "a*" / ".." / ".." / "b" / "*.jpg")
    assert [source.parent for source in expand([pattern], recursive=True)] == [PurePath()]


@needs_posix
def test_a_current_folder_that_is_gone_holds_no_photos(tmp_path, monkeypatch):
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    [source] = expand(["."])
    assert refusal(source).startswith(".: ")


def test_names_that_look_like_patterns_are_taken_literally_if_they_exist(tmp_path):
    made(tmp_path, "a[1].jpg", "a1.jpg", "album [2020]/x.jpg", "album 2/x.jpg")
    assert below(tmp_path, expand([str(tmp_path / "a[1].jpg")])) == ["a[1].jpg"]
    assert below(tmp_path, expand([str(tmp_path / "a[1]*")])) == ["a1.jpg"]
    found = expand([str(tmp_path / "album [2020]" / "*.jpg")])
    assert below(tmp_path, found) == ["album [2020]/x.jpg"]


def test_pattern_without_a_match_is_an_error():
    [source] = expand(["/no/such/*.jpg"])
    assert refusal(source) == "/no/such/*.jpg: nothing matches this pattern"


def test_a_folder_in_a_pattern_that_cannot_be_listed_is_reported(tmp_path, monkeypatch):
    made(tmp_path, "a/x.jpg", "b/y.jpg")
    scandir = os.scandir

    def refusing(folder):  # root may list every folder, so a mode would not do
        if os.path.basename(folder) == "a":
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    for pattern in ("*/*.jpg", "**/*.jpg"):
        *closed, fine = sorted(expand([str(tmp_path / pattern)]), key=lambda s: s.name)
        assert [refusal(s) for s in closed] == [
            "%s: cannot be listed: Permission denied" % (tmp_path / "a")
        ]
        assert fine.read() == b"b/y.jpg"
    [closed] = expand([str(tmp_path / "a" / "*.jpg")])
    assert refusal(closed).endswith("a: cannot be listed: Permission denied")


# --- pipes, devices, stdin ---


@needs_posix
def test_pipes_sockets_and_devices_are_refused_at_once(tmp_path, monkeypatch):
    os.mkfifo(str(tmp_path / "pipe.jpg"))
    [source] = expand([str(tmp_path / "pipe.jpg")])
    assert "is a named pipe" in refusal(source)
    [source] = expand([str(tmp_path)])  # in a folder it is not a photo at all
    assert "no photos" in refusal(source)
    [source] = expand(["/dev/zero"])
    assert refusal(source) == "/dev/zero: is a device, not a photo"
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(tmp_path)  # a socket's path must be short
        listening.bind("s.jpg")
        [source] = expand(["s.jpg"])
        assert "is a socket" in refusal(source)


@needs_posix
def test_a_pipe_that_takes_a_files_place_does_not_block(tmp_path, monkeypatch):
    made(tmp_path, "a.jpg")
    [source] = expand([str(tmp_path / "a.jpg")])
    status = os.stat(str(tmp_path / "a.jpg"))
    (tmp_path / "a.jpg").unlink()
    os.mkfifo(str(tmp_path / "a.jpg"))
    monkeypatch.setattr(os, "stat", lambda *_, **__: status)  # it was still a file a moment ago
    assert source.read() == b""


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="needs /dev/fd")
def test_pipes_inherited_from_the_shell_are_read(tmp_path):
    reader, writer = os.pipe()
    os.write(writer, b"photo")
    os.close(writer)
    [source] = expand(["/dev/fd/%d" % reader])
    assert source.read() == b"photo"
    os.close(reader)


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="needs /dev/fd")
def test_endless_pipes_end_at_the_limit():
    with open("/dev/zero", "rb") as zero:
        [source] = expand(["/dev/fd/%d" % zero.fileno()], file_bytes=10**6)
        assert "larger than the limit of 1 MB" in refusal(source)


def test_size_limit_of_files(tmp_path):
    made(tmp_path, "a.jpg")
    path = str(tmp_path / "a.jpg")
    [source] = expand([path], file_bytes=5)
    assert source.read() == b"a.jpg"
    [source] = expand([path], file_bytes=4)
    assert "larger than the limit" in refusal(source)
    with open(path, "r+b") as file:
        file.truncate(2 << 30)  # takes no room; reading it would
    [source] = expand([path])
    assert "larger than the limit of 1074 MB" in refusal(source)


def test_stdin(monkeypatch):
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(b"photo")))
    [source] = expand(["-"])
    assert (source.name, source.stem, source.path) == ("stdin", "stdin", None)
    assert source.read() == b"photo"
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(bytes(11))))
    [source] = expand(["-"], file_bytes=10)
    assert "larger than the limit" in refusal(source)
    monkeypatch.setattr(sys, "stdin", None)
    assert refusal(expand(["-"])[0]) == "stdin: is closed"


@needs_posix
def test_a_stdin_that_does_not_block_is_waited_for(monkeypatch):
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    coming, wait = [b"pho", b"to"], select.select

    def waiting(*streams):  # what is waited for comes only now
        if coming:
            os.write(writer, coming.pop(0))
        else:
            os.close(writer)
        return wait(*streams)

    monkeypatch.setattr(select, "select", waiting)
    with open(reader) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        [source] = expand(["-"])
        assert source.read() == b"photo"


@needs_posix
def test_a_terminal_is_not_waited_for():
    import pty

    master, terminal = pty.openpty()
    [source] = expand(["/dev/fd/%d" % terminal])
    assert "is a terminal" in refusal(source)
    os.close(master)
    os.close(terminal)


# --- addresses ---


@pytest.mark.parametrize(
    "path, stem",
    [
        ("/a/photo.jpg", "photo"),
        ("/a/photo.jpg?name=../../etc/passwd&x=y.png#z.gif", "photo"),
        ("/photo", "photo"),
        ("/a/b/", "b"),
        ("/%E5%86%99%E7%9C%9F%20%C3%BC.jpg", "写真 ü"),
        ("/..%2F..%2Fetc%2Fpasswd", "_.._etc_passwd"),
        ("/a%00b%0Ac%5Cd%3Ae.jpg", "a_b_c_d_e"),
        ("/..", "photo"),
        ("/.hidden", "hidden"),
        ("/con.jpg", "_con"),
        ("/lpt1.x.jpg", "_lpt1.x"),
        ("/trailing%20. .jpg", "trailing"),
        ("/", "example.org"),
        ("", "example.org"),
        ("/" + "x" * 500 + ".jpg", "x" * 200),
        ("/" + "%C3%BC" * 300 + ".jpg", "ü" * 100),
        ("/%FF.jpg", "\ufffd"),
    ],
)
def test_output_is_named_after_the_urls_path(path, stem):
    [source] = expand(["https://example.org:8080" + path])
    assert source.stem == stem and source.path is None
    assert source.name == "https://example.org:8080" + path.partition("?")[0] + (
        "?name=...&x=...#..." if "?" in path else ""
    )


def test_addresses_without_a_host_are_refused_and_show_no_password():
    [source] = expand(["http://bob:s3cret@/x.jpg"])
    assert refusal(source).endswith("/x.jpg: names no host") and "s3cret" not in refusal(source)
    [source] = expand(["http://bob:s3cret@exam ple.org:99999/x.jpg"])
    assert "s3cret" not in refusal(source)


@pytest.mark.parametrize(
    "address",
    [
        *("ftp://bob:s3cret@h/x.jpg", "s3://bob:s3cret@h/x", "file://bob:s3cret@h/x.jpg"),
        *("http:bob:s3cret@h/x.jpg", "http:/bob:s3cret@h/x", "HTTP://bob:s3cret@[::1"),
        *("http://bob:pw/s3cret@h/x", "http://bob:pw#s3cret@h/x", "http://bob:s3 cret@h/x"),
        *("s3://bob:s3cret@h/*.jpg", "http:\\\\bob:s3cret@h", "bob:s3cret@h:/x.jpg"),
        *("https://h.invalid/x.jpg?sig=s3cret", "https://h.invalid/x.jpg?s3cret#s3cret"),
    ],
)
def test_no_secret_is_shown_whatever_the_scheme(address):
    [source] = expand([address], limits=LIMITS._replace(connect_s=0.5, retries=0))
    for text in (source.name, source.stem, refusal(source), repr(source)):
        assert "cret" not in text and "pw" not in text


def test_keys_of_a_query_are_shown_and_an_at_in_a_path_is_no_password():
    [source] = expand(["https://h:80/photo@2x.jpg?size=9&sig=s3cret;v=1"])
    assert source.name == "https://h:80/photo@2x.jpg?size=...&sig=...;v=..."


def test_passwords_are_not_shown():
    [source] = expand(["https://user:secret@example.org/x.jpg"])
    assert source.name == "https://example.org/x.jpg"


@pytest.mark.parametrize("name", ["C:\\photos\\x.jpg", "C:/photos/x.jpg", "c://x.jpg"])
def test_drive_letters_are_not_addresses(name):
    [source] = expand([name])
    assert "no such file" in refusal(source)


def test_files_of_other_hosts_are_refused():
    [source] = expand(["file://host/x.jpg"])
    assert refusal(source).endswith("is neither a path nor an http(s) address")


@pytest.mark.parametrize(
    "name", ["http://[::1", "http://", "http:///x.jpg", "http://a b/", "HTTP://%"]
)
def test_broken_addresses_are_refused(name):
    [source] = expand([name], limits=LIMITS._replace(connect_s=0.5, retries=0))
    assert refusal(source)


def test_file_addresses_are_paths(tmp_path):
    made(tmp_path, "a b.jpg")
    for address in ((tmp_path / "a b.jpg").as_uri(), tmp_path.as_uri()):
        [source] = expand([address])
        assert source.path == tmp_path / "a b.jpg" and source.read() == b"a b.jpg"
    [source] = expand([(tmp_path / "no.jpg").as_uri()])
    assert "no such file" in refusal(source)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lists_are_read_as_any_editor_writes_them(tmp_path, encoding):
    names = ["é.jpg", "photo two.jpg"]
    made(tmp_path, *names)
    text = "".join("%s\r\n" % (tmp_path / name) for name in names)
    (tmp_path / "list.txt").write_bytes(text.encode(encoding))
    listed = expand(["@%s" % (tmp_path / "list.txt")])
    assert [source.path for source in listed] == [tmp_path / name for name in names]


def test_a_photo_is_no_list(tmp_path, pixels):
    (tmp_path / "photo.png").write_bytes(png.encode_png(pixels[..., 0].copy()))
    [source] = expand(["@%s" % (tmp_path / "photo.png")])
    assert "a binary file, no list" in refusal(source)
