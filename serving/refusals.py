"""Why a request gets no answer, and how HTTP says so."""

from __future__ import annotations

from typing import ClassVar

from common.errors import UserError


class RefusedError(UserError):
    """A request that is not answered; `models.request.RequestError` is one more, with 400.

    Attributes:
        status: Of the response.
    """

    status: ClassVar[int] = 400


class InputError(RefusedError):
    """What a signature was fed can't be read by its graph."""


class LabelError(RefusedError):
    """No version has this label."""


class NotFoundError(RefusedError):
    """There is no such model, version or address."""

    status = 404


class TooLargeError(RefusedError):
    """The body is longer than the setting allows."""

    status = 413


class EncodingError(RefusedError):
    """The body is encoded in a way that is not read."""

    status = 415


class ModelError(RefusedError):
    """The model answers with what is no answer."""

    status = 500


class UnavailableError(RefusedError):
    """Not now: no version is loaded yet, or too many requests wait."""

    status = 503
