"""remove.bg's contract, over real HTTP."""

from __future__ import annotations

import base64
import zipfile
from io import BytesIO

import numpy as np
import pytest
import requests
from PIL import Image


def picture(data):
    return Image.open(BytesIO(data))


def png(colour, size=(40, 40)):
    file = BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def ask(service, portrait):
    """Post fields, and the portrait unless another source is named; the answer."""

    def post(code=200, files=None, accept="*/*", **fields):
        files = {"image_file": ("p.jpg", portrait)} if files is None else files
        fields = {"size": "full", **fields}
        answer = requests.post(
            service.url + "/v1.0/removebg", data=fields, files=files, headers={"Accept": accept}
        )
        assert answer.status_code == code, answer.content[:300]
        return answer

    return post


def refusal(answer):
    """The code of an answer that refuses."""
    (error,) = answer.json()["errors"]
    assert error["title"] and error["detail"]
    return error["code"]


def test_a_cutout_has_the_photos_size_and_soft_edges(ask):
    answer = ask()
    found = picture(answer.content)
    assert (answer.headers["Content-Type"], found.mode, found.size) == (
        "image/png",
        "RGBA",
        (600, 400),
    )
    alpha = np.asarray(found)[..., 3]
    assert alpha[0, 0] == 0 and alpha.max() == 255 and ((alpha > 20) & (alpha < 235)).any()


def test_headers_tell_size_type_and_where_the_people_are(ask):
    headers = ask().headers
    assert (headers["X-Width"], headers["X-Height"]) == ("600", "400")
    assert (headers["X-Type"], headers["X-Credits-Charged"]) == ("person", "0")
    top, left, width, height = (
        int(headers["X-Foreground-" + name]) for name in ("Top", "Left", "Width", "Height")
    )
    assert top >= 0 and top + height <= 400 and left >= 0 and left + width <= 600 and height > 200


def test_preview_is_the_default_and_boxes_are_in_the_photos_pixels(ask):
    answer = ask(size="")
    width, height = picture(answer.content).size
    assert width * height <= 250_000 and abs(width / height - 1.5) < 0.01
    assert (
        390
        <= int(answer.headers["X-Foreground-Top"]) + int(answer.headers["X-Foreground-Height"])
        <= 401
    )


@pytest.mark.parametrize(
    "size, pixels",
    [("small", 250_000), ("regular", 250_000), ("medium", 1_500_000), ("1MP", 1_000_000)]
    + [(size, 2_160_000) for size in ("hd", "full", "4k", "auto", "50MP")],
)
def test_sizes_are_pixels_of_the_result(ask, portrait, size, pixels):
    file = BytesIO()
    picture(portrait).resize((1800, 1200)).save(file, "JPEG")
    answer = ask(files={"image_file": file.getvalue()}, size=size, channels="alpha")
    width, height = picture(answer.content).size
    assert 0.99 * pixels <= width * height <= pixels and abs(width / height - 1.5) < 0.01
    assert (answer.headers["X-Width"], answer.headers["X-Height"]) == (str(width), str(height))


def test_bodies_of_all_three_kinds_say_the_same(ask, service, portrait):
    encoded = base64.b64encode(portrait).decode()
    address = service.url + "/v1.0/removebg"
    by_file = ask().content
    fields = {"image_file_b64": encoded, "size": "full", "crop": False, "roi": None}
    assert requests.post(address, json=fields).content == by_file
    fields["crop"] = "false"
    assert requests.post(address, data=fields).content == by_file
    parts = {"image_file_b64": (None, "data:image/jpeg;base64," + encoded), "size": (None, "full")}
    assert requests.post(address, files=parts).content == by_file


def test_json_is_for_who_accepts_it(ask):
    answer = ask(accept="application/json").json()["data"]
    assert picture(base64.b64decode(answer["result_b64"])).size == (600, 400)
    assert set(answer) == {
        "result_b64",
        "foreground_top",
        "foreground_left",
        "foreground_width",
        "foreground_height",
    }


@pytest.mark.parametrize(
    "format, colour, kind",
    [
        ("auto", "", "PNG"),
        ("auto", "fff", "JPEG"),
        ("png", "fff", "PNG"),
        ("jpg", "", "JPEG"),
        ("webp", "", "WEBP"),
    ],
)
def test_formats(ask, format, colour, kind):
    answer = ask(format=format, bg_color=colour)
    assert picture(answer.content).format == kind
    assert answer.headers["Content-Type"] == "image/" + kind.lower()


def test_a_zip_holds_colours_and_alpha_that_make_the_cutout(ask):
    answer = ask(format="zip")
    assert answer.headers["Content-Type"] == "application/zip"
    with zipfile.ZipFile(BytesIO(answer.content)) as archive:
        assert archive.namelist() == ["color.jpg", "alpha.png"]
        colours, alpha = (picture(archive.read(name)) for name in archive.namelist())
    cutout = np.asarray(picture(ask().content))
    assert (colours.mode, alpha.mode) == ("RGB", "L")
    assert np.array_equal(np.asarray(alpha), cutout[..., 3])
    shown = cutout[..., 3] > 200
    difference = np.asarray(colours)[shown].astype(int) - cutout[..., :3][shown]
    assert np.abs(difference).mean() < 3


