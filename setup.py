"""Builds the compiled modules; everything else about the package is in pyproject.toml.

`_core` is the send and the fetch loop; `converters._plain` looks through Python values for what JSON libraries and Kafka
Connect write differently. The librdkafka functions that `_core` calls stay undefined in it: at run time they are found in the
library that the confluent-kafka wheel carries (see fastconnect/librdkafka.py), so no header and no second librdkafka is needed.
"""

import sys

from Cython.Build import cythonize
from setuptools import Extension, setup

flags = ["-O3", "-fno-math-errno"]
undefined_is_fine = ["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else []

core = Extension(
    "fastconnect._core",
    ["fastconnect/_core.pyx"],
    include_dirs=["fastconnect/native"],
    extra_compile_args=flags,
    extra_link_args=undefined_is_fine,
)

plain = Extension(
    "fastconnect.converters._plain",
    ["fastconnect/converters/_plain.pyx"],
    extra_compile_args=flags,
)

setup(ext_modules=cythonize([core, plain], include_path=["fastconnect/native"], annotate=False))
