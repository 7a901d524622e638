"""The page in a real browser: Chromium, without a window.

Needs the packages chromium and chromium-driver of the system, and selenium; skips aloud without.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from tests.helpers import PORTRAITS
from tests.serve.running import serving, wait_for

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
By = pytest.importorskip("selenium.webdriver.common.by").By
Keys = pytest.importorskip("selenium.webdriver.common.keys").Keys

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="chromium and chromedriver are not installed"
)


def browser(downloads, language="en"):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.add_argument("--window-size=1100,900")
    options.add_experimental_option(
        "prefs", {"intl.accept_languages": language, "download.default_directory": str(downloads)}
    )
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    driver.set_script_timeout(60)
    return driver


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def chromium(downloads):
    driver = browser(downloads)
    yield driver
    driver.quit()


@pytest.fixture
def page(chromium, service):
    """The page, fresh; afterwards the console has no errors but refusals, which it always tells."""
    prefer(chromium, color_scheme="light", reduced_motion="no-preference")
    chromium.get(service.url + "/")
    yield chromium
    errors = [line for line in chromium.get_log("browser") if line["level"] == "SEVERE"]
    assert not [line for line in errors if "v1.0/removebg" not in line["message"]]


@pytest.fixture
def files(tmp_path, portrait):
    """The paths of a portrait, of another of the same name, and of a file that is no photo."""
    paths = [tmp_path / "anna.jpg", tmp_path / "more" / "anna.jpg", tmp_path / "broken.png"]
    paths[1].parent.mkdir()
    for path in paths[:2]:
        path.write_bytes(portrait)
    paths[2].write_bytes(b"no picture")
    return [str(path) for path in paths]


def prefer(page, **wishes):
    """Let the browser tell pages of these preferences, whatever this machine's are."""
    features = [
        {"name": "prefers-" + name.replace("_", "-"), "value": value}
        for name, value in wishes.items()
    ]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def choose(page, *paths):
    page.find_element(By.ID, "choose").send_keys("\n".join(paths))


def cards(page, state):
    return page.find_elements(By.CSS_SELECTOR, ".photo." + state)


def wait_done(page, count=1):
    wait_for(lambda: len(cards(page, "done")) == count)


def pixels(page):
    """Width, height and the pixel at the top left of the first result; nothing before it shows."""
    return page.execute_script(
        """const image = document.querySelector(".photo.done .after");
        if (!image?.naturalWidth) return null;
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
        const context = canvas.getContext("2d");
        context.drawImage(image, 0, 0);
        return [canvas.width, canvas.height, ...context.getImageData(0, 0, 1, 1).data];"""
    )


def wait_made(page, right):
    """Wait for a result whose size and pixel are right; those of wishes before come meanwhile."""

    def made_right():
        made = pixels(page)
        return made is not None and right(made)

    wait_for(made_right)


def style(page, selector, name):
    """A property of the first element that is meant, when all of the page's styles are there."""
    wait_for(lambda: page.execute_script("return document.readyState") == "complete")
    assert page.execute_script("return document.styleSheets.length") == 1
    return page.execute_script(
        "return getComputedStyle(document.querySelector(arguments[0]))"
        ".getPropertyValue(arguments[1]).trim()",
        *(selector, name),
    )


def shown(page):
    """Wait until the browser has decoded the results."""
    wait_for(
        lambda: page.execute_script(
            "return [...document.querySelectorAll('.done .after')].every(i => i.naturalWidth > 0)"
        )
    )


def test_a_photo_is_cut_out_and_saved(page, files, downloads):
    choose(page, files[0])
    wait_made(page, lambda made: made == [600, 400, 0, 0, 0, 0])
    compared = page.find_element(By.CSS_SELECTOR, ".compare")
    wait_for(lambda: abs(compared.size["width"] / compared.size["height"] - 1.5) < 0.05)
    page.find_element(By.CSS_SELECTOR, ".save").click()
    saved = downloads / "anna.png"
    wait_for(lambda: saved.exists() and saved.stat().st_size > 10_000)
    assert np.asarray(Image.open(str(downloads / "anna.png"))).shape == (400, 600, 4)


def test_several_photos_have_a_queue_and_come_as_a_zip(page, files, downloads):
    choose(page, *files)
    wait_done(page, 2)
    wait_for(lambda: len(cards(page, "failed")) == 1)
    assert "no photo that can be read" in cards(page, "failed")[0].text
    assert page.find_element(By.ID, "news").text == "2 of 3 done"
    page.find_element(By.ID, "all").click()
    wait_for(lambda: zipfile.is_zipfile(str(downloads / "bshm.zip")))  # with its end, so whole
    with zipfile.ZipFile(str(downloads / "bshm.zip")) as archive:
        assert archive.namelist() == ["anna.png", "anna-2.png"]
        assert archive.testzip() is None
        assert Image.open(BytesIO(archive.read("anna.png"))).size == (600, 400)


