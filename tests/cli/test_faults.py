"""The real command where things go wrong: disks, folders, files, signals, streams.

Where a test must act in mid-run, the run waits for it: one of its photos comes from a pipe.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bshm.cli import signals
from tests.helpers import COMMAND, ROOT, bshm, lines

if os.name == "nt":
    pytest.skip("POSIX only", allow_module_level=True)

import fcntl
import resource

SIZE = (96, 96)

pytestmark = pytest.mark.real_command


class Waiting:
    """A run in the midst of its work: after the photos before the pipe, it waits for the pipe.

    Of the photos after the pipe, those beyond the read-ahead are not read before ``feed``.
    """

    def __init__(self, before, after, *arguments, **options):
        reader, self.pipe = os.pipe()
        command = [*COMMAND, "-i", *before, "/dev/fd/%d" % reader, *after, *arguments]
        self.process = subprocess.Popen(
            list(map(str, command)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[reader],
            **options,
        )
        os.close(reader)
        self.done = [self.process.stdout.readline() for _ in before]

    def feed(self, data=b""):
        with contextlib.suppress(BrokenPipeError):
            os.write(self.pipe, data)
        os.close(self.pipe)

    def end(self, code):
        out, said = self.process.communicate(timeout=120)
        assert self.process.returncode == code and b"Traceback" not in said, said.decode()
        return lines(b"".join(self.done) + out), said.decode()


@pytest.fixture(scope="session")
def portrait(tmp_path_factory):
    """A small JPEG with somebody on it."""
    path = tmp_path_factory.mktemp("portrait") / "portrait.jpg"
    with Image.open(ROOT / "image-matting" / "1.png") as picture:
        picture.convert("RGB").resize(SIZE).save(path)
    return path


@pytest.fixture
def photos(tmp_path, portrait):
    """A function that makes a folder of so many photos: p00.jpg, p01.jpg, ..."""

    def make(count):
        folder = tmp_path / "in"
        folder.mkdir()
        for number in range(count):
            shutil.copy(str(portrait), str(folder / ("p%02d.jpg" % number)))
        return sorted(folder.iterdir())

    return make


def assert_whole(folder, *stems):
    """These cutouts are in the folder, whole, and nothing else is, hidden or not."""
    assert sorted(os.listdir(str(folder))) == sorted(stem + ".png" for stem in stems)
    for stem in stems:
        with Image.open(folder / (stem + ".png")) as cutout:
            cutout.load()
            assert (cutout.mode, cutout.size) == ("RGBA", SIZE)
            assert np.asarray(cutout)[..., 3].max() == 255


@contextlib.contextmanager
def mounted(folder, options):
    """A tmpfs on a folder; skips where only root may mount one."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, stderr=subprocess.PIPE).returncode:
        pytest.skip("may not mount a file system here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


# --- disks and folders ---


def test_full_disk_costs_what_does_not_fit_and_nothing_else(tmp_path, photos):
    out = tmp_path / "out"
    photos(4)
    bshm("-i", tmp_path / "in", "-d", tmp_path / "room")
    needs = -(-(tmp_path / "room" / "p00.png").stat().st_size // 4096) * 4096
    with mounted(out, "size=%d" % (2 * needs + 4096)):
        done = bshm("-i", tmp_path / "in", "-d", out, code=1)
        assert_whole(out, "p00", "p01")
        assert lines(done.stdout) == [str(out / "p00.png"), str(out / "p01.png")]
        assert done.stderr.count(b"cannot be written: the disk is full") == 1
        last = "bshm: stopped: 2 done, 1 failed, 1 left; make room, then go on with --skip-existing"
        assert lines(done.stderr)[-1] == last
        (out / "p00.png").unlink()  # somebody makes room
        (out / "p01.png").unlink()
        (tmp_path / "in" / "p00.jpg").unlink()
        (tmp_path / "in" / "p01.jpg").unlink()
        bshm("-i", tmp_path / "in", "-d", out, "--skip-existing")
        assert_whole(out, "p02", "p03")


def test_a_folder_that_takes_nothing_ends_the_run_before_it_begins(tmp_path, photos):
    photos(3)
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    for folder in (blocker, blocker / "out"):
        done = bshm("-i", tmp_path / "in", "-d", folder, code=1)
        [said] = lines(done.stderr)  # no weights are loaded
        assert str(folder) in said and "a part of its path is a file, not a folder" in said
    with mounted(tmp_path / "full", "size=8k"):
        (tmp_path / "full" / "x").write_bytes(bytes(8192))
        [said] = lines(bshm("-i", tmp_path / "in", "-d", tmp_path / "full", code=1).stderr)
        assert "the disk is full" in said
        assert os.listdir(str(tmp_path / "full")) == ["x"]


def test_no_folder_is_left_where_nothing_was_made(tmp_path, photos):
    photos(1)
    [photo] = (tmp_path / "in").iterdir()
    photo.write_bytes(b"no photo")
    bshm(photo, "-d", tmp_path / "a" / "b", code=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


def test_a_folder_that_is_read_only_now_holds_what_is_done(tmp_path, photos):
    photos(2)
    with mounted(tmp_path / "out", "size=1m"):
        bshm("-i", tmp_path / "in", "-d", tmp_path / "out")
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path / "out")], check=True)
        bshm("-i", tmp_path / "in", "-d", tmp_path / "out", "--skip-existing")


