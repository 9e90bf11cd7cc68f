"""Where the files of a feed come from."""

from pydantic import Field

from anchorspend.contract.base import Strict


class Folder(Strict):
    """Files in a folder: relative to the inbox, absolute, or an fsspec URL such as `s3://bucket/feed`."""

    folder: str
    files: str = Field("*.csv", description="glob of the data files inside the folder")
