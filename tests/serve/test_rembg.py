"""rembg's contract, over real HTTP."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
import requests
from PIL import Image


@pytest.fixture
def ask(service, portrait):
    def post(code=200, photo=None, query=None, **fields):
        answer = requests.post(
            service.url + "/api/remove",
            params=query,
            data=fields,
            files={"file": portrait if photo is None else photo},
        )
        assert answer.status_code == code, answer.content[:300]
        return answer

    return post


def pixels(answer):
    assert answer.headers["Content-Type"] == "image/png"
    return np.asarray(Image.open(BytesIO(answer.content)))


def test_a_cutout(ask):
    assert pixels(ask()).shape == (400, 600, 4)


def test_the_matte_alone(ask):
    assert np.array_equal(pixels(ask(om="true")), pixels(ask())[..., 3])


def test_a_colour_behind_in_the_query_of_a_post(ask):
    made = pixels(ask(query={"bgc": "255,0,0,255"}))
    assert made[0, 0].tolist() == [255, 0, 0, 255] and made[..., 3].min() == 255


@pytest.mark.parametrize("model", ["u2net", "isnet-general-use", "birefnet-portrait", "bshm-lite"])
def test_models_that_clients_name(ask, model):
    assert ask(model=model).content == ask().content


def test_what_rembg_takes_for_its_own_mattes_is_accepted(ask):
    fields = {"a": "true", "af": "240", "ab": "10", "ae": "10", "ppm": "true"}
    assert ask(query={"extras": '{"x": 1}'}, **fields).content == ask().content


@pytest.mark.parametrize(
    "query, fields, name",
    [
        ({}, {"model": "../../etc/passwd"}, "model"),
        ({"bgc": "1,2"}, {}, "bgc"),
        ({"bgc": "1,2,3,256"}, {}, "bgc"),
        ({}, {"af": "241x"}, "af"),
        ({}, {"om": "perhaps"}, "om"),
    ],
)
def test_parameters_of_the_wrong_kind(ask, query, fields, name):
    (detail,) = ask(422, query=query, **fields).json()["detail"]
    assert detail["loc"][1] == name and detail["msg"]


def test_no_file(service):
    answer = requests.post(service.url + "/api/remove", files={"other": b"x"})
    assert answer.status_code == 422 and answer.json()["detail"][0]["loc"] == ["body", "file"]
    assert requests.get(service.url + "/api/remove").status_code == 422


def test_a_file_that_is_no_photo(ask):
    assert "not an image" in ask(400, photo=b"\0\1\2 nothing").json()["detail"]


def test_a_photo_of_nobody_is_transparent(ask):
    file = BytesIO()
    Image.new("RGB", (300, 200), "grey").save(file, "PNG")
    assert not pixels(ask(photo=file.getvalue())).any()