def test_limit_on_file_sizes_leaves_no_partial_file(tmp_path, photos):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    photos(2)
    done = bshm("-i", tmp_path / "in", "-d", tmp_path / "out", code=1, preexec_fn=limit)
    assert done.stderr.count(b"cannot be written: ") == 2
    assert_whole(tmp_path / "out")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_stdout_that_takes_a_part_only_is_an_error(tmp_path, photos, unbuffered):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    [photo] = photos(1)
    with open(str(tmp_path / "cutout.png"), "wb") as out:
        command = [*COMMAND, "-q", "-i", str(photo), "-o", "-"]
        environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
        done = subprocess.run(
            command, stdout=out, stderr=subprocess.PIPE, env=environment, preexec_fn=limit
        )
    assert done.returncode == 1 and b"stdout: cannot be written: " in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="sets the size of a pipe")
def test_a_pipe_that_does_not_block_gets_the_whole_cutout(tmp_path, photos):
    [photo] = photos(1)
    bshm("-i", photo, "-o", tmp_path / "cutout.png")
    whole = (tmp_path / "cutout.png").read_bytes()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    set_pipe_size = 1031
    assert fcntl.fcntl(writer, set_pipe_size, 4096) < len(whole)
    command = [*COMMAND, "-q", "-i", str(photo), "-o", "-"]
    process = subprocess.Popen(command, stdout=writer)
    os.close(writer)
    with open(reader, "rb") as pipe:
        assert pipe.read() == whole
    assert process.wait(60) == 0


def test_read_only_folder_is_named(tmp_path, photos):
    out = tmp_path / "out"
    [photo] = photos(1)
    with mounted(out, "ro"):
        for folder in (out, out / "new"):
            said = bshm("-i", photo, "-d", folder, code=1).stderr.decode()
            assert str(folder / "p00.png") in said and "the file system is read-only" in said


def test_forbidden_folders_and_photos_are_named(tmp_path, photos):
    secret, photo = photos(2)
    secret.chmod(0)
    closed, out = tmp_path / "closed", tmp_path / "out"
    closed.mkdir(mode=0o555)
    as_anybody = []
    if os.geteuid() == 0:  # who may do anything, unless told otherwise
        if shutil.which("setpriv") is None:
            pytest.skip("root may read and write everything")
        as_anybody = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]

    def said(named, folder):
        command = [*as_anybody, *COMMAND, "-i", str(named), "-d", str(folder)]
        done = subprocess.run(command, stderr=subprocess.PIPE, timeout=120)
        assert done.returncode == 1 and b"Traceback" not in done.stderr
        return done.stderr.decode()

    assert "p00.jpg: cannot be read: Permission denied" in said(secret, out)
    assert "p01.png: cannot be written: no permission to write there" in said(photo, closed)


# --- photos that are not what they seem ---