def test_channels_alpha_is_the_matte_alone(ask):
    matte = picture(ask(channels="alpha").content)
    assert matte.mode == "L"
    assert np.array_equal(np.asarray(matte), np.asarray(picture(ask().content))[..., 3])


@pytest.mark.parametrize(
    "text, colour",
    [
        ("81d4fa", (129, 212, 250)),
        ("f00", (255, 0, 0)),
        ("green", (0, 128, 0)),
        ("#00f", (0, 0, 255)),
    ],
)
def test_colours_behind(ask, text, colour):
    made = picture(ask(bg_color=text, format="png").content).convert("RGB")
    assert made.getpixel((0, 0)) == colour


def test_a_colour_with_alpha_stays_transparent(ask):
    assert picture(ask(bg_color="81d4fa77").content).getpixel((0, 0)) == (129, 212, 250, 0x77)


def test_a_picture_behind_covers_the_frame(ask, portrait):
    files = {"image_file": portrait, "bg_image_file": png((10, 200, 30))}
    made = picture(ask(files=files).content)
    assert made.format == "JPEG"
    assert np.abs(np.array(made.getpixel((0, 0))) - (10, 200, 30)).max() < 6


def test_light_is_a_word_in_any_case_or_a_number(ask, portrait):
    files = {"image_file": portrait, "bg_image_file": png((10, 20, 60))}
    off, auto = (ask(files=files, light=word).content for word in ("OFF", "Auto"))
    assert off != auto == ask(files=files).content == ask(files=files, light="1").content


def test_the_photos_own_background_can_be_blurred(ask):
    made = np.asarray(picture(ask(bg_blur="0.5", format="png").content))
    assert made[..., 3].min() == 255


def test_crop_cuts_around_the_people_and_margins_add_to_it(ask):
    plain = ask()
    width, height = (int(plain.headers["X-Foreground-" + side]) for side in ("Width", "Height"))
    assert picture(ask(crop="true").content).size == (width, height)
    sides = {
        "10px": (width + 20, height + 20),
        "10px 20px": (width + 40, height + 20),
        "1px 2px 3px 4px": (width + 6, height + 4),
        "10%": (width + 2 * round(width / 10), height + 2 * round(height / 10)),
    }
    for margin, size in sides.items():
        assert picture(ask(crop="true", crop_margin=margin).content).size == size
    assert picture(ask(crop_margin="10px").content).size == (600, 400)


def test_outside_of_the_region_is_background(ask):
    alpha = np.asarray(picture(ask(roi="0% 0% 50% 100%").content))[..., 3]
    assert not alpha[:, 300:].any() and alpha[:, :300].any()
    pixels = np.asarray(picture(ask(roi="0px 0px 300px 400px").content))[..., 3]
    assert np.array_equal(alpha, pixels)


def test_a_region_of_all_is_none(ask):
    assert ask(roi="0 0 100% 100%").content == ask().content  # as PyPI's client has it


def test_scale_and_position_move_the_people(ask):
    def box(**fields):
        alpha = np.asarray(picture(ask(**fields).content))[..., 3]
        columns = np.flatnonzero((alpha > 128).any(axis=0))
        return columns[0], columns[-1]

    first, last = box()
    small_first, small_last = box(scale="50%")
    assert small_last - small_first < 0.8 * (last - first)
    assert box(scale="50%", position="") == (small_first, small_last)  # centred by default
    assert box(scale="50%", position="50%") == (small_first, small_last)
    left = box(scale="50%", position="0% 100%")
    right = box(scale="50%", position="100% 100%")
    assert left[0] < 20 and right[1] > 580


def test_shadows_darken_what_is_behind(ask):
    plain, shaded = (
        np.asarray(picture(ask(bg_color="fff", format="png", **more).content)).astype(int)
        for more in ({}, {"shadow_type": "drop"})
    )
    assert (plain - shaded).max() > 10
    for fields in ({"add_shadow": "true"}, {"shadow_type": "3D", "shadow_opacity": "50"}):
        ask(**fields)


def test_empty_fields_mean_default(ask):
    names = (
        "image_url image_file_b64 type type_level format roi crop crop_margin scale position "
        "channels add_shadow semitransparency bg_color bg_image_url shadow_type shadow_opacity"
    )
    assert ask(**dict.fromkeys(names.split(), "")).content == ask().content


def test_no_type_is_told_who_wants_none(ask):
    assert "X-Type" not in ask(type_level="none").headers


