"""Packaging: two stacks chosen by Python version (docs/adr/0001), one extra per use."""

from setuptools import setup

# The reader of photos: no TensorFlow. OpenCV 4.12+ wants numpy 2, which TensorFlow 2.16 cannot use, and more room.
READER = [
    # Release 2 takes twice the room; release 1 has no wheel for Python 3.13.
    'ai-edge-litert>=1.4,<2; python_version < "3.13"',
    'ai-edge-litert>=2; python_version >= "3.13"',
    # ai-edge-litert asks for it whatever the Python; its release 1.3 refuses those beyond 3.10, where uv takes it and
    # pip, rightly, does not.
    'backports-strenum<1.3; python_version >= "3.11"',
    "filelock",  # one command at a time where two would be in each other's way
    "fsspec",
    "jinja2",
    "numpy>=1.26",
    "opencv-python-headless>=4.10,<4.12",
    "pillow>=11",
    "pillow-heif",  # what iPhones send as a file
]

BOT = [
    *READER,
    "prometheus-client>=0.21",
    "python-json-logger>=3",
    "python-telegram-bot[rate-limiter,webhooks]>=22,<23",
    "sniffio",  # httpcore tries to import it for every lock; where it is missing that takes longer than the lock
]

PIPELINE = [
    *READER,
    "cattrs",  # configuration to JSON and back
    "jinja2>=3.1",  # the pages of `digits data --report` and of `digits report`
    "matplotlib",  # the report's charts
    "pooch",  # fetches the data set
    "statsmodels",  # intervals and tests in the report
    "tensorboard",  # the Trainer writes its logs; TensorFlow 2.21 does not bring it
    "setuptools<81",  # TFX and Beam still import pkg_resources, which later releases dropped
    # Python 3.10: any x86-64 Linux with glibc 2.17 or newer.
    'apache-beam[gcp]<2.66; python_version < "3.11"',  # tfx-bsl 1.16 imports dill, which newer Beam no longer brings
    'tensorflow==2.16.2; python_version < "3.11"',
    'tensorflow-data-validation==1.16.1; python_version < "3.11"',
    'tensorflow-model-analysis==0.47.1; python_version < "3.11"',
    'tfx==1.16.0; python_version < "3.11"',
    # Python 3.11 to 3.13: glibc 2.39 or newer, and macOS on arm64.
    'apache-beam[gcp]; python_version >= "3.11"',
    'dill; python_version >= "3.11"',
    'tensorflow==2.21.0; python_version >= "3.11"',
    'tensorflow-data-validation==1.21.0; python_version >= "3.11"',
    'tensorflow-model-analysis==0.52.0; python_version >= "3.11"',
    'tfx==1.21.0; python_version >= "3.11"',
]

VERTEX = ["google-cloud-aiplatform", "kfp<2.17"]

DEV = [
    "babel",
    "gcp-storage-emulator",  # an object store on this machine, for tests
    "gcsfs",
    "ipykernel",  # runs the notebooks in a test
    "mypy",
    "nbclient",
    "nbformat",
    "playwright",  # drives Debian's Chromium in tests
    "psutil",
    "pytest",
    "pytest-timeout",
    "pytest-xdist",
    "ruff",
]

setup(
    name="digits-pipeline",
    version="0.1.0",
    description="A TFX pipeline for handwritten digits and the Telegram bot that serves what it pushes",
    license="Apache-2.0",
    python_requires=">=3.10,<3.14",
    packages=[
        "compat",
        "components",
        "components.evaluation",
        "components.mnist_example_gen",
        "models",
        "models.export",
        "models.synthesis",
        "models.training",
        "pipeline",
        "pipeline.cli",
        "pipeline.comparison",
        "pipeline.data",
        "pipeline.history",
        "pipeline.local",
        "pipeline.report",
        "pipeline.vertex",
        "serving_bot",
        "serving_bot.reading",
        "serving_bot.telegram",
        "serving_bot.versions",
        "serving_bot.web",
        "workers",
    ],
    package_data={
        "models": ["REVISION"],  # in the image only (Dockerfile)
        "pipeline": ["schema.pbtxt"],
        "pipeline.data": ["templates/*"],
        "pipeline.report": ["templates/*"],
        "serving_bot.telegram": ["locales/*/LC_MESSAGES/bot.*"],
        "serving_bot.versions": ["canary.png"],
        "serving_bot.web": ["page.html"],
    },
    install_requires=["rich>=13", "typer>=0.15"],
    extras_require={
        "bot": BOT,
        "gs": ["gcsfs"],  # the bot with a push folder in a bucket
        "pipeline": PIPELINE,
        "vertex": VERTEX,
        "dev": DEV,
    },
    entry_points={"console_scripts": ["digits=pipeline.cli:main"]},
)