def test_photos_that_vanish_or_change_in_mid_run(tmp_path, photos, portrait):
    first, *others = photos(20)
    run = Waiting([first], others, "-d", tmp_path / "out")
    gone, folder, pipe, cut, last = others[-5:]
    for path in (gone, folder, pipe):
        path.unlink()
    folder.mkdir()
    os.mkfifo(str(pipe))
    cut.write_bytes(b"")
    Image.open(portrait).rotate(90).save(last, quality=50)
    run.feed(b"no photo")
    paths, said = run.end(code=1)
    assert [Path(path).stem for path in paths] == [
        path.stem for path in (first, *others[:-5], last)
    ]
    for path, reason in [
        (gone, "No such file"),
        (folder, "is a folder, not a photo"),
        (pipe, "is a named pipe"),
        (cut, "the file is empty"),
    ]:
        assert "%s: " % path in said and reason in said
    assert said.endswith("bshm: 16 done, 0 skipped, 5 failed\n")


def test_no_kind_of_file_in_a_folder_makes_a_run_hang(tmp_path, photos, portrait):
    photos(1)
    folder = tmp_path / "in"
    os.mkfifo(str(folder / "fifo.jpg"))
    (folder / "zero.jpg").symlink_to("/dev/zero")
    (folder / "tty.jpg").symlink_to("/dev/tty")
    (folder / "self.jpg").symlink_to("self.jpg")
    (folder / "up").symlink_to(folder)
    with contextlib.suppress(PermissionError):  # for root only
        os.mknod(str(folder / "device.jpg"), stat.S_IFCHR | 0o600, os.makedev(1, 5))
    here = os.open(str(folder), os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("/proc/self/fd/%d/s.jpg" % here if os.path.isdir("/proc") else "s.jpg")
        done = bshm("-i", folder, "-d", tmp_path / "out", "--recursive", code=1)
        named = sorted(set(folder.iterdir()) - {folder / "up", folder / "p00.jpg"})
        told = bshm("-i", *named, "-d", tmp_path / "none", code=1).stderr.decode()
    os.close(here)
    assert_whole(tmp_path / "out", "p00")
    [link, tally] = [line for line in lines(done.stderr) if " on cpu" not in line]
    assert "self.jpg: cannot be read: " in link and "1 done, 0 skipped, 1 failed" in tally
    for path in named:
        assert "%s: " % path in told
    assert not (tmp_path / "none").exists()


def test_a_run_leaves_nothing_outside_its_output_folder(tmp_path, photos):
    [photo] = photos(1)
    home = tmp_path / "home"
    home.mkdir()
    environment = {key: os.environ[key] for key in os.environ if not key.startswith("XDG_")}
    environment.update(HOME=str(home), TMPDIR=str(home))
    del environment["MODELSCOPE_CACHE"]  # which keeps the other tests out of the home folder
    bshm("-i", photo, "-d", tmp_path / "out", env=environment)
    assert [path for path in home.rglob("*") if path.is_file()] == []


# --- ends of all kinds ---


def killed_while_writing(folder, out):
    """A run that is killed, as by kill -9, in the middle of writing its second cutout."""
    program = (
        "import os, signal, sys\n"
        "replace, calls = os.replace, []\n"
        "def killing(*paths):\n"
        "    calls.append(paths)\n"
        "    if len(calls) == 2:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    replace(*paths)\n"
        "os.replace = killing\n"
        "from bshm.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", program, "-i", str(folder), "-d", str(out)]
    done = subprocess.run(command, cwd=str(ROOT), capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


def test_a_rerun_after_a_kill_makes_all_whole_and_clears_up(tmp_path, photos):
    photos(4)
    out = tmp_path / "out"
    killed_while_writing(tmp_path / "in", out)
    assert len(os.listdir(str(out))) == 2 and (out / "p00.png").exists()
    done = bshm("-i", tmp_path / "in", "-d", out, "--skip-existing", "-v")
    assert "1 skipped" in done.stderr.decode() and len(lines(done.stdout)) == 3
    assert_whole(out, "p00", "p01", "p02", "p03")


def test_a_file_that_another_run_is_writing_is_left_alone(tmp_path, photos):
    photo, other = photos(2)
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from bshm import disk\n"
        "replace = os.replace\n"
        "def waiting(*paths):\n"
        "    print('written', flush=True)\n"
        "    sys.stdin.read()\n"
        "    replace(*paths)\n"
        "os.replace = waiting\n"
        "disk.write_atomic(Path(sys.argv[1]), b'whole')\n"
    )
    out = tmp_path / "out"
    command = [sys.executable, "-c", program, str(out / "x.png")]
    with subprocess.Popen(
        command, cwd=str(ROOT), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout.readline() == b"written\n"
        bshm("-i", photo, "-d", out)
        assert len(os.listdir(str(out))) == 2
        writer.stdin.close()
    assert writer.returncode == 0
    assert (out / "x.png").read_bytes() == b"whole"
    bshm("-i", photo, other, "-d", out, "--skip-existing")
    assert sorted(os.listdir(str(out))) == ["p00.png", "p01.png", "x.png"]


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interruption_while_waiting_for_a_photo(tmp_path, photos, sent):
    first, *others = photos(3)
    run = Waiting([first], others, "-d", tmp_path / "out")
    run.process.send_signal(sent)
    paths, said = run.end(code=130)
    assert paths == [str(tmp_path / "out" / "p00.png")]
    assert "interrupted: 1 done, 3 left; go on with --skip-existing" in said
    assert_whole(tmp_path / "out", "p00")
    run.feed()
    kept = (tmp_path / "out" / "p00.png").stat().st_mtime_ns
    rerun = bshm("-i", first, *others, "-d", tmp_path / "out", "--skip-existing")
    assert b"1 skipped" in rerun.stderr
    assert_whole(tmp_path / "out", "p00", "p01", "p02")
    assert (tmp_path / "out" / "p00.png").stat().st_mtime_ns == kept


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_interrupts_only_where_it_is_looked_for(sent):
    """Anywhere else it may leave a lock of the standard library locked, or be lost."""
    before = signal.getsignal(sent)
    with signals.terminable() as check:
        check()
        os.kill(os.getpid(), sent)
        with pytest.raises(KeyboardInterrupt):
            check()
    assert signal.getsignal(sent) is before
    assert signal.alarm(0) == 0


def run_program(*program, stdout=subprocess.PIPE):
    """The command in a program of its own, which may change parts of it."""
    command = [sys.executable, "-c", "\n".join(program)]
    return subprocess.run(
        command, cwd=str(ROOT), stdout=stdout, stderr=subprocess.PIPE, timeout=120
    )


def test_a_second_signal_ends_the_run_at_once():
    done = run_program(
        "import os, signal",
        "from bshm.cli import signals",
        "with signals.terminable():",
        "    for _ in range(2):",
        "        os.kill(os.getpid(), signal.SIGTERM)",
        "    print('went on')",
    )
    assert (done.returncode, done.stdout) == (130, b"")


def test_told_to_end_a_run_does_not_wait_for_its_reader_for_good(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"no photo")
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(4096))
    os.set_blocking(writer, True)
    done = run_program(
        "import os, signal, sys",
        "from bshm.cli import main, signals",
        "signals.GRACE_S, write = 1, os.write",
        "def told(descriptor, data):",
        "    os.write = write",
        "    os.kill(os.getpid(), signal.SIGTERM)",
        "    return write(descriptor, data)",
        "os.write = told",
        "sys.exit(main.main(['--json', '-i', %r]))" % str(tmp_path),
        stdout=writer,
    )
    os.close(reader)
    os.close(writer)
    assert done.returncode == 130


def test_told_to_end_while_the_last_cutout_is_written_it_is_finished(tmp_path, photos):
    [photo] = photos(1)
    done = run_program(
        "import os, signal, sys",
        "from bshm.cli import main",
        "replace = os.replace",
        "def told(*paths):",
        "    os.kill(os.getpid(), signal.SIGTERM)",
        "    replace(*paths)",
        "os.replace = told",
        "sys.exit(main.main(['-i', %r, '-d', %r]))" % (str(photo), str(tmp_path / "out")),
    )
    assert done.returncode == 130
    assert lines(done.stdout) == [str(tmp_path / "out" / "p00.png")]
    assert lines(done.stderr)[-1] == "bshm: interrupted: 1 done, 0 left"
    assert_whole(tmp_path / "out", "p00")


def test_a_run_that_is_to_outlive_its_terminal_does(tmp_path, photos):
    first, *others = photos(2)
    ignore = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)  # noqa: E731 - as nohup does
    run = Waiting([first], others, "-d", tmp_path / "out", preexec_fn=ignore)
    run.process.send_signal(signal.SIGHUP)
    run.feed(others[0].read_bytes())
    paths, _ = run.end(code=0)
    assert len(paths) == 3


