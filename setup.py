"""Packaging of bshm. Read the version without importing the package."""

import re
import sys

if sys.version_info < (3, 7):  # noqa: UP036 - an older one would stop at its first missing import
    sys.exit("bshm needs Python 3.7 or newer, not %d.%d" % sys.version_info[:2])

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'^__version__ = "(.+)"', (HERE / "bshm/__init__.py").read_text("utf-8"), re.M)
HEIF = 'pillow-heif>=0.16; python_version >= "3.8"'
# FFmpeg's codecs in one wheel; 17 is the first to convert by the matrix it is told.
VIDEO = ['av>=17; python_version >= "3.10"']
SERVE = [  # h11 speaks HTTP both for uvicorn and for fetching
    name + '; python_version >= "3.10"'
    for name in (
        "fastapi>=0.115.10",
        "starlette>=0.46",  # FastAPI's floor is below what `serve` takes of it
        "uvicorn>=0.30",
        "h11>=0.14",
        "python-multipart>=0.0.18",
        "prometheus-client>=0.20",
    )
]
CLUSTER = SERVE + [  # what such clusters run, and what reaches their stores
    name + '; python_version >= "3.10"'
    for name in ("ray[data,serve]>=2.50", "fsspec>=2024.2", "s3fs>=2024.2", "pyarrow>=14")
]
MODELSCOPE = 'modelscope>=1.31; python_version >= "3.10"'

setup(
    name="bshm",
    version=VERSION.group(1),
    description="Cut people out of photos: soft hair, clean edges, offline, fast on two CPU cores",
    long_description=(HERE / "README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["bshm", "bshm.*"]),
    package_data={"bshm": ["data/*", "py.typed", "serve/page/*"]},
    python_requires=">=3.7",
    install_requires=[
        "numpy",
        "opencv-python-headless>=4.5",
        "pillow>=9.5",
        "requests>=2.25",
        "tqdm>=4.50",
        # Packs PNGs five times as fast as zlib, which does it where there is no wheel.
        'isal>=1.7; python_version >= "3.10" and platform_machine in "x86_64 AMD64 aarch64 arm64"',
        # Python 3.7 is the stack of the published ModelScope image, pinned as it is there.
        'onnxruntime>=1.14; python_version >= "3.8"',
        'tensorflow==1.15.5; python_version < "3.8"',
        'protobuf<3.21; python_version < "3.8"',
        'importlib-metadata; python_version < "3.8"',
        'modelscope==1.6.1; python_version < "3.8"',
    ],
    extras_require={
        "heic": [
            HEIF,
            'pillow>=11.3; python_version >= "3.9"',  # AVIF
        ],
        "video": VIDEO,
        "download": [MODELSCOPE],  # 90 MB with what it needs, for one command that few need
        "convert": [
            'tensorflow>=2.16; python_version >= "3.10"',
            'tf2onnx>=1.17; python_version >= "3.10"',
        ],
        "serve": SERVE,
        "cluster": CLUSTER,
        "test": CLUSTER
        + VIDEO
        + [  # not *SERVE: Python 2.7 is to read as far as its message
            "selenium>=4.20; python_version >= '3.10'",
            "removebg; python_version >= '3.10'",
            "moto[server]>=5; python_version >= '3.10'",  # S3's protocol
            "pytest>=7",
            "pytest-xdist>=3.5",
            "hypothesis>=6",
            "packaging",
            "onnx>=1.13",
            MODELSCOPE,
            HEIF,
        ],
        "dev": ["ruff>=0.6", "mypy>=1.8"],
    },
    entry_points={"console_scripts": ["bshm = bshm.__main__:main"]},
    classifiers=[
        "License :: OSI Approved :: Apache Software License",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Image Processing",
    ],
)
