"""People of a film on something new: colours, pictures, films, the film's own out of focus."""

from __future__ import annotations

from itertools import pairwise

import av
import numpy as np
import pytest
from PIL import Image

from bshm.errors import OutputError
from bshm.scene.background import Named, Picture
from bshm.scene.compose import scene_of
from bshm.video.backdrop import Backdrop, moves
from tests.helpers import bshm
from tests.video import films

INNER = np.s_[30:66]  # rows in which the red square has no edge


def left(number, width=128):
    """Where the square of `films.picture` begins."""
    return 8 + 2 * number % (width // 2)


def made(source, output, scene, **options):
    result = films.make(source, output, scene=scene, **options)
    assert result.faults == []
    return [frame.astype(int) for frame in films.read(output, options.get("read", "rgb24")).frames]


def grey_film(path, levels, steps=films.EVEN):
    """A film whose frames are grey, each of another level."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.time_base = stream.codec_context.time_base = films.UNIT
        time = 0
        for number, level in enumerate(levels):
            grey = np.full((96, 128, 3), level, np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
            frame.pts, frame.time_base = time, films.UNIT
            time += steps[number % len(steps)]
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def test_a_colour_in_an_mp4_with_times_and_sound_as_they_were(tmp_path):
    times = films.write(tmp_path / "in.mp4", 12, films.UNEVEN, sound="aac")
    frames = made(tmp_path / "in.mp4", tmp_path / "o.mp4", scene_of("#205080"), part_frames=5)
    assert films.read(tmp_path / "o.mp4").times == times
    assert films.sounds(tmp_path / "o.mp4")[0] == films.sounds(tmp_path / "in.mp4")[0]
    for number, frame in enumerate(frames):
        assert frame.shape == (96, 128, 3)
        person = frame[INNER, left(number) + 4 : left(number) + 28]
        assert np.abs(person - (230, 20, 20)).mean() < 8
        assert np.abs(frame[:16] - (0x20, 0x50, 0x80)).max() < 8


def test_what_a_picture_leaves_open_is_black_where_there_is_no_alpha(tmp_path):
    films.write(tmp_path / "in.mp4", 3)
    scene = scene_of(np.full((96, 48, 3), (20, 200, 20), np.uint8), fit="contain", light=0.0)
    for frame in made(tmp_path / "in.mp4", tmp_path / "o.mp4", scene):
        assert frame.shape == (96, 128, 3)
        assert frame[:16, :32].max() < 8 and np.abs(frame[:16, 48:80] - (20, 200, 20)).mean() < 8
    films.make(tmp_path / "in.mp4", tmp_path / "o.mov", scene=scene)
    rgba = films.read(tmp_path / "o.mov", "rgba").frames[0]
    assert rgba[:16, :32, 3].max() == 0 and rgba[:16, 48:80, 3].min() == 255


def test_a_film_behind_a_film_runs_at_its_own_pace_and_begins_again(tmp_path):
    films.write(tmp_path / "in.mp4", 30)
    levels = [40, 90, 140, 190, 240]
    grey_film(tmp_path / "behind.mp4", levels, (48,))  # half as many frames a second
    scene = scene_of(Named(str(tmp_path / "behind.mp4")), light=0.0)
    frames = made(tmp_path / "in.mp4", tmp_path / "o.mp4", scene, part_frames=7)
    shown = [round(frame[:16].mean()) for frame in frames]
    expected = [levels[number // 2 % 5] for number in range(30)]
    assert np.abs(np.array(shown) - expected).max() <= 4


def test_a_film_behind_a_film_is_found_at_any_time(tmp_path):
    grey_film(tmp_path / "behind.mp4", [40, 90, 140], (40,))
    for begin in (0, 25, 60, 600 * 50 + 100):  # units of 1/600 s, as after an interruption
        backdrop = Backdrop(str(tmp_path / "behind.mp4"))
        for time in range(begin, begin + 400, 10):
            level = [40, 90, 140][time // 40 % 3]
            assert abs(float(backdrop.at(time * films.UNIT).rgb.mean()) - level) < 4
        backdrop.close()


def test_what_moves_is_a_film(tmp_path):
    films.write(tmp_path / "a.mkv", 3)
    pictures = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    pictures[0].save(tmp_path / "still.gif")
    pictures[0].save(tmp_path / "still.jpg")
    pictures[0].save(tmp_path / "moves.gif", save_all=True, append_images=pictures[1:])
    found = {path.name: moves(str(path)) for path in tmp_path.iterdir()}
    assert found == {"a.mkv": True, "still.gif": False, "still.jpg": False, "moves.gif": True}


def test_the_film_s_own_background_out_of_focus_has_nothing_of_the_person(tmp_path):
    films.write(tmp_path / "in.mp4", 5)
    for number, frame in enumerate(
        made(tmp_path / "in.mp4", tmp_path / "o.mp4", scene_of("blur:1"))
    ):
        person = frame[INNER, left(number) + 4 : left(number) + 28]
        assert np.abs(person - (230, 20, 20)).mean() < 8
        around = np.ones((96, 128), bool)
        around[20:76, left(number) - 4 : left(number) + 36] = False
        assert np.abs(frame - films.picture(200))[around].mean() < 12  # its square is elsewhere
        assert frame[around][:, 0].max() < 130


def test_people_are_put_somewhere_once_and_move_as_they_do(tmp_path):
    films.write(tmp_path / "in.mp4", 20)
    scene = scene_of("black", position="left", scale=0.5)
    starts = []
    for frame in made(tmp_path / "in.mp4", tmp_path / "o.mov", scene):
        columns = np.flatnonzero(frame[:, :, 0].max(axis=0) > 120)
        starts.append(int(columns[0]))
        assert len(columns) == pytest.approx(16, abs=2)
    assert starts[0] <= 1
    steps = [starts[n] - starts[0] for n in range(8)]
    assert np.abs(np.array(steps) - np.arange(8)).max() <= 1  # half of two pixels a frame


def test_light_changes_slowly_where_the_background_jumps(tmp_path):
    films.write(tmp_path / "in.mp4", 30)
    grey_film(tmp_path / "behind.mp4", [30] * 5 + [230] * 100)
    scene = scene_of(Named(str(tmp_path / "behind.mp4")))
    frames = made(tmp_path / "in.mp4", tmp_path / "o.mov", scene)
    middle = [np.s_[44:52, left(n) + 12 : left(n) + 20] for n in range(30)]
    level = [float(f[where].mean()) for f, where in zip(frames, middle)]
    change = level[29] - level[4]
    assert change > 8  # the person follows the light
    assert max(abs(b - a) for a, b in pairwise(level)) < change / 5


@pytest.mark.parametrize("name", ["o.mp4", "o.mov"])
def test_a_shadow_leaves_frames_as_large_as_they_are(tmp_path, name):
    films.write(tmp_path / "in.mp4", 4)
    behind = "white" if name == "o.mp4" else None
    films.make(tmp_path / "in.mp4", tmp_path / name, scene=scene_of(behind, shadow="cast"))
    frames = films.read(tmp_path / name, "rgba").frames
    for number, rgba in enumerate(frames):
        assert rgba.shape == (96, 128, 4)
        below = rgba[72:74, left(number) + 4 : left(number) + 28].astype(int)
        assert below[..., :3].mean() < 200 if behind else below[..., 3].mean() > 60


def test_a_scene_that_was_interrupted_is_the_same(tmp_path):
    source, output = tmp_path / "in.mp4", tmp_path / "out.mp4"
    films.write(source, 23)
    grey_film(tmp_path / "behind.mp4", [30, 60, 90, 120, 150, 180, 210], films.UNEVEN)
    scene = scene_of(Named(str(tmp_path / "behind.mp4")), position="left", scale=0.8, shadow="auto")
    films.make(source, tmp_path / "whole.mp4", scene=scene, part_frames=5, speed="fast")

    def stop(done, expected):
        if done == 13:
            raise KeyboardInterrupt

    wanted = {"scene": scene, "part_frames": 5, "speed": "fast"}
    with pytest.raises(KeyboardInterrupt):
        films.make(source, output, tell=stop, **wanted)
    assert films.make(source, output, **wanted).resumed == 10
    assert output.read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    # Another film behind is another order.
    with pytest.raises(KeyboardInterrupt):
        films.make(source, output, tell=stop, **wanted)
    grey_film(tmp_path / "behind.mp4", [30, 60, 90, 120, 150, 180])
    assert films.make(source, output, **wanted).resumed == 0


def test_what_cannot_be_read_of_the_film_behind_is_named(tmp_path):
    films.write(tmp_path / "in.mp4", 30, (100,))  # five seconds
    films.write(tmp_path / "whole.mkv", 12, (200,))  # four
    data = (tmp_path / "whole.mkv").read_bytes()
    (tmp_path / "behind.mkv").write_bytes(data[: len(data) * 7 // 10])
    scene = scene_of(Named(str(tmp_path / "behind.mkv")))
    made = films.make(tmp_path / "in.mp4", tmp_path / "o.mp4", scene=scene)
    assert made.frames == 30 and made.faults == []
    assert made.notes[0].startswith("the film behind: ") and "begins again" in made.notes[0]


def test_the_film_behind_is_not_overwritten(tmp_path):
    films.write(tmp_path / "in.mp4", 3)
    grey_film(tmp_path / "behind.mp4", [30])
    scene = scene_of(Named(str(tmp_path / "behind.mp4")))
    with pytest.raises(OutputError, match="would be overwritten"):
        films.make(tmp_path / "in.mp4", tmp_path / "behind.mp4", scene=scene)


@pytest.mark.parametrize("output", ["beach.webp", "frames/000002.png"])
def test_the_picture_behind_is_not_overwritten(tmp_path, output):
    films.write(tmp_path / "in.mp4", 3)
    beach = tmp_path / output
    beach.parent.mkdir(exist_ok=True)
    Image.new("RGB", (64, 48), "blue").save(beach)
    before = beach.read_bytes()
    output = beach if beach.suffix == ".webp" else beach.parent
    done = bshm(
        "video", tmp_path / "in.mp4", "--background", beach, "-o", output, "--force", code=1
    )
    assert "the background would be overwritten" in done.stderr.decode()
    assert beach.read_bytes() == before
    assert [path for path in beach.parent.iterdir() if path.suffix != ".mp4"] == [beach]


@pytest.mark.parametrize("name", ["o.gif", "o.webp", "frames/", "o.webm"])
def test_every_format_takes_a_background(tmp_path, name):
    films.write(tmp_path / "in.mp4", 3)
    picture = Picture(np.full((50, 50, 3), (20, 200, 20), np.uint8))
    output = str(tmp_path / name) + "/" * name.endswith("/")
    assert films.make(tmp_path / "in.mp4", output, scene=scene_of(picture, light=0.0)).frames == 3
    if name == "o.webm":
        frame = films.read(tmp_path / name).frames[1]
    else:
        image = Image.open(tmp_path / name.replace("/", "/000002.png"))
        image.seek(0 if name == "frames/" else 1)
        frame = np.asarray(image.convert("RGB"))
    assert np.abs(frame[:16, :, :3].astype(int) - (20, 200, 20)).mean() < 12
    assert np.abs(frame[INNER, 16:36, :3].astype(int) - (230, 20, 20)).mean() < 25
