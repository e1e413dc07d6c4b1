import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WatchUnreadRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WatchUnreadResponse(_message.Message):
    __slots__ = ("unread_count", "head", "version", "notifications")
    UNREAD_COUNT_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    NOTIFICATIONS_FIELD_NUMBER: _ClassVar[int]
    unread_count: int
    head: int
    version: int
    notifications: UnreadNotifications
    def __init__(self, unread_count: _Optional[int] = ..., head: _Optional[int] = ..., version: _Optional[int] = ..., notifications: _Optional[_Union[UnreadNotifications, _Mapping]] = ...) -> None: ...

class UnreadNotifications(_message.Message):
    __slots__ = ("unseen", "unread", "version")
    UNSEEN_FIELD_NUMBER: _ClassVar[int]
    UNREAD_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    unseen: int
    unread: int
    version: int
    def __init__(self, unseen: _Optional[int] = ..., unread: _Optional[int] = ..., version: _Optional[int] = ...) -> None: ...

class IssueTicketRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class IssueTicketResponse(_message.Message):
    __slots__ = ("ticket", "expires_at")
    TICKET_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    ticket: str
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, ticket: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
