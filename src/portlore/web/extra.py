"""The libraries of the site."""

from __future__ import annotations

from portlore.extras import Extra

WEB = Extra(
    "web",
    "uvicorn",
    (
        "babel>=2.16",
        "fastapi>=0.115",
        "httptools>=0.6",
        "jinja2>=3.1",
        "pg8000>=1.31",
        "sqlalchemy>=2.0",
        "uvicorn>=0.32",
        "uvloop>=0.21; sys_platform != 'win32'",
    ),
    25,
)
