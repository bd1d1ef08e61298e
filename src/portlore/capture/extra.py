"""The library of the capture."""

from __future__ import annotations

from portlore.extras import Extra

CAPTURE = Extra("capture", "numpy", ("numpy>=2.0",), 20)
