import datetime

from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SystemEventOrder(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SYSTEM_EVENT_ORDER_UNSPECIFIED: _ClassVar[SystemEventOrder]
    SYSTEM_EVENT_ORDER_SEQ: _ClassVar[SystemEventOrder]
    SYSTEM_EVENT_ORDER_OCCURRED_AT: _ClassVar[SystemEventOrder]
SYSTEM_EVENT_ORDER_UNSPECIFIED: SystemEventOrder
SYSTEM_EVENT_ORDER_SEQ: SystemEventOrder
SYSTEM_EVENT_ORDER_OCCURRED_AT: SystemEventOrder

class MarkReadRequest(_message.Message):
    __slots__ = ("event_ids", "with_state")
    EVENT_IDS_FIELD_NUMBER: _ClassVar[int]
    WITH_STATE_FIELD_NUMBER: _ClassVar[int]
    event_ids: _containers.RepeatedScalarFieldContainer[int]
    with_state: bool
    def __init__(self, event_ids: _Optional[_Iterable[int]] = ..., with_state: bool = ...) -> None: ...

class MarkReadResponse(_message.Message):
    __slots__ = ("changed_count", "matched_count", "version", "unread_count", "head")
    CHANGED_COUNT_FIELD_NUMBER: _ClassVar[int]
    MATCHED_COUNT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    UNREAD_COUNT_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    changed_count: int
    matched_count: int
    version: int
    unread_count: int
    head: int
    def __init__(self, changed_count: _Optional[int] = ..., matched_count: _Optional[int] = ..., version: _Optional[int] = ..., unread_count: _Optional[int] = ..., head: _Optional[int] = ...) -> None: ...

class MarkUnreadRequest(_message.Message):
    __slots__ = ("event_ids", "with_state")
    EVENT_IDS_FIELD_NUMBER: _ClassVar[int]
    WITH_STATE_FIELD_NUMBER: _ClassVar[int]
    event_ids: _containers.RepeatedScalarFieldContainer[int]
    with_state: bool
    def __init__(self, event_ids: _Optional[_Iterable[int]] = ..., with_state: bool = ...) -> None: ...

class MarkUnreadResponse(_message.Message):
    __slots__ = ("changed_count", "matched_count", "version", "unread_count", "head")
    CHANGED_COUNT_FIELD_NUMBER: _ClassVar[int]
    MATCHED_COUNT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    UNREAD_COUNT_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    changed_count: int
    matched_count: int
    version: int
    unread_count: int
    head: int
    def __init__(self, changed_count: _Optional[int] = ..., matched_count: _Optional[int] = ..., version: _Optional[int] = ..., unread_count: _Optional[int] = ..., head: _Optional[int] = ...) -> None: ...

class RecordSystemEventsRequest(_message.Message):
    __slots__ = ("org_id", "events")
    ORG_ID_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    org_id: str
    events: _containers.RepeatedCompositeFieldContainer[NewSystemEvent]
    def __init__(self, org_id: _Optional[str] = ..., events: _Optional[_Iterable[_Union[NewSystemEvent, _Mapping]]] = ...) -> None: ...

class NewSystemEvent(_message.Message):
    __slots__ = ("event_id", "type", "title", "payload", "occurred_at", "actor_id", "subject_id", "workspace_id")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    OCCURRED_AT_FIELD_NUMBER: _ClassVar[int]
    ACTOR_ID_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    WORKSPACE_ID_FIELD_NUMBER: _ClassVar[int]
    event_id: int
    type: str
    title: str
    payload: _struct_pb2.Struct
    occurred_at: _timestamp_pb2.Timestamp
    actor_id: str
    subject_id: str
    workspace_id: str
    def __init__(self, event_id: _Optional[int] = ..., type: _Optional[str] = ..., title: _Optional[str] = ..., payload: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., occurred_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., actor_id: _Optional[str] = ..., subject_id: _Optional[str] = ..., workspace_id: _Optional[str] = ...) -> None: ...

class RecordSystemEventsResponse(_message.Message):
    __slots__ = ("event_ids",)
    EVENT_IDS_FIELD_NUMBER: _ClassVar[int]
    event_ids: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, event_ids: _Optional[_Iterable[int]] = ...) -> None: ...

class SystemEvent(_message.Message):
    __slots__ = ("event_id", "seq", "type", "title", "payload_json", "occurred_at", "recorded_at", "actor_id", "subject_id", "workspace_id", "read")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_JSON_FIELD_NUMBER: _ClassVar[int]
    OCCURRED_AT_FIELD_NUMBER: _ClassVar[int]
    RECORDED_AT_FIELD_NUMBER: _ClassVar[int]
    ACTOR_ID_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    WORKSPACE_ID_FIELD_NUMBER: _ClassVar[int]
    READ_FIELD_NUMBER: _ClassVar[int]
    event_id: int
    seq: int
    type: str
    title: str
    payload_json: str
    occurred_at: _timestamp_pb2.Timestamp
    recorded_at: _timestamp_pb2.Timestamp
    actor_id: str
    subject_id: str
    workspace_id: str
    read: bool
    def __init__(self, event_id: _Optional[int] = ..., seq: _Optional[int] = ..., type: _Optional[str] = ..., title: _Optional[str] = ..., payload_json: _Optional[str] = ..., occurred_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., recorded_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., actor_id: _Optional[str] = ..., subject_id: _Optional[str] = ..., workspace_id: _Optional[str] = ..., read: bool = ...) -> None: ...

class ListSystemEventsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "unread_only", "types", "actor_ids", "subject_ids", "workspace_ids", "occurred_from", "occurred_before", "skip", "with_total", "order")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    UNREAD_ONLY_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    ACTOR_IDS_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_IDS_FIELD_NUMBER: _ClassVar[int]
    WORKSPACE_IDS_FIELD_NUMBER: _ClassVar[int]
    OCCURRED_FROM_FIELD_NUMBER: _ClassVar[int]
    OCCURRED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    SKIP_FIELD_NUMBER: _ClassVar[int]
    WITH_TOTAL_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    unread_only: bool
    types: _containers.RepeatedScalarFieldContainer[str]
    actor_ids: _containers.RepeatedScalarFieldContainer[str]
    subject_ids: _containers.RepeatedScalarFieldContainer[str]
    workspace_ids: _containers.RepeatedScalarFieldContainer[str]
    occurred_from: _timestamp_pb2.Timestamp
    occurred_before: _timestamp_pb2.Timestamp
    skip: int
    with_total: bool
    order: SystemEventOrder
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., unread_only: bool = ..., types: _Optional[_Iterable[str]] = ..., actor_ids: _Optional[_Iterable[str]] = ..., subject_ids: _Optional[_Iterable[str]] = ..., workspace_ids: _Optional[_Iterable[str]] = ..., occurred_from: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., occurred_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., skip: _Optional[int] = ..., with_total: bool = ..., order: _Optional[_Union[SystemEventOrder, str]] = ...) -> None: ...

class ListSystemEventsResponse(_message.Message):
    __slots__ = ("events", "next_page_token", "head", "unread_count", "version", "total", "org_id")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    UNREAD_COUNT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    ORG_ID_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[SystemEvent]
    next_page_token: str
    head: int
    unread_count: int
    version: int
    total: int
    org_id: str
    def __init__(self, events: _Optional[_Iterable[_Union[SystemEvent, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., head: _Optional[int] = ..., unread_count: _Optional[int] = ..., version: _Optional[int] = ..., total: _Optional[int] = ..., org_id: _Optional[str] = ...) -> None: ...

class GetUnreadCountRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetUnreadCountResponse(_message.Message):
    __slots__ = ("unread_count", "head", "version")
    UNREAD_COUNT_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    unread_count: int
    head: int
    version: int
    def __init__(self, unread_count: _Optional[int] = ..., head: _Optional[int] = ..., version: _Optional[int] = ...) -> None: ...

class MarkAllReadRequest(_message.Message):
    __slots__ = ("up_to",)
    UP_TO_FIELD_NUMBER: _ClassVar[int]
    up_to: int
    def __init__(self, up_to: _Optional[int] = ...) -> None: ...

class MarkAllReadResponse(_message.Message):
    __slots__ = ("changed_count", "unread_count", "version", "undo_token")
    CHANGED_COUNT_FIELD_NUMBER: _ClassVar[int]
    UNREAD_COUNT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    UNDO_TOKEN_FIELD_NUMBER: _ClassVar[int]
    changed_count: int
    unread_count: int
    version: int
    undo_token: str
    def __init__(self, changed_count: _Optional[int] = ..., unread_count: _Optional[int] = ..., version: _Optional[int] = ..., undo_token: _Optional[str] = ...) -> None: ...

class UndoMarkAllReadRequest(_message.Message):
    __slots__ = ("undo_token",)
    UNDO_TOKEN_FIELD_NUMBER: _ClassVar[int]
    undo_token: str
    def __init__(self, undo_token: _Optional[str] = ...) -> None: ...

class UndoMarkAllReadResponse(_message.Message):
    __slots__ = ("changed_count", "unread_count", "version")
    CHANGED_COUNT_FIELD_NUMBER: _ClassVar[int]
    UNREAD_COUNT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    changed_count: int
    unread_count: int
    version: int
    def __init__(self, changed_count: _Optional[int] = ..., unread_count: _Optional[int] = ..., version: _Optional[int] = ...) -> None: ...

class ListReadersRequest(_message.Message):
    __slots__ = ("event_id", "page_token", "page_size")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    event_id: int
    page_token: str
    page_size: int
    def __init__(self, event_id: _Optional[int] = ..., page_token: _Optional[str] = ..., page_size: _Optional[int] = ...) -> None: ...

class Reader(_message.Message):
    __slots__ = ("user_id", "read_at")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    READ_AT_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    read_at: _timestamp_pb2.Timestamp
    def __init__(self, user_id: _Optional[str] = ..., read_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListReadersResponse(_message.Message):
    __slots__ = ("readers", "next_page_token")
    READERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    readers: _containers.RepeatedCompositeFieldContainer[Reader]
    next_page_token: str
    def __init__(self, readers: _Optional[_Iterable[_Union[Reader, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
