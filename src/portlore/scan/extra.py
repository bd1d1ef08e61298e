"""The library of the SYN engine; everything else of a scan does without."""

from __future__ import annotations

from portlore.extras import Extra

SCAN = Extra("scan", "numpy", ("numpy>=2.0",), 20)