def test_wishes_make_the_photos_again(page, files):
    choose(page, files[0])
    wait_done(page)
    page.find_element(By.CSS_SELECTOR, "input[value=colour]").click()
    page.execute_script(
        """const colour = document.querySelector("input[name=colour]");
        colour.value = "#ff0000";
        colour.dispatchEvent(new Event("input", {bubbles: true}));"""
    )
    wait_made(page, lambda made: made[:2] == [600, 400] and made[2] > 240 and max(made[3:5]) < 15)
    black = page.find_element(By.CSS_SELECTOR, "#swatches [aria-label=Black]")
    black.click()
    assert black.get_attribute("aria-pressed") == "true"
    wait_made(page, lambda made: max(made[2:5]) < 15)
    page.find_element(By.CSS_SELECTOR, "input[name=crop]").click()
    wait_made(page, lambda made: made[0] < 600 or made[1] < 400)
    # The photo has another shape than what was cropped, so they are not compared.
    wait_for(lambda: not page.find_element(By.CSS_SELECTOR, ".before").is_displayed())


def test_own_picture_blur_and_shadow(page, files, tmp_path):
    picture = tmp_path / "green.png"
    Image.new("RGB", (30, 30), (0, 200, 0)).save(str(picture))
    choose(page, files[0])
    wait_done(page)
    page.find_element(By.CSS_SELECTOR, "input[value=picture]").click()
    page.find_element(By.CSS_SELECTOR, "input[name=picture]").send_keys(str(picture))
    wait_made(page, lambda made: np.abs(np.subtract(made[2:5], (0, 200, 0))).max() < 8)
    page.find_element(By.CSS_SELECTOR, "input[name=shadow]").click()
    page.find_element(By.CSS_SELECTOR, "input[value=blur]").click()
    wait_made(page, lambda made: np.abs(np.subtract(made[2:5], (0, 200, 0))).max() > 40)
    assert pixels(page)[5] == 255


def test_photos_are_dropped_and_pasted(page, files, portrait):
    script = """const [kind, numbers] = arguments;
        const file = new File([Uint8Array.from(numbers)], kind + ".jpg", {type: "image/jpeg"});
        const transfer = new DataTransfer();
        transfer.items.add(file);
        const event = kind === "paste"
            ? new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true})
            : new DragEvent("drop", {dataTransfer: transfer, bubbles: true});
        document.body.dispatchEvent(event);"""
    for kind in ("drop", "paste"):
        page.execute_script(script, kind, list(portrait))
    wait_done(page, 2)
    names = [card.find_element(By.CSS_SELECTOR, ".name").text for card in cards(page, "done")]
    assert names == ["drop.jpg", "paste.jpg"]


def test_the_keyboard_moves_the_slider_and_removes_a_photo(page, files):
    choose(page, files[0])
    wait_done(page)
    slider = page.find_element(By.CSS_SELECTOR, ".split")
    assert slider.get_attribute("aria-label") == "anna.jpg: how much of the original is shown"
    slider.send_keys(Keys.HOME)
    slider.send_keys(Keys.ARROW_RIGHT)
    assert style(page, ".compare", "--split") == "1%"
    page.find_element(By.CSS_SELECTOR, ".remove").send_keys(Keys.ENTER)
    assert not page.find_elements(By.CSS_SELECTOR, ".photo")
    assert page.execute_script("return document.activeElement.id") == "choose"


def test_the_keyboard_goes_through_the_page_in_order(page, files):
    choose(page, files[0])
    wait_done(page)
    page.execute_script("document.activeElement.blur()")
    reached = []
    for _ in range(10):
        webdriver.ActionChains(page).send_keys(Keys.TAB).perform()
        reached.append(
            page.execute_script(
                "const e = document.activeElement; return e.id || e.name || e.classList[0]"
            )
        )
    assert reached == [
        *("choose", "behind", "shadow", "light", "crop", "clear"),
        *("split", "save", "remove", reached[-1]),
    ]
    page.find_element(By.ID, "clear").send_keys(Keys.ENTER)
    assert not page.find_elements(By.CSS_SELECTOR, ".photo")


def test_nothing_moves_for_who_wants_no_motion(page):
    durations = []
    for wish in ("no-preference", "reduce"):
        prefer(page, reduced_motion=wish)
        page.refresh()
        durations.append(style(page, ".choice", "transition-duration"))
    assert durations == ["0.15s, 0.15s", "0s"]


def test_everything_has_a_name_for_screen_readers(page, files):
    choose(page, files[0])
    wait_done(page)
    for control in page.find_elements(By.CSS_SELECTOR, "input, button, a"):
        if control.is_displayed():
            assert control.accessible_name, control.get_attribute("outerHTML")
    for image in page.find_elements(By.CSS_SELECTOR, ".photo img"):
        assert image.get_attribute("alt").startswith("anna.jpg: ")
    assert page.find_element(By.ID, "news").get_attribute("aria-live") == "polite"