def test_a_fault_of_the_whole_run_does_not_wait_for_photos_to_come(tmp_path, photos):
    run = Waiting([], photos(1), "-d", tmp_path / "out", "--weights", "no/such.onnx")
    _, said = run.end(code=1)
    assert "no/such.onnx" in said
    run.feed()


# --- streams ---


def test_closed_streams_are_no_places_to_write_to(tmp_path, photos):
    photos(2)
    (tmp_path / "in" / "p00.jpg").write_bytes(b"no photo")

    def close_stderr():
        os.close(2)

    def close_all():
        os.closerange(0, 3)

    done = bshm("-i", tmp_path / "in", "-d", tmp_path / "a", code=1, preexec_fn=close_stderr)
    assert lines(done.stdout) == [str(tmp_path / "a" / "p01.png")]
    bshm("-i", tmp_path / "in", "-d", tmp_path / "b", code=1, preexec_fn=close_all)
    assert_whole(tmp_path / "b", "p01")


def test_nobody_listening_to_messages_does_not_stop_the_work(tmp_path, photos):
    photos(2)
    reader, writer = os.pipe()
    os.close(reader)
    command = [*COMMAND, "-i", str(tmp_path / "in"), "-d", str(tmp_path / "out")]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=writer, timeout=120)
    os.close(writer)
    assert done.returncode == 0 and len(lines(done.stdout)) == 2
    assert_whole(tmp_path / "out", "p00", "p01")