@pytest.mark.parametrize(
    "fields, code",
    [
        ({"size": "huge"}, "invalid_size"),
        ({"type": "plant"}, "invalid_type"),
        ({"format": "gif"}, "invalid_format"),
        ({"channels": "rgb"}, "invalid_channels"),
        ({"crop": "perhaps"}, "invalid_crop"),
        ({"crop": "true", "crop_margin": "60%"}, "invalid_crop_margin"),
        ({"crop": "true", "crop_margin": "501px"}, "invalid_crop_margin"),
        ({"crop": "true", "crop_margin": "1 2 3"}, "invalid_crop_margin"),
        ({"scale": "5%"}, "invalid_scale"),
        ({"scale": "0.5"}, "invalid_scale"),
        ({"position": "101%"}, "invalid_position"),
        ({"position": "above"}, "invalid_position"),
        ({"roi": "0 0 10"}, "invalid_roi"),
        ({"roi": "0 0 601px 10px"}, "roi_exceeds_bounds"),
        ({"roi": "0 0 101% 10px"}, "roi_exceeds_bounds"),
        ({"roi": "10px 10px 10px 20px"}, "roi_region_empty"),
        ({"roi": "50px 10px 10px 20px"}, "roi_region_empty"),
        ({"bg_color": "bluish"}, "invalid_bg_color"),
        ({"bg_color": "fff", "bg_blur": "true"}, "multiple_bg_sources"),
        ({"semitransparency": "maybe"}, "invalid_semitransparency"),
        ({"image_url": "http://example.org/p.jpg"}, "multiple_sources"),
        ({"bg_image_url": "ftp://example.org/"}, "invalid_bg_image_url"),
        ({"shadow_type": "pink"}, "invalid_shadow_type"),
        ({"bg_blur": "2"}, "invalid_bg_blur"),
        ({"light": "bright"}, "invalid_light"),
    ],
)
def test_what_is_wrong_has_its_code(ask, fields, code):
    assert refusal(ask(400, **fields)) == code


def test_sources(ask):
    assert refusal(ask(400, files={"other": b"x"})) == "missing_source"
    assert (
        refusal(ask(400, files={"x": b"x"}, image_url="http://a.example/")) == "invalid_image_url"
    )
    assert refusal(ask(400, files={"x": b"x"}, image_file_b64="%%%")) == "failed_to_read_image"


def test_a_file_that_is_empty_is_told_from_none(ask, portrait, service):
    empty = {"image_file": ("zero.jpg", b"")}
    answer = ask(400, files=empty)
    assert refusal(answer) == "invalid_file_type"
    assert answer.json()["errors"][0]["title"] == "image_file: the file is empty"
    answer = ask(400, files={"image_file": portrait, "bg_image_file": ("zero.jpg", b"")})
    assert refusal(answer) == "invalid_file_type"
    assert answer.json()["errors"][0]["title"] == "bg_image_file: the file is empty"
    # Of a form that was left empty the part has no name; another source counts then.
    left = b'--b\r\nContent-Disposition: form-data; name="image_file"; filename=""\r\n\r\n\r\n--b--'
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = requests.post(service.url + "/v1.0/removebg", data=left, headers=kind)
    assert refusal(answer) == "missing_source"
    ask(files=empty, image_file_b64=base64.b64encode(portrait).decode())
    answer = requests.post(service.url + "/api/remove", files={"file": ("zero.jpg", b"")})
    assert answer.status_code == 422 and answer.json()["detail"][0]["msg"] == "the file is empty"


@pytest.mark.parametrize(
    "data, code",
    [
        (b"no picture at all", "invalid_file_type"),
        (b"<html><body>Error</body></html>", "invalid_file_type"),
        (png("red")[:60], "failed_to_read_image"),
    ],
)
def test_files_that_are_no_photos(ask, data, code):
    assert refusal(ask(400, files={"image_file": data})) == code


def test_too_many_pixels(ask):
    file = BytesIO()
    Image.new("1", (8000, 8000)).save(file, "PNG")
    assert refusal(ask(400, files={"image_file": file.getvalue()})) == "resolution_too_high"


def test_a_photo_of_nobody(ask):
    assert refusal(ask(400, files={"image_file": png("grey", (300, 200))})) == "unknown_foreground"


def test_a_background_that_is_no_picture(ask, portrait):
    files = {"image_file": portrait, "bg_image_file": b"no picture"}
    assert refusal(ask(400, files=files)) == "failed_to_read_image"


def test_account_has_the_keys_that_clients_read(service):
    found = requests.get(service.url + "/v1.0/account").json()["data"]["attributes"]
    assert set(found["credits"]) == {"total", "subscription", "payg", "enterprise"}
    assert set(found["api"]) == {"free_calls", "sizes"}


@pytest.mark.parametrize("body", [b"garbage", b"--b\nno: line ends", b"--bb\r\n"])
def test_a_form_that_is_none(service, body):
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = requests.post(service.url + "/v1.0/removebg", data=body, headers=kind)
    assert answer.status_code == 400 and refusal(answer) == "malformed_request"
