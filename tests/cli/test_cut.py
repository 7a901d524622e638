"""The real command in a subprocess, as users, cron jobs and pipelines run it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from bshm.cli.main import COMMANDS, main
from tests.helpers import PORTRAITS, ROOT, SCRIPT, bshm, lines, refused

pytestmark = pytest.mark.real_command


@pytest.fixture
def small(tmp_path):
    """A small portrait: quick to matte, and still with somebody on it."""
    path = tmp_path / "in" / "small.jpg"
    path.parent.mkdir()
    Image.open(PORTRAITS[0]).resize((128, 128)).save(path)
    return path


def assert_whole_cutout(path, size):
    with Image.open(path) as picture:
        picture.load()
        assert (picture.mode, picture.size) == ("RGBA", size)
        alpha = np.asarray(picture)[..., 3]
    assert alpha.max() == 255 and alpha.min() == 0


def test_default_input_is_found_beside_the_script_from_any_folder(tmp_path):
    done = bshm(cwd=tmp_path)
    assert lines(done.stdout) == ["results/1.png"]
    assert_whole_cutout(tmp_path / "results" / "1.png", (512, 512))


def test_no_photo_and_no_sample_is_wrong_usage(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "which photo?" in refused()


@pytest.mark.parametrize("command", [[], ["id"]])
def test_who_names_no_photo_hears_of_stdin_and_of_two_dashes(tmp_path, small, command):
    shutil.copy(str(small), str(tmp_path / "-dash.jpg"))
    # Not the script, which has the sample beside it.
    asked = [sys.executable, "-m", "bshm", *command]
    where = {"cwd": str(tmp_path), "env": {**os.environ, "PYTHONPATH": str(ROOT)}}
    with open(str(small), "rb") as file:
        piped = subprocess.run(asked, stdin=file, stderr=subprocess.PIPE, **where)
    for done in (piped, subprocess.run([*asked, "-dash.jpg"], stderr=subprocess.PIPE, **where)):
        told = lines(done.stderr)[-1]
        assert done.returncode == 2 and "which photo?" in told
        assert "- for stdin" in told and "-- -name.jpg" in told


def test_several_inputs_new_folders_and_only_paths_on_stdout(tmp_path):
    out = tmp_path / "a" / "b"
    done = bshm("-i", *PORTRAITS, "-d", out)
    assert lines(done.stdout) == [str(out / "1.png"), str(out / "2.png")]
    assert_whole_cutout(out / "2.png", (512, 600))
    assert lines(done.stderr)[-1] == "bshm: 2 done, 0 skipped, 0 failed"


def test_photos_need_no_flag_wherever_they_stand(tmp_path, small):
    first, second, third = small, *PORTRAITS
    out = tmp_path / "out"
    done = bshm(first, "-d", out, "--json", second)
    assert [json.loads(line)["input"] for line in lines(done.stdout)] == [str(first), str(second)]
    done = bshm("cut", first, "-d", out, "-i", second, third)
    assert sorted(Path(line).name for line in lines(done.stdout)) == ["1.png", "2.png", "small.png"]


@pytest.mark.parametrize("command", [["cut"], ["id", "--lenient"]])
def test_whatever_stands_behind_two_dashes_is_a_photo(tmp_path, small, command):
    for name in ("ash.jpg", "-dash.jpg", "-q"):
        shutil.copy(str(small), str(tmp_path / name))
    done = bshm(*command, "-d", "x", "--name", "{stem}.jpg", "--", "-dash.jpg", "-q", cwd=tmp_path)
    assert lines(done.stdout) == ["x/-dash.jpg", "x/-q.jpg"]


def test_a_photo_with_the_name_of_a_command_is_named_as_a_path(tmp_path, small):
    shutil.copy(str(small), str(tmp_path / "info"))
    shutil.copy(str(small), str(tmp_path / "inf"))  # is there, so it is no slip
    done = bshm("./info", "inf", "-d", "out", cwd=tmp_path)
    assert lines(done.stdout) == ["out/info.png", "out/inf.png"]


def test_both_spellings_of_the_output_folder_are_one_flag(tmp_path, small):
    for spelling in ("-d", "--output_dir", "--output-dir"):
        bshm("--input", small, spelling, tmp_path / spelling)
        assert (tmp_path / spelling / "small.png").is_file()


def test_bad_file_among_good_ones_is_one_line_and_the_rest_is_done(tmp_path, small):
    bad = small.with_name("bad.jpg")
    bad.write_bytes(small.read_bytes()[:500])
    missing = small.with_name("missing.jpg")
    done = bshm("-q", "-i", bad, small, missing, "-d", tmp_path / "out", code=1)
    assert lines(done.stdout) == [str(tmp_path / "out" / "small.png")]
    first, second = lines(done.stderr)
    assert str(bad) in first and "truncated or damaged" in first
    assert str(missing) in second and "no such" in second.lower()
    assert sorted(os.listdir(str(tmp_path / "out"))) == ["small.png"]


def test_same_names_never_share_an_output(tmp_path, small):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(str(small), str(tmp_path / folder / "x.jpg"))
    Image.open(small).save(tmp_path / "b" / "X.png")
    done = bshm("-i", tmp_path / "a", tmp_path / "b", "-d", tmp_path / "out")
    names = sorted(Path(line).name for line in lines(done.stdout))
    assert len({name.casefold() for name in names}) == 3
    assert sorted(os.listdir(str(tmp_path / "out"))) == names


def test_recursive_keeps_the_folders(tmp_path, small):
    deep = small.parent / "deep" / "er"
    deep.mkdir(parents=True)
    shutil.copy(str(small), str(deep / "small.jpg"))
    bshm("-i", small.parent, "-d", tmp_path / "flat")
    assert sorted(p.name for p in (tmp_path / "flat").rglob("*.png")) == ["small.png"]
    bshm("-i", small.parent, "-d", tmp_path / "tree", "--recursive")
    assert (tmp_path / "tree" / "small.png").is_file()
    assert (tmp_path / "tree" / "deep" / "er" / "small.png").is_file()


def test_an_input_is_never_overwritten(tmp_path, small):
    photo = small.with_name("photo.png")
    Image.open(small).save(photo)
    before = photo.read_bytes()
    done = bshm("-i", small.parent, "-d", small.parent, code=1)
    assert photo.read_bytes() == before
    assert "would overwrite" in done.stderr.decode()
    assert_whole_cutout(small.with_name("small.png"), (128, 128))


@pytest.mark.parametrize("read", ["background", "folder of backgrounds", "list"])
def test_what_is_read_beside_the_photos_is_not_overwritten(tmp_path, small, read):
    other = tmp_path / "pictures" / "small.png"
    other.parent.mkdir()
    if read == "list":
        other.write_text("%s\n" % small)
        flags = ["@%s" % other]
    else:
        Image.new("RGB", (64, 48), "blue").save(other)
        flags = [small, "--background", other.parent if "folder" in read else other]
    before = other.read_bytes()
    for output in (["-o", other], ["-d", other.parent, "--force"]):
        done = bshm(*flags, *output, code=1)
        assert "would overwrite an input" in done.stderr.decode()
        assert other.read_bytes() == before


def test_output_of_one_photo_cannot_take_the_place_of_another_input(tmp_path, small):
    other = small.with_suffix(".png")
    Image.open(small).save(other)
    before = other.read_bytes()
    bshm("-i", small, other, "-d", small.parent, code=1)
    assert other.read_bytes() == before


@pytest.mark.parametrize("command", [["cut"], ["id", "--lenient"]])
def test_a_result_that_is_named_like_a_photo_is_told_of_o(tmp_path, small, command):
    done = bshm(*command, "-q", small, "new.png", cwd=tmp_path, code=1)
    told = "bshm: new.png: no such file or folder; to write the result there: -o new.png"
    assert lines(done.stderr) == [told]
    for usual in (["-d", "out", small, "new.png"], ["new.png", small], [small, "new"]):
        done = bshm(*command, "-q", *usual, cwd=tmp_path, code=1)
        assert done.stderr.endswith(b"no such file or folder\n") and done.stderr.count(b"\n") == 1


def test_stdin_to_stdout_is_a_picture_and_nothing_else(small):
    done = bshm("-i", "-", "-o", "-", input=small.read_bytes())
    assert done.stdout.startswith(b"\x89PNG") and done.stdout.endswith(b"IEND\xaeB`\x82")


def test_a_file_that_the_shell_put_on_stdin_is_not_overwritten(small):
    photo = small.with_suffix(".png")
    photo.write_bytes(small.read_bytes())
    with open(str(photo), "rb") as file:
        command = [sys.executable, str(SCRIPT), "-i", "-", "-o", str(photo)]
        done = subprocess.run(command, stdin=file, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 1 and b"would overwrite an input" in done.stderr
    assert photo.read_bytes() == small.read_bytes()


def test_addresses_are_photos_named_by_their_path(tmp_path, small, web):
    web["/a/Gr%C3%BC%C3%9Fe.jpg?size=1"] = lambda request: request.reply(small.read_bytes())
    web["/page.jpg"] = lambda request: request.reply(b"<!doctype html><html>sorry</html>")
    web["/gone.jpg"] = lambda request: request.reply(status=404)
    photos = [web.url(path) for path in ("/a/Gr%C3%BC%C3%9Fe.jpg?size=1", "/page.jpg", "/gone.jpg")]
    done = bshm("-q", "-i", *photos, "-d", tmp_path, code=1)
    assert_whole_cutout(tmp_path / "Grüße.png", (128, 128))
    page, gone = lines(done.stderr)
    assert "page.jpg" in page and "is a web page, not an image" in page
    assert "gone.jpg" in gone and "404" in gone


def test_output_file_and_only_alpha(tmp_path, small):
    bshm("-i", small, "-o", tmp_path / "matte.png", "--only-alpha")
    with Image.open(tmp_path / "matte.png") as matte:
        assert (matte.mode, matte.size) == ("L", (128, 128))
    bshm("-i", small, "-o", tmp_path / "cutout.png")
    with Image.open(tmp_path / "cutout.png") as cutout, Image.open(tmp_path / "matte.png") as matte:
        assert np.array_equal(np.asarray(cutout)[..., 3], np.asarray(matte))


def test_skip_existing_trusts_only_whole_outputs_of_the_same_photo(tmp_path, small):
    out = tmp_path / "out"
    target = out / "small.png"
    bshm("-i", small, "-d", out)
    whole = target.read_bytes()

    def again():
        done = bshm("-i", small, "-d", out, "--skip-existing", "--json")
        return json.loads(done.stdout.decode())["status"]

    assert again() == "skipped"
    target.write_bytes(whole[: len(whole) // 2])
    assert again() == "done"
    assert target.read_bytes() == whole
    Image.open(small).rotate(90).save(small, quality=60)  # the photo has changed
    assert again() == "done"


def test_nothing_of_the_users_is_replaced_in_silence(tmp_path, small):
    out = tmp_path / "out"
    bshm(small, PORTRAITS[0], "-d", out)
    Image.open(out / "small.png").rotate(90).save(out / "small.png")  # the user works with it
    (out / "1.png").write_bytes(b"of another tool")
    for flags in ([], ["--skip-existing"]):
        done = bshm("-q", small, PORTRAITS[0], PORTRAITS[1], "-d", out, *flags, code=1)
        said = lines(done.stderr)
        assert len(said) == 2
        for name, line in zip(("small.png", "1.png"), said):
            assert line.endswith(
                "its cutout %s would overwrite a file that bshm did not make, or that was changed "
                "since; --force replaces it, -d or -o names another place" % (out / name)
            )
    assert (out / "1.png").read_bytes() == b"of another tool"
    with Image.open(out / "small.png") as kept:
        assert np.asarray(kept)[0].any()
    bshm(small, PORTRAITS[0], "-d", out, "--force")
    assert_whole_cutout(out / "small.png", (128, 128))
    (out / "x.png").write_bytes(b"of another tool")
    bshm(small, "-o", out / "x.png")  # named outright
    assert_whole_cutout(out / "x.png", (128, 128))


def test_force_spares_the_inputs(tmp_path, small):
    photo = small.with_suffix(".png")
    Image.open(small).save(photo)
    before = photo.read_bytes()
    assert b"would overwrite an input" in bshm(photo, "-d", photo.parent, "--force", code=1).stderr
    assert photo.read_bytes() == before


@pytest.fixture
def nobody(tmp_path):
    """A photo of an empty wall."""
    path = tmp_path / "wall.png"
    Image.new("RGB", (64, 64), (90, 120, 60)).save(path)
    return path


def test_that_nobody_was_found_is_said(tmp_path, small, nobody):
    out = tmp_path / "out"
    done = bshm(small, nobody, "-d", out, "--json")
    somebody, empty = map(json.loads, lines(done.stdout))
    assert empty["status"] == "done" and empty["coverage"] == 0 and empty["box"] is None
    assert 0.2 < somebody["coverage"] < 0.9
    top, bottom, left, right = (
        somebody["box"][side] for side in ("top", "bottom", "left", "right")
    )
    with Image.open(out / "small.png") as cutout:
        assert cutout.getchannel("A").getbbox() == (left, top, right, bottom)
        assert somebody["coverage"] == round(np.asarray(cutout)[..., 3].mean() / 255, 4)
    assert lines(done.stderr)[1:] == [
        "bshm: %s: nobody was found, the cutout is empty" % nobody,
        "bshm: 2 done, 0 skipped, 0 failed, 1 of them empty",
    ]


def test_an_empty_cutout_is_a_failure_where_that_is_asked_for(tmp_path, small, nobody):
    said = "bshm: %s: nobody was found, the cutout is empty" % nobody
    done = bshm("-q", small, nobody, "-d", tmp_path / "out", "--fail-empty", code=1)
    assert lines(done.stderr) == [said] and len(lines(done.stdout)) == 2
    assert (tmp_path / "out" / "wall.png").exists()
    assert bshm("-q", nobody, "-d", tmp_path / "out").stderr == b""
    bshm(small, "-d", tmp_path / "out", "--fail-empty")


def test_json_has_a_line_a_photo_and_timing_a_line_a_stage(tmp_path, small):
    (tmp_path / "no.jpg").write_bytes(small.read_bytes()[:900])
    done = bshm("-i", small, tmp_path / "no.jpg", "-d", tmp_path, "--json", "--timing", code=1)
    good, bad = map(json.loads, lines(done.stdout))
    assert (good["status"], good["width"], good["height"]) == ("done", 128, 128)
    assert good["input"] == str(small) and good["output"] == str(tmp_path / "small.png")
    assert set(good["ms"]) == {"load", "read", "forward", "refine", "foreground", "write"}
    assert bad["status"] == "failed" and bad["output"] is None and "no.jpg" in bad["error"]
    table = done.stderr.decode()
    for stage, spent in good["ms"].items():  # the failed one's count for nothing
        assert re.search(r"^bshm: %s +%.1f$" % (stage, spent), table, re.M)


def test_quiet_says_nothing_and_the_choice_of_weights_is_one_line(tmp_path, small):
    assert bshm("-q", "-i", small, "-d", tmp_path).stderr == b""
    for flags in ([], ["--weights", "bshm-lite"]):
        said = lines(bshm("-i", small, "-d", tmp_path, *flags).stderr)
        assert said == ["bshm: bshm-lite on cpu"]
    said = bshm("-v", "-i", small, "-d", tmp_path).stderr.decode()
    assert "bshm-lite on cpu (the released weights are not downloaded; `bshm download`" in said
    assert "the released weights are not downloaded" in bshm("info").stdout.decode()


def test_colour_profile_and_orientation_reach_the_output(tmp_path, small):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = tmp_path / "turned.jpg"
    Image.open(small).resize((128, 96)).save(photo, icc_profile=profile, exif=exif)
    bshm("-i", photo, "-d", tmp_path)
    with Image.open(tmp_path / "turned.png") as cutout:
        assert cutout.size == (96, 128)
        assert cutout.info["icc_profile"] == profile


def test_names_beyond_ascii(tmp_path, small):
    photo = tmp_path / "Grüße, 写真 📷.jpg"
    shutil.copy(str(small), str(photo))
    bshm("-i", photo, "-d", tmp_path / "вывод")
    assert (tmp_path / "вывод" / "Grüße, 写真 📷.png").is_file()


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux only")
def test_names_that_are_not_text_are_printed_as_they_are(tmp_path, small):
    photo = small.with_name(os.fsdecode(b"caf\xe9.jpg"))
    shutil.copy(str(small), str(photo))
    done = bshm("-i", photo, "-d", tmp_path)
    assert done.stdout == os.fsencode(str(tmp_path)) + b"/caf\xe9.png\n"
    assert os.path.isfile(done.stdout.rstrip(b"\n"))


def test_a_photo_on_the_web_is_skipped_by_its_whole_address(tmp_path, small, web):
    for size in (1, 2):
        web["/x.jpg?size=%d" % size] = lambda request: request.reply(small.read_bytes())

    def status(size):
        address = web.url("/x.jpg?size=%d" % size)
        done = bshm("-i", address, "-d", tmp_path, "--skip-existing", "--json")
        record = json.loads(done.stdout.decode())
        assert record["input"] == web.url("/x.jpg?size=...")
        return record["status"]

    assert [status(1), status(1), status(2)] == ["done", "skipped", "done"]


def test_outputs_beside_their_photos_are_no_photos_of_the_next_run(tmp_path, small):
    for _ in range(2):
        done = bshm("-i", small.parent, "-d", small.parent)
        assert lines(done.stdout) == [str(small.with_suffix(".png"))]


def test_photo_over_the_limit_is_refused_until_the_limit_is_raised(tmp_path, small):
    done = bshm("-i", small, "-d", tmp_path, "--max-pixels", "0.01", code=1)
    said = done.stderr.decode()
    assert "128×128 is 0.01638 megapixels, over the limit of 0.01; --max-pixels raises it" in said
    bshm("-i", small, "-d", tmp_path, "--max-pixels", "0.02")


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--device", "quantum"], "invalid choice: 'quantum'"),
        (["--max-pixels", "many"], "expected megapixels above 0, such as 100, got 'many'"),
        (["--threads", "two"], "expected a number of threads, 0 for all CPUs, got 'two'"),
        (["--threads", "-1"], "got '-1'"),
        (["-0", "--threads", "-1"], "got '-1'"),
        (["-i", *map(str, PORTRAITS), "-o", "x.png"], "-o takes one photo, got 2"),
        (["-i", str(PORTRAITS[0]), "-o", "x.bmp"], "-o: expected a name that ends in one of .png "),
        (["-i", str(PORTRAITS[0]), "-o", "x/"], "-o takes a file, got the folder x/"),
        (["-i", str(PORTRAITS[0]), "-d", ""], "-d takes a folder, got an empty name"),
        (["-i", "", "-d", "out"], "a photo has an empty name"),
        (["-i", str(PORTRAITS[0]), "-o", ""], "-o takes a file, got an empty name"),
        (["-i", str(PORTRAITS[0]), "-o", ".", "--both"], "-o takes a file, got the folder ."),
        (["inf"], "did you mean `bshm info`?"),
        (["downlaod", "damo/cv_unet_image-matting"], "did you mean `bshm download`?"),
        (["help", "photo"], "invalid choice: 'photo'"),
        (
            ["a.jpg", "-d", "https://u:s3cret@bucket/out"],
            "-d takes a path or an address in a store, got https://bucket/out",
        ),
        (["--device", "\x1b[31mred"], "invalid choice: '\\x1b[31mred'"),
        (["--onlyalpha"], "unknown: --onlyalpha; did you mean --only-alpha?"),
        (["-v", "-q"], "not allowed with"),
        (["-i", str(PORTRAITS[0]), "-d", "out", "-o", "x.png"], "not allowed with"),
        (["-i", str(PORTRAITS[0]), "-o", "-", "--json"], "both want stdout"),
    ],
)
def test_wrong_usage_is_code_2(arguments, words):
    assert words in refused(*arguments)


def test_missing_weights_and_devices_are_named(tmp_path, small):
    done = bshm("-i", small, "-d", tmp_path, "--weights", "no/such.onnx", code=1)
    assert "no/such.onnx" in done.stderr.decode()
    done = bshm("-i", small, "-d", tmp_path, "--device", "cuda", "--engine", "onnx", code=1)
    assert "onnxruntime-gpu" in done.stderr.decode()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["help", "info"]])
def test_help_that_is_not_written_is_an_error(arguments):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, str(SCRIPT), *arguments], stdout=full, stderr=subprocess.PIPE
        )
    assert done.returncode == 1
    assert done.stderr == b"bshm: stdout: cannot be written: No space left on device\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_full_disk_behind_stdout_is_an_error(small):
    with open("/dev/full", "wb") as full:
        command = [sys.executable, str(SCRIPT), "-q", "-i", str(small), "-o", "-"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 1
    assert b"No space left" in done.stderr and b"Traceback" not in done.stderr


def test_closed_stdout_does_not_stop_the_work(tmp_path, small):
    for number in range(3):
        shutil.copy(str(small), str(small.with_name("p%d.jpg" % number)))
    command = [sys.executable, str(SCRIPT), "-i", str(small.parent), "-d", str(tmp_path / "out")]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, timeout=60)
    os.close(writer)
    assert done.returncode == 0, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert len(list((tmp_path / "out").iterdir())) == 4


def test_info_is_fit_for_a_bug_report():
    said = bshm("info").stdout.decode()
    for word in ("bshm", "python", "system", "engines", "gpu", "weights", "runs on", "cache"):
        assert re.search(r"^%s +\S" % word, said, re.M), word
    assert re.search(r"^package +numpy \d", said, re.M)
    assert re.search(r"^runs on +(onnx|tensorflow), ", said, re.M)
    assert "fault" not in said


def test_info_names_what_is_broken(tmp_path):
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object')")
    said = bshm("info", env={**os.environ, "PYTHONPATH": str(tmp_path)}).stdout.decode()
    assert re.search(r"^fault +libGL.so.1: cannot open shared object", said, re.M)


def test_help_and_import_load_nothing_heavy():
    heavy = ["cv2", "numpy", "onnxruntime", "tensorflow", "PIL", "requests", "tqdm", "modelscope"]
    heavy += ["fastapi", "uvicorn", "av", "ray"]
    program = (
        "import contextlib, sys\n"
        "import bshm\n"
        "from bshm.cli.main import main\n"
        "with contextlib.suppress(SystemExit):\n"
        "    main(['--help'])\n"
        "print([name for name in %r if name in sys.modules])" % heavy
    )
    said = subprocess.run(
        [sys.executable, "-c", program], cwd=str(ROOT), stdout=subprocess.PIPE, check=True
    )
    assert b"usage: bshm " in said.stdout and lines(said.stdout)[-1] == "[]"


def shown(*arguments):
    """Help, which needs no process of its own."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
        main(list(arguments))
    return out.getvalue()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_help(name):
    own = shown(name, "--help")
    assert own and own == shown("help", name)
    assert COMMANDS[name] in shown("--help")


