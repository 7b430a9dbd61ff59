"""Builds `fastconnect._core`; everything else about the package is in pyproject.toml.

The librdkafka functions that `_core` calls stay undefined in it: at run time they are found in the library that the
confluent-kafka wheel carries (see fastconnect/librdkafka.py), so no header and no second librdkafka is needed here.
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

setup(ext_modules=cythonize([core], include_path=["fastconnect/native"], annotate=False))