def test_a_terminal_that_is_closed_ends_the_run_cleanly(tmp_path, photos):
    import fcntl
    import pty
    import termios

    first, *others = photos(3)
    master, terminal = pty.openpty()
    reader, pipe = os.pipe()
    inputs = [first, "/dev/fd/%d" % reader, *others]

    def own():
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        list(map(str, [*COMMAND, "-i", *inputs, "-d", tmp_path / "out"])),
        **dict.fromkeys(["stdin", "stdout", "stderr"], terminal),
        pass_fds=[reader, terminal],
        start_new_session=True,
        preexec_fn=own,
    )
    os.close(terminal)
    sent = b""
    while b"p00.png" not in sent:
        sent += os.read(master, 1 << 16)
    os.close(master)
    assert process.wait(120) == 130
    assert_whole(tmp_path / "out", "p00")
    os.close(reader)
    os.close(pipe)


def on_a_terminal(*arguments, stdout=None):
    """What a terminal of 80 columns is sent, line by line; stdout goes there too, if not given."""
    import fcntl
    import pty
    import struct
    import termios

    master, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdin=terminal,
        stdout=terminal if stdout is None else stdout,
        stderr=terminal,
    )
    os.close(terminal)
    sent = b""
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while True:
            part = os.read(master, 1 << 16)
            if not part:
                break
            sent += part
    os.close(master)
    return process.wait(120), sent.decode().replace("\r\n", "\n")


def seen(sent):
    """Lines as the eye has them: what follows a carriage return is written over what was there."""
    rows = []
    for line in sent.split("\n"):
        row = ""
        for part in line.split("\r"):
            row = part + row[len(part) :]
        rows.append(row.rstrip())
    return rows


def test_progress_on_a_terminal_leaves_messages_and_paths_in_peace(tmp_path, photos):
    photos(4)
    bad = tmp_path / "in" / "p01.jpg"
    bad.write_bytes(b"no photo")
    out = tmp_path / "out"
    code, sent = on_a_terminal("-i", tmp_path / "in", "-d", out, "--weights", "bshm-lite")
    rows = seen(sent)
    assert code == 1 and "4/4" in sent and "photo/s" in sent
    for stem in ("p00", "p02", "p03"):
        assert str(out / (stem + ".png")) in rows
    assert any(row.startswith("bshm: %s: " % bad) for row in rows)
    assert rows[0].startswith("bshm: bshm-lite on ")
    assert [row for row in rows if row][-1] == "bshm: 3 done, 0 skipped, 1 failed"