@pytest.mark.parametrize(
    ("command", "told", "untold"),
    [
        ("cut", ["(default: ./image-matting/1.png)", "- for stdin", "-o FILE"], []),
        ("id", ["- for stdin", "-o FILE"], ["image-matting"]),
        ("cluster", ["@FILE with a photo a line; several"], ["image-matting", "stdin", "-o FILE"]),
    ],
)
def test_help_tells_of_what_a_command_takes(command, told, untold, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    help_text = " ".join(capsys.readouterr().out.split()).replace("image- matting", "image-matting")
    assert [words in help_text for words in told] == [True] * len(told)
    assert [words for words in untold if words in help_text] == []


def test_help_has_signs_that_a_locale_lacks():
    bare = {**os.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    assert b"2inch         35 \\xd7 53" in bshm("id", "--help", env=bare).stdout


def test_help_without_a_name_is_that_of_the_whole_command():
    assert bshm("help").stdout.decode() == shown("help") == shown("-h") == shown("cut", "-h")


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_the_example_of_the_readme_makes_what_the_command_makes(tmp_path, small, readme):
    shutil.copy(str(small), str(tmp_path / "photo.jpg"))
    example = re.search(r"```python\n(.*?)```", (ROOT / readme).read_text("utf-8"), re.S).group(1)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", example]
    subprocess.run(command, cwd=str(tmp_path), env=environment, check=True, timeout=60)
    bshm("-i", small, "-o", tmp_path / "other.png")
    with Image.open(tmp_path / "cutout.png") as one, Image.open(tmp_path / "other.png") as other:
        assert one.mode == "RGBA" and one.tobytes() == other.tobytes()


@pytest.mark.skipif(os.name == "nt", reason="such names are POSIX's")
def test_paths_may_end_by_nul(tmp_path, small):
    photo = small.with_name("new\nline.jpg")
    shutil.copy(str(small), str(photo))
    done = bshm(photo, small, "-d", tmp_path / "out", "-0")
    names = done.stdout.split(b"\0")
    assert names.pop() == b"" and sorted(os.path.basename(name) for name in names) == [
        b"new\nline.png",
        b"small.png",
    ]
    assert all(os.path.isfile(name) for name in names)


@pytest.mark.skipif(os.name == "nt", reason="such names are POSIX's")
def test_json_names_files_as_they_are(tmp_path, small):
    photo = tmp_path / "new\nline.jpg"
    shutil.copy(str(small), str(photo))
    record = json.loads(bshm("-i", photo, "-d", tmp_path / "out", "--json").stdout)
    assert record["input"] == str(photo) and Path(record["output"]).is_file()


def test_public_names():
    import bshm as package

    assert package.__all__ == sorted(package.__all__)
    assert set(package.__all__) <= set(dir(package))
    for name in package.__all__:
        assert getattr(package, name) is not None
