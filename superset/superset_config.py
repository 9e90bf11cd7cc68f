"""Superset's settings: what differs from its defaults, and why. Secrets and addresses come from the environment."""

import os

SECRET_KEY = os.environ["SUPERSET_SECRET_KEY"]
SQLALCHEMY_DATABASE_URI = os.environ["SUPERSET_METADATA_URL"]

_secure = os.environ["SUPERSET_PUBLIC_URL"].startswith("https://")
SESSION_COOKIE_SECURE = _secure
# One proxy stands before it; only this machine reaches the port itself.
ENABLE_PROXY_FIX = True

# Superset's own policy lets each page ask a tracking pixel, map tiles and fonts of other sites; this one lets none.
TALISMAN_ENABLED = True
TALISMAN_CONFIG = {
    "content_security_policy": {
        "base-uri": ["'self'"],
        "default-src": ["'self'"],
        "img-src": ["'self'", "blob:", "data:"],
        "worker-src": ["'self'", "blob:"],
        "connect-src": ["'self'"],
        "object-src": "'none'",
        "style-src": ["'self'", "'unsafe-inline'"],
        "font-src": ["'self'"],
        "script-src": ["'self'", "'strict-dynamic'"],
        "frame-ancestors": ["'self'"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    "force_https": False,  # the proxy's part
    "session_cookie_secure": _secure,
}

# Without a limit a password can be guessed. The limit for all requests is above what one opened dashboard asks.
RATELIMIT_ENABLED = True
RATELIMIT_APPLICATION = "500 per second"
AUTH_RATE_LIMIT = "10 per minute"

# "$" in a number format is a pound.
D3_FORMAT = {"decimal": ".", "thousands": ",", "grouping": [3], "currency": ["£", ""]}

# As long as gunicorn waits; the database ends a statement before that (assets/databases).
SUPERSET_WEBSERVER_TIMEOUT = 60