def test_progress_is_never_on_stdout_and_only_on_terminals(tmp_path, photos):
    photos(3)
    with open(tmp_path / "list", "w+b") as paths:
        _, sent = on_a_terminal("-i", tmp_path / "in", "-d", tmp_path / "out", stdout=paths)
        paths.seek(0)
        assert len(paths.read().splitlines()) == 3 and "3/3" in sent
    _, sent = on_a_terminal("-q", "-i", tmp_path / "in", "-d", tmp_path / "out")
    assert "3/3" not in sent
    done = bshm("-i", tmp_path / "in", "-d", tmp_path / "out")
    assert b"/3" not in done.stderr and b"\r" not in done.stderr


def test_a_terminal_is_not_sent_what_names_hold(tmp_path, photos):
    [photo] = photos(1)
    evil = photo.with_name("\x1b[31mred\x07\n.jpg")
    shutil.copy(str(photo), str(evil))
    (tmp_path / "in" / "bad\x1b[2J.jpg").write_bytes(b"no photo")
    code, sent = on_a_terminal("-q", tmp_path / "in", "-d", tmp_path / "out\x1b[2J")
    assert code == 1 and "\x1b[31m" not in sent and "\x07" not in sent and "\x1b[2J" not in sent
    assert "out\\x1b[2J/\\x1b[31mred\\x07\\n.png" in sent
    assert (tmp_path / "out\x1b[2J" / "\x1b[31mred\x07\n.png").is_file()


def test_a_terminal_is_not_sent_a_picture(photos):
    [photo] = photos(1)
    code, sent = on_a_terminal("-q", photo, "-o", "-")
    assert code == 2 and "stdout is a terminal" in sent and "PNG" not in sent


def test_libraries_that_write_to_stderr_by_themselves_are_not_heard(tmp_path):
    noise = np.random.RandomState(1).randint(0, 255, (64, 64), np.uint8)
    path = tmp_path / "x.tif"
    Image.fromarray(noise).convert("1").save(path, compression="group4")
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : len(data) // 3 + 40] = b"\xee" * 40
    path.write_bytes(data)
    done = bshm("-q", path, path.with_name("no.jpg"), "-d", tmp_path / "out", code=1)
    assert lines(done.stderr) == ["bshm: %s: no such file or folder" % path.with_name("no.jpg")]


def test_too_little_memory_for_a_thread_is_called_that(tmp_path, photos):
    [photo] = photos(1)
    done = run_program(
        "import sys, threading",
        "from bshm.cli import main",
        "def start(_):",
        '    raise RuntimeError("can\'t start new thread")',
        "threading.Thread.start = start",
        "sys.exit(main.main(['-i', %r, '-d', %r]))" % (str(photo), str(tmp_path / "out")),
    )
    said = [line for line in lines(done.stderr) if "bshm-lite" not in line]
    assert said == ["bshm: there is not enough memory: can't start new thread"]
    assert done.returncode == 1


def test_long_runs_name_again_at_the_end_what_failed(tmp_path, photos):
    photos(1)
    for number in range(45):
        (tmp_path / "in" / ("x%02d.jpg" % number)).write_bytes(b"no photo")
    done = bshm("-i", tmp_path / "in", "-d", tmp_path / "out", code=1)
    *_, last, more, tally = lines(done.stderr)
    assert tally == "bshm: 1 done, 0 skipped, 45 failed"
    assert more == "bshm: failed: 25 more, named above"
    assert last == "bshm: failed: %s: is text, not an image" % (tmp_path / "in" / "x19.jpg")
    assert done.stderr.count(b"x19.jpg") == 2
    quiet = bshm("-q", "-i", tmp_path / "in", "-d", tmp_path / "out", code=1)
    assert len(lines(quiet.stderr)) == 45
