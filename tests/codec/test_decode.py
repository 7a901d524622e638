"""Decoding what people have."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
import tracemalloc
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from bshm.codec.decode import decode
from bshm.errors import InputError
from bshm.planes import STRIPE

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
needs_posix = pytest.mark.skipif(os.name == "nt", reason="POSIX only")


def saved(picture, kind, **options):
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture)
    file = BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def raw_png(width, height, depth, colour, lines, *chunks):
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + line for line in lines))
    parts = [chunk(b"IHDR", header), *chunks, chunk(b"IDAT", body), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def exif_chunk(orientation):
    return chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0%c\0\0\0\0\0\0" % orientation)


def raw_tiff(width, height, bits, photometric, data, samples=1, sample_format=1, **more):
    """An uncompressed little-endian TIFF of one strip; ``more`` has tags, as t322=(type, value)."""
    bits_offset = 8 + len(data)
    tags = {
        256: (4, width),
        257: (4, height),
        258: (3, bits if samples == 1 else bits_offset),
        259: (3, 1),
        262: (3, photometric),
        273: (4, 8),
        277: (3, samples),
        278: (4, height),
        279: (4, len(data)),
        339: (3, sample_format if samples == 1 else bits_offset),
    }
    if samples > 1:
        assert bits_offset % 2 == 0 and sample_format == 1
        del tags[339]
    tags.update({int(name[1:]): value for name, value in more.items()})
    entries = b"".join(
        struct.pack("<HHII", tag, kind, samples if tag == 258 else 1, value)
        for tag, (kind, value) in sorted(tags.items())
    )
    extra = struct.pack("<%dH" % samples, *[bits] * samples) if samples > 1 else b""
    head = b"II*\0" + struct.pack("<I", bits_offset + len(extra))
    return head + data + extra + struct.pack("<H", len(tags)) + entries + b"\0\0\0\0"


def icc_profile(space, tag, body, pcs, device=b"prtr"):
    """A minimal ICC profile with one tag."""
    size = 128 + 4 + 12 + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"\0\0\0\0", 0x02400000, device, space, pcs)
    head += b"\0" * 12 + b"acsp" + b"\0" * 28
    head += struct.pack(">3I", 0xF6D6, 0x10000, 0xD32D)  # the illuminant, D50
    return head.ljust(128, b"\0") + struct.pack(">I4sII", 1, tag, 144, len(body)) + body


def cmyk_profile():
    """CMYK in which black ink is the only one that counts, and prints pure red.

    An 8-bit table of two points an ink: Lab of the paper where K is 0, else of red.
    """
    paper, red = (255, 128, 128), (136, 208, 195)
    table = bytes(value for point in range(16) for value in (red if point % 2 else paper))
    ramp = bytes(range(256))
    identity = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    body = b"mft1\0\0\0\0\4\3\2\0" + identity + ramp * 4 + table + ramp * 3
    return icc_profile(b"CMYK", b"A2B0", body, b"Lab ")


def linear_grey_profile():
    curve = b"curv\0\0\0\0" + struct.pack(">I", 0)  # no points: the identity
    return icc_profile(b"GRAY", b"kTRC", curve, b"XYZ ", b"mntr")


# --- upright, 8 bits, RGB ---

INVERSE = {
    2: Image.FLIP_LEFT_RIGHT,
    3: Image.ROTATE_180,
    4: Image.FLIP_TOP_BOTTOM,
    5: Image.TRANSPOSE,
    6: Image.ROTATE_90,
    7: Image.TRANSVERSE,
    8: Image.ROTATE_270,
}


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(pixels, kind, orientation):
    stored = Image.fromarray(pixels)
    if orientation > 1:
        stored = stored.transpose(INVERSE[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    photo = decode(saved(stored, kind, exif=exif.tobytes(), **options), "photo")
    assert photo.rgb.shape == pixels.shape
    if kind == "JPEG":
        assert np.abs(photo.rgb[:4, :6].astype(int) - (250, 20, 40)).mean() < 30
    else:
        assert np.array_equal(photo.rgb, pixels)


def test_orientation_holds_for_pictures_of_many_stripes_with_transparency():
    rgba = np.random.RandomState(1).randint(0, 256, (700, 1100, 4)).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.fromarray(rgba).transpose(Image.ROTATE_90)
    photo = decode(saved(stored, "PNG", exif=exif.tobytes(), compress_level=1), "photo")
    assert np.array_equal(np.dstack([photo.rgb, photo.alpha]), rgba)


def test_damaged_exif_counts_as_upright(pixels):
    for exif in (b"Exif\0\0nonsense", b"Exif\0\0MM\0*\0\0\0\x08\0\1\x01\x12\0\2\0\0\0\x01a\0\0\0"):
        photo = decode(saved(pixels, "PNG", exif=exif), "photo")
        assert np.array_equal(photo.rgb, pixels)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF", "WEBP"])
def test_plain_rgb_is_exact(pixels, kind):
    few = pixels // 64 * 64 if kind == "GIF" else pixels
    picture = Image.fromarray(few)
    picture = picture.quantize(256) if kind == "GIF" else picture
    options = {"lossless": True} if kind == "WEBP" else {}
    photo = decode(saved(picture, kind, **options), "photo")
    assert np.array_equal(photo.rgb, few)
    assert (
        photo.rgb.dtype == np.uint8 and photo.rgb.flags.c_contiguous and photo.rgb.flags.writeable
    )
    assert photo.alpha is None and photo.icc is None


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_modes_of_png_and_tiff(pixels, mode, kind):
    bands = 3 if mode == "P" else 4
    rgba = np.dstack([pixels, pixels[::-1, :, 0]])
    picture = Image.fromarray(np.ascontiguousarray(rgba[..., :bands])).convert(mode)
    expected = np.asarray(picture.convert("RGBA"))
    photo = decode(saved(picture, kind), "photo")
    assert np.array_equal(photo.rgb, expected[..., :3])
    if mode in ("LA", "RGBA"):
        assert np.array_equal(photo.alpha, expected[..., 3])
    else:
        assert photo.alpha is None


def test_colours_under_transparency_stay_and_alpha_is_kept():
    rgba = np.zeros((2, 3, 4), np.uint8)
    rgba[0] = (10, 200, 30, 0)
    rgba[1] = (90, 80, 70, 128)
    photo = decode(saved(rgba, "PNG"), "photo")
    assert np.array_equal(photo.rgb, rgba[..., :3]) and np.array_equal(photo.alpha, rgba[..., 3])
    rgba[..., 3] = 255
    assert decode(saved(rgba, "PNG"), "photo").alpha is None


def test_transparent_palette_grey_and_colour_keys():
    palette = Image.fromarray(np.array([[0, 1], [2, 3]], np.uint8)).convert("L").convert("P")
    palette.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90, 1, 2, 3])
    photo = decode(saved(palette, "PNG", transparency=2), "photo")
    assert photo.rgb[1, 0].tolist() == [70, 80, 90]
    assert photo.alpha.tolist() == [[255, 255], [0, 255]]
    photo = decode(saved(palette, "PNG", transparency=bytes([0, 64, 128, 255])), "photo")
    assert photo.alpha.tolist() == [[0, 64], [128, 255]]
    photo = decode(saved(palette, "GIF", transparency=1), "photo")
    assert photo.alpha.tolist() == [[255, 0], [255, 255]]
    grey = np.array([[0, 9], [9, 200]], np.uint8)
    photo = decode(saved(grey, "PNG", transparency=9), "photo")
    assert photo.alpha.tolist() == [[255, 0], [0, 255]] and photo.rgb[1, 1].tolist() == [200] * 3


def test_sixteen_bits_are_scaled_and_not_clipped():
    values = np.array([[0, 257, 0x8080, 0xFFFF]], ">u2")
    expected = [[0, 1, 128, 255]]
    photo = decode(raw_png(4, 1, 16, 0, [values.tobytes()]), "grey.png")
    assert photo.rgb[..., 0].tolist() == expected
    photo = decode(raw_png(4, 1, 16, 2, [np.repeat(values, 3).tobytes()]), "rgb.png")
    assert photo.rgb[..., 1].tolist() == expected
    little = values.astype("<u2")
    photo = decode(raw_tiff(4, 1, 16, 1, little.tobytes()), "grey.tif")
    assert photo.rgb[..., 2].tolist() == expected
    photo = decode(raw_tiff(4, 1, 16, 2, np.repeat(little, 3).tobytes(), 3), "rgb.tif")
    assert photo.rgb[..., 0].tolist() == expected
    photo = decode(raw_tiff(4, 1, 16, 0, little.tobytes()), "white-is-zero.tif")
    assert photo.rgb[..., 0].tolist() == [[255, 254, 127, 0]]


def test_transparent_grey_of_sixteen_bits():
    values = np.array([[0, 0x1234, 0x1235], [0xFFFF, 0x1234, 0]], ">u2")
    key = chunk(b"tRNS", struct.pack(">H", 0x1234))
    data = raw_png(3, 2, 16, 0, [line.tobytes() for line in values], key)
    photo = decode(data, "photo.png")
    assert photo.rgb[..., 0].tolist() == [[0, 18, 18], [255, 18, 0]]
    assert photo.alpha.tolist() == [[255, 0, 255], [255, 0, 255]]  # not its neighbour at 8 bits
    turned = raw_png(3, 2, 16, 0, [line.tobytes() for line in values], key, exif_chunk(6))
    photo = decode(turned, "photo.png")
    assert photo.alpha.tolist() == [[255, 255], [0, 0], [255, 255]]


def test_transparent_colour_of_sixteen_bits_makes_no_other_colour_transparent():
    line = np.array([0x1234, 0x5678, 0x9ABC, 0x34FF, 0x78FF, 0xBCFF], ">u2").tobytes()
    key = chunk(b"tRNS", struct.pack(">HHH", 0x1234, 0x5678, 0x9ABC))
    photo = decode(raw_png(2, 1, 16, 2, [line], key), "photo.png")
    assert photo.alpha is None and photo.rgb[0, 1].tolist() == [0x34, 0x78, 0xBC]


@pytest.mark.parametrize("kind", ["uint16", "float"])
def test_deep_grey_is_converted_without_a_second_whole_picture(kind):
    side = 1500
    values = np.full((side, side), 0.5, "<f4")
    values[0, 0], values[-1, -1] = np.nan, 200  # white is found in the last line, and seen in all
    data = raw_tiff(side, side, 32, 1, values.tobytes(), 1, 3)
    if kind == "uint16":
        values = np.full((side, side), 0x8080, ">u2")
        data = raw_png(side, side, 16, 0, [line.tobytes() for line in values])
    decode(data, "photo")  # loads all that is to be loaded
    tracemalloc.start()
    try:
        photo = decode(data, "photo")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert photo.rgb[9, 9, 0] == (128 if kind == "uint16" else 1)
    assert peak < photo.rgb.nbytes + 10 * STRIPE * values.itemsize


def test_other_depths_of_tiff():
    full = np.array([[0, 1 << 30, (1 << 32) - 1]], "<u4")
    photo = decode(raw_tiff(3, 1, 32, 1, full.tobytes()), "uint32.tif")
    assert photo.rgb[..., 0].tolist() == [[0, 64, 255]]
    signed = np.array([[-5, 16384, 32767]], "<i2")
    photo = decode(raw_tiff(3, 1, 16, 1, signed.tobytes(), 1, 2), "int16.tif")
    assert photo.rgb[..., 0].tolist() == [[0, 128, 255]]
    twelve = bytes([0x00, 0x08, 0x00, 0xFF, 0xF0, 0x00])  # 0, 2048; 4095, 0
    photo = decode(raw_tiff(2, 2, 12, 1, twelve), "uint12.tif")
    assert photo.rgb[..., 0].tolist() == [[0, 128], [255, 0]]


@pytest.mark.parametrize("white", [1.0, 255.0, 65535.0])
def test_float_tiff_is_scaled_by_its_white(white):
    values = np.array([[0, 0.5, 1, np.nan, -1]], "<f4") * np.float32(white)
    photo = decode(raw_tiff(5, 1, 32, 1, values.tobytes(), 1, 3), "float.tif")
    assert photo.rgb[..., 0].tolist() == [[0, 128, 255, 0, 0]]


def test_float_tiff_clips_highlights_and_not_all_else():
    values = np.array([[0.5, 1, 3.5]], "<f4")
    photo = decode(raw_tiff(3, 1, 32, 1, values.tobytes(), 1, 3), "hdr.tif")
    assert photo.rgb[..., 0].tolist() == [[128, 255, 255]]


def test_cmyk_and_ycck_jpeg_are_not_inverted():
    ink = np.zeros((16, 16, 4), np.uint8)
    ink[..., 1:3] = 255  # magenta and yellow make red
    jpeg = saved(Image.frombytes("CMYK", (16, 16), ink.tobytes()), "JPEG", quality=95)
    assert b"Adobe" in jpeg
    assert np.abs(decode(jpeg, "cmyk").rgb.astype(int) - (255, 0, 0)).max() < 6
    # The same file with its Adobe marker saying YCCK: luma, chroma and black.
    place = jpeg.index(b"Adobe") + 11
    assert jpeg[place] == 0
    cyan = Image.new("RGB", (16, 16), (0, 255, 255)).convert("YCbCr")
    ycck = np.dstack([255 - np.asarray(cyan), np.zeros((16, 16), np.uint8)])
    jpeg = saved(Image.frombytes("CMYK", (16, 16), ycck.tobytes()), "JPEG", quality=95)
    jpeg = jpeg[:place] + b"\2" + jpeg[place + 1 :]
    assert np.abs(decode(jpeg, "ycck").rgb.astype(int) - (255, 0, 0)).max() < 6


def test_first_frame_of_animations(pixels):
    first, second = Image.fromarray(pixels // 64 * 64), Image.new("RGB", (40, 24), (0, 0, 255))
    for kind, options in (("GIF", {}), ("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {})):
        data = saved(first, kind, save_all=True, append_images=[second], **options)
        assert np.array_equal(decode(data, "photo").rgb, np.asarray(first)), kind
    data = saved(first, "MPO", save_all=True, append_images=[second])
    assert np.abs(decode(data, "photo").rgb.astype(int) - np.asarray(first)).mean() < 30


def test_heic_is_read_or_the_message_says_what_to_install(monkeypatch):
    head = b"\0\0\0\x18ftyp%s\0\0\0\0mif1%s" % (b"heic", b"heic")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(InputError, match=r"a\.heic: .*pip install '\.\[heic\]'"):
        decode(head, "a.heic")


def test_avif_without_a_decoder_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setitem(sys.modules, "PIL.AvifImagePlugin", None)
    with pytest.raises(InputError, match=r"a\.avif: .*pip install '\.\[heic\]'"):
        decode(b"\0\0\0\x1cftypavif\0\0\0\0avif", "a.avif")


def test_heic_pictures(pixels):
    pytest.importorskip("pillow_heif").register_heif_opener()
    photo = decode(saved(pixels, "HEIF", quality=100), "photo.heic")
    assert photo.rgb.shape == pixels.shape
    assert np.abs(photo.rgb.astype(int) - pixels).mean() < 15


# --- colour profiles ---


def test_rgb_profile_is_kept(pixels):
    for picture in (Image.fromarray(pixels), Image.fromarray(pixels).convert("L")):
        photo = decode(saved(picture, "JPEG", icc_profile=SRGB), "photo")
        assert photo.icc == SRGB


def test_profiles_that_are_broken_or_of_another_space_are_ignored(pixels):
    for kind in ("PNG", "JPEG", "TIFF"):
        plain = decode(saved(pixels, kind), "photo").rgb
        foreign = [SRGB[:200], b"nonsense", SRGB[:36] + b"\xff" * 40, cmyk_profile()]
        foreign += [linear_grey_profile(), SRGB[:12] + b"\xff\xfe\xfd\xfc" + SRGB[16:]]
        for profile in foreign:
            photo = decode(saved(pixels, kind, icc_profile=profile), "photo")
            assert photo.icc is None and np.array_equal(photo.rgb, plain)


def test_cmyk_profile_is_applied_and_dropped():
    ink = np.zeros((16, 32, 4), np.uint8)
    ink[:, 16:, 3] = 255
    ink[..., 0] = 255  # cyan, which the profile's table takes no notice of
    picture = Image.frombytes("CMYK", (32, 16), ink.tobytes())
    for kind in ("TIFF", "JPEG"):
        photo = decode(saved(picture, kind, icc_profile=cmyk_profile()), "photo")
        assert photo.icc is None
        assert np.abs(photo.rgb[:, :14].astype(int) - (255, 255, 255)).max() < 8
        assert np.abs(photo.rgb[:, 18:].astype(int) - (255, 0, 0)).max() < 12
    broken = saved(picture, "TIFF", icc_profile=cmyk_profile()[:300])
    assert decode(broken, "photo").rgb[0, 0].tolist() == [0, 255, 255]


def test_grey_profile_is_applied_and_dropped():
    grey = np.full((8, 8), 55, np.uint8)  # of a linear scale: 128 in sRGB
    for picture in (Image.fromarray(grey), Image.fromarray(grey).convert("LA")):
        data = saved(picture, "PNG", icc_profile=linear_grey_profile())
        photo = decode(data, "photo")
        assert photo.icc is None and np.abs(photo.rgb.astype(int) - 128).max() <= 1


def test_lab_becomes_srgb(pixels):
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    smooth = Image.fromarray(pixels).resize((40, 24), Image.BOX, (20, 0, 40, 12))
    picture = ImageCms.profileToProfile(smooth, srgb, lab, outputMode="LAB")
    photo = decode(saved(picture, "TIFF"), "photo")
    assert np.abs(photo.rgb.astype(int) - np.asarray(smooth)).max() <= 4


# --- refusals ---

MANY = struct.pack(">I", 60000)
LITTLE = struct.pack("<I", 60000)


def replaced(data, place, new):
    return data[:place] + new + data[place + len(new) :]


def bombs(pixels):
    """Small files that claim thousands of megapixels."""
    png = raw_png(60000, 60000, 8, 2, [])
    yield "bomb.png", png
    jpeg = saved(pixels, "JPEG")
    yield "bomb.jpg", replaced(jpeg, jpeg.index(b"\xff\xc0") + 5, b"\xea\x60\xea\x60")
    yield "bomb.bmp", replaced(saved(pixels, "BMP"), 18, LITTLE * 2)
    yield "bomb.gif", replaced(saved(pixels, "GIF"), 6, LITTLE[:2] * 2)
    yield "bomb.tif", raw_tiff(60000, 60000, 8, 1, bytes(9))
    yield "tile.tif", raw_tiff(3, 3, 8, 1, bytes(9), t322=(4, 60000), t323=(4, 60000))
    lossy, lossless = saved(pixels, "WEBP"), saved(pixels, "WEBP", lossless=True)
    assert lossy[12:16] == b"VP8 " and lossless[12:16] == b"VP8L"
    yield "lossy.webp", replaced(lossy, 26, b"\xff\x3f\xff\x3f")
    yield "lossless.webp", replaced(lossless, 21, b"\xff\xff\xff\x0f")
    extended = saved(pixels, "WEBP", icc_profile=SRGB)
    assert extended[12:16] == b"VP8X"
    yield "extended.webp", replaced(extended, 24, b"\x5f\xea\0" * 2)


def test_pixel_limit_is_checked_before_anything_is_allocated(pixels):
    program = (
        "import resource, sys\n"
        "from PIL import Image\n"
        "import numpy\n"
        "from bshm.codec.decode import decode\n"
        "from bshm.errors import InputError\n"
        "name, data = sys.argv[1], sys.stdin.buffer.read()\n"
        "begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n"
        "    decode(data, name)\n"
        "except InputError as error:\n"
        "    print(error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - begin)\n"
    )
    cases = dict(bombs(pixels))
    assert len(cases) == 9
    for name, data in cases.items():
        with pytest.raises(InputError) as caught:
            decode(data, name)
        told = r"%s: \d+×\d+ is [\d.]+ megapixels, over the limit of 200"
        assert re.fullmatch(told % re.escape(name), str(caught.value)), str(caught.value)
    pytest.importorskip("resource")
    for name in ("bomb.png", "extended.webp", "tile.tif"):
        command = [sys.executable, "-W", "error", "-c", program, name]
        environment = dict(
            os.environ, PYTHONPATH=os.pathsep.join(sys.path), PYTHONIOENCODING="utf8"
        )
        output = subprocess.run(
            command, input=cases[name], stdout=subprocess.PIPE, env=environment, check=True
        ).stdout.decode()
        message, grown = output.splitlines()
        assert "over the limit" in message
        assert int(grown) < 40_000, name  # KB; the pixels would take gigabytes


def test_limit_is_inclusive_and_ours_not_pillows(pixels, monkeypatch, valid_file):
    size = pixels.shape[0] * pixels.shape[1]
    with pytest.raises(InputError, match="over the limit"):
        decode(valid_file.data, "photo", size - 1)
    # Far over Pillow's own limit, at which it would warn, and at twice that fail.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 16)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decode(valid_file.data, "photo", size)
    assert Image.MAX_IMAGE_PIXELS == 16


def test_truncated_files_are_errors_and_never_half_a_photo(valid_file):
    whole = decode(valid_file.data, "photo").rgb
    refused = 0
    step = max(1, len(valid_file.data) // 150)
    for length in range(0, len(valid_file.data), step):
        try:
            photo = decode(valid_file.data[:length], "photo")
        except InputError as error:
            assert str(error).startswith("photo: ") and "\n" not in str(error)
            refused += 1
        else:  # only the trailer is missing
            assert np.array_equal(photo.rgb, whole), length
    assert refused > 100


@pytest.mark.parametrize(
    "data, words",
    [
        (b"", "the file is empty"),
        (b"<!DOCTYPE html><html><body>Not found", "is a web page, not an image"),
        (b"\xef\xbb\xbf\n <HTML lang=en>", "is a web page, not an image"),
        ("<!doctype html>".encode("utf-16"), "is a web page, not an image"),
        (b"<?xml version='1.0'?>\n<svg xmlns=", "is an SVG drawing"),
        (b"<svg/>", "is an SVG drawing"),
        (b"%PDF-1.7\n", "is a PDF document"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "is a PostScript file"),
        (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2", "is a video"),
        (b"\0\0\0\x14ftypqt  ", "is a video"),
        (b"\x1aE\xdf\xa3\x9fB\x86", "is a video"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1", "raw file"),
        (b"II*\0\x10\0\0\0CR\2\0", "raw file"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "is a JPEG XL picture"),
        (b"8BPS\0\1", "is a Photoshop document"),
        (b"PK\3\4\x14\0", "is an archive"),
        (b'{"error": "no such photo"}', "is text, not an image"),
        (bytes(1000), "is not an image"),
        (b"\x89PNG", "is not an image"),
        (b"GIF89a", "GIF"),
    ],
)
def test_what_is_not_a_photo_is_called_by_its_name(data, words):
    with pytest.raises(InputError) as caught:
        decode(data, "thing.jpg")
    assert str(caught.value).startswith("thing.jpg: ") and words in str(caught.value)


def test_raw_files_are_not_taken_for_their_thumbnail():
    thumbnail = {"t254": (4, 1), "t330": (4, 8)}
    for tags in (thumbnail, {"t50706": (1, 1)}):
        with pytest.raises(InputError, match="raw file"):
            decode(raw_tiff(3, 3, 8, 1, bytes(9), **tags), "photo.nef")


def test_sound_files_that_cannot_be_read_are_not_called_damaged():
    with pytest.raises(InputError, match=r"TIFF files of this kind are not supported"):
        decode(raw_tiff(2, 2, 32, 2, bytes(48), 3), "photo.tif")


def test_too_little_memory_is_told(pixels, monkeypatch):
    def exhausted(_):
        raise MemoryError

    monkeypatch.setattr("bshm.codec.decode._photo", exhausted)
    with pytest.raises(InputError, match="not enough memory to decode this PNG file"):
        decode(saved(pixels, "PNG"), "photo.png")


def test_pictures_without_pixels_are_refused():
    with pytest.raises(InputError):
        decode(raw_png(0, 5, 8, 2, []), "photo.png")
    with pytest.raises(InputError):
        decode(replaced(saved(Image.new("L", (2, 2)), "BMP"), 18, bytes(8)), "photo.bmp")


def test_no_warning_gets_out_and_the_hosts_filters_stay():
    palette = Image.new("P", (4, 4))
    noisy = saved(palette, "PNG", transparency=bytes([1, 2]))
    tiff = raw_tiff(3, 3, 8, 1, bytes(9), t271=(2, 0xFFFFFF))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        with ThreadPoolExecutor(4) as pool:
            for future in [pool.submit(decode, noisy, "x") for _ in range(40)]:
                future.result()
        decode(tiff, "x")
        assert warnings.filters == before