def test_it_fits_a_phone(page, files):
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True},
    )
    try:
        choose(page, files[0])
        wait_done(page)
        assert page.execute_script("return document.documentElement.scrollWidth") <= 360
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_dark_mode(page):
    colours = []
    for scheme in ("light", "dark"):
        prefer(page, color_scheme=scheme)
        page.refresh()
        colours.append(style(page, "body", "background-color"))
    assert colours == ["rgb(246, 246, 244)", "rgb(23, 24, 27)"]


def test_chinese_by_the_browsers_language(service, downloads, files):
    driver = browser(downloads, "zh-CN,en")
    try:
        driver.get(service.url + "/")
        assert driver.find_element(By.TAG_NAME, "html").get_attribute("lang") == "zh"
        assert "把照片拖到这里" in driver.find_element(By.ID, "drop").text
        choose(driver, files[2])
        wait_for(lambda: cards(driver, "failed"))
        assert "无法识别的图片格式" in cards(driver, "failed")[0].text
        assert "undefined" not in driver.find_element(By.TAG_NAME, "body").text
    finally:
        driver.quit()


def test_both_languages_have_the_same_texts(page):
    missing = page.execute_async_script(
        """const done = arguments[0];
        fetch("texts.js").then(r => r.text()).then(text => {
            const names = (start, end) => [...text.slice(text.indexOf(start), text.indexOf(end))
                .matchAll(/^    (\\w+):/gm)].map(found => found[1]).join();
            done([names("en: {", "zh: {"), names("zh: {", "export")]);
        });"""
    )
    assert missing[0] == missing[1] and "split" in missing[0]


def test_a_service_with_keys_is_asked_again_with_one(chromium, tmp_path, files):
    keys = tmp_path / "keys"
    keys.write_text("of-the-page\n")
    with serving("--workers", 1, "--keys", keys) as locked:
        chromium.get(locked.url + "/")
        choose(chromium, files[0])
        wait_for(lambda: cards(chromium, "failed"))
        chromium.find_element(By.CSS_SELECTOR, "input[name=key]").send_keys(
            "of-the-page", Keys.ENTER
        )
        wait_done(chromium)
        chromium.get_log("browser")  # of the refusal, which was meant


def test_only_what_a_key_was_missing_for_is_sent_again_once_the_key_is_whole(
    chromium, tmp_path, files
):
    keys = tmp_path / "keys"
    keys.write_text("of-the-page\n")
    with serving("--workers", 1, "--keys", keys) as locked:
        chromium.get(locked.url + "/")
        # Whoever types pauses after each letter, and all that is sent is counted.
        chromium.execute_script(
            """window.sent = 0;
            const send = window.fetch;
            window.fetch = (...words) => { window.sent += 1; return send(...words); };
            window.setTimeout = (call) => { call(); return 0; };"""
        )

        def sent():
            return chromium.execute_script("return window.sent")

        choose(chromium, files[0])
        wait_for(lambda: cards(chromium, "failed"))
        field = chromium.find_element(By.CSS_SELECTOR, "input[name=key]")
        field.send_keys("of-the-page")
        assert sent() == 1
        field.send_keys(Keys.ENTER)
        wait_done(chromium)
        assert sent() == 2
        field.send_keys("s", Keys.ENTER)
        assert sent() == 2 and cards(chromium, "done")
        choose(chromium, files[1])
        wait_for(lambda: cards(chromium, "failed"))
        chromium.execute_script(
            """arguments[0].value = "of-the-page";
            const pasted = {inputType: "insertFromPaste", bubbles: true};
            arguments[0].dispatchEvent(new InputEvent("input", pasted));""",
            field,
        )
        wait_done(chromium, 2)
        assert sent() == 4
        chromium.get_log("browser")  # of the refusals, which were meant


def test_a_picture_that_another_replaces_is_freed(page, files):
    page.execute_script(
        """window.held = new Set();
        const [hold, free] = [URL.createObjectURL, URL.revokeObjectURL];
        URL.createObjectURL = (blob) => {
            window.held.add(hold(blob));
            return [...window.held].at(-1);
        };
        URL.revokeObjectURL = (url) => { window.held.delete(url); free(url); };"""
    )
    page.find_element(By.CSS_SELECTOR, "input[value=picture]").click()
    for path in files[:2]:
        page.find_element(By.CSS_SELECTOR, "input[name=picture]").send_keys(path)
    [held] = page.execute_script("return [...window.held]")
    assert held in style(page, ".sample.picture", "background-image")


def test_the_api_page_lists_every_endpoint(page, service):
    page.get(service.url + "/docs")
    wait_for(lambda: len(page.find_elements(By.TAG_NAME, "section")) == 7)
    assert "bg_image_file" in page.find_element(By.TAG_NAME, "main").text


def test_screenshot(page):
    """Kept where BSHM_SCREENSHOT says, for the README."""
    choose(page, *map(str, PORTRAITS))
    wait_done(page, 2)
    shown(page)
    picture = page.get_screenshot_as_png()
    assert Image.open(BytesIO(picture)).size[0] == 1100
    if os.environ.get("BSHM_SCREENSHOT"):
        with open(os.environ["BSHM_SCREENSHOT"], "wb") as file:
            file.write(picture)
