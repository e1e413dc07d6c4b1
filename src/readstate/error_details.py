"""The google.rpc details of an error, as they travel between our server and those who call it."""

from typing import Final

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import status_pb2

DOMAIN: Final = "readstate"
"""`google.rpc.ErrorInfo.domain` of every error of our server's; one without it comes from something in between."""


def unpack(error: grpc.aio.AioRpcError, *details: Message) -> None:
    """Fill each of `details` from the error's detail of its type; it stays empty where there is none."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            try:
                for packed in status_pb2.Status.FromString(value).details:
                    for detail in details:
                        packed.Unpack(detail)
            except DecodeError:
                return
