import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class NotificationStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NOTIFICATION_STATUS_UNSPECIFIED: _ClassVar[NotificationStatus]
    NOTIFICATION_STATUS_UNSEEN: _ClassVar[NotificationStatus]
    NOTIFICATION_STATUS_SEEN: _ClassVar[NotificationStatus]
    NOTIFICATION_STATUS_READ: _ClassVar[NotificationStatus]
    NOTIFICATION_STATUS_DISMISSED: _ClassVar[NotificationStatus]

class NotificationPriority(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NOTIFICATION_PRIORITY_UNSPECIFIED: _ClassVar[NotificationPriority]
    NOTIFICATION_PRIORITY_LOW: _ClassVar[NotificationPriority]
    NOTIFICATION_PRIORITY_NORMAL: _ClassVar[NotificationPriority]
    NOTIFICATION_PRIORITY_HIGH: _ClassVar[NotificationPriority]

class ActorType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACTOR_TYPE_UNSPECIFIED: _ClassVar[ActorType]
    ACTOR_TYPE_USER: _ClassVar[ActorType]
    ACTOR_TYPE_GROUP: _ClassVar[ActorType]
    ACTOR_TYPE_AGENT: _ClassVar[ActorType]
    ACTOR_TYPE_API_KEY: _ClassVar[ActorType]
NOTIFICATION_STATUS_UNSPECIFIED: NotificationStatus
NOTIFICATION_STATUS_UNSEEN: NotificationStatus
NOTIFICATION_STATUS_SEEN: NotificationStatus
NOTIFICATION_STATUS_READ: NotificationStatus
NOTIFICATION_STATUS_DISMISSED: NotificationStatus
NOTIFICATION_PRIORITY_UNSPECIFIED: NotificationPriority
NOTIFICATION_PRIORITY_LOW: NotificationPriority
NOTIFICATION_PRIORITY_NORMAL: NotificationPriority
NOTIFICATION_PRIORITY_HIGH: NotificationPriority
ACTOR_TYPE_UNSPECIFIED: ActorType
ACTOR_TYPE_USER: ActorType
ACTOR_TYPE_GROUP: ActorType
ACTOR_TYPE_AGENT: ActorType
ACTOR_TYPE_API_KEY: ActorType

class Actor(_message.Message):
    __slots__ = ("id", "type", "name", "handle", "avatar_url")
    ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    AVATAR_URL_FIELD_NUMBER: _ClassVar[int]
    id: str
    type: ActorType
    name: str
    handle: str
    avatar_url: str
    def __init__(self, id: _Optional[str] = ..., type: _Optional[_Union[ActorType, str]] = ..., name: _Optional[str] = ..., handle: _Optional[str] = ..., avatar_url: _Optional[str] = ...) -> None: ...

class Entity(_message.Message):
    __slots__ = ("id", "type", "name", "handle")
    ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    id: str
    type: str
    name: str
    handle: str
    def __init__(self, id: _Optional[str] = ..., type: _Optional[str] = ..., name: _Optional[str] = ..., handle: _Optional[str] = ...) -> None: ...

class Notification(_message.Message):
    __slots__ = ("id", "category", "title", "body", "status", "priority", "sender", "resource", "seen_at", "read_at", "dismissed_at", "created_at", "updated_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    SEEN_AT_FIELD_NUMBER: _ClassVar[int]
    READ_AT_FIELD_NUMBER: _ClassVar[int]
    DISMISSED_AT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    category: str
    title: str
    body: str
    status: NotificationStatus
    priority: NotificationPriority
    sender: Actor
    resource: Entity
    seen_at: _timestamp_pb2.Timestamp
    read_at: _timestamp_pb2.Timestamp
    dismissed_at: _timestamp_pb2.Timestamp
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., category: _Optional[str] = ..., title: _Optional[str] = ..., body: _Optional[str] = ..., status: _Optional[_Union[NotificationStatus, str]] = ..., priority: _Optional[_Union[NotificationPriority, str]] = ..., sender: _Optional[_Union[Actor, _Mapping]] = ..., resource: _Optional[_Union[Entity, _Mapping]] = ..., seen_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., read_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., dismissed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CreateNotificationsRequest(_message.Message):
    __slots__ = ("org_id", "user_ids", "category", "title", "body", "priority", "sender", "resource")
    ORG_ID_FIELD_NUMBER: _ClassVar[int]
    USER_IDS_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    org_id: str
    user_ids: _containers.RepeatedScalarFieldContainer[str]
    category: str
    title: str
    body: str
    priority: NotificationPriority
    sender: Actor
    resource: Entity
    def __init__(self, org_id: _Optional[str] = ..., user_ids: _Optional[_Iterable[str]] = ..., category: _Optional[str] = ..., title: _Optional[str] = ..., body: _Optional[str] = ..., priority: _Optional[_Union[NotificationPriority, str]] = ..., sender: _Optional[_Union[Actor, _Mapping]] = ..., resource: _Optional[_Union[Entity, _Mapping]] = ...) -> None: ...

class CreateNotificationsResponse(_message.Message):
    __slots__ = ("ids", "unknown_user_ids")
    IDS_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_USER_IDS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[str]
    unknown_user_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, ids: _Optional[_Iterable[str]] = ..., unknown_user_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class GetNotificationRequest(_message.Message):
    __slots__ = ("id", "include")
    ID_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_FIELD_NUMBER: _ClassVar[int]
    id: str
    include: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[str] = ..., include: _Optional[_Iterable[str]] = ...) -> None: ...

class GetNotificationResponse(_message.Message):
    __slots__ = ("notification",)
    NOTIFICATION_FIELD_NUMBER: _ClassVar[int]
    notification: Notification
    def __init__(self, notification: _Optional[_Union[Notification, _Mapping]] = ...) -> None: ...

class ListNotificationsRequest(_message.Message):
    __slots__ = ("status", "category", "cursor", "limit", "include")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_FIELD_NUMBER: _ClassVar[int]
    status: NotificationStatus
    category: str
    cursor: str
    limit: int
    include: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, status: _Optional[_Union[NotificationStatus, str]] = ..., category: _Optional[str] = ..., cursor: _Optional[str] = ..., limit: _Optional[int] = ..., include: _Optional[_Iterable[str]] = ...) -> None: ...

class ListNotificationsResponse(_message.Message):
    __slots__ = ("notifications", "next_cursor")
    NOTIFICATIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_CURSOR_FIELD_NUMBER: _ClassVar[int]
    notifications: _containers.RepeatedCompositeFieldContainer[Notification]
    next_cursor: str
    def __init__(self, notifications: _Optional[_Iterable[_Union[Notification, _Mapping]]] = ..., next_cursor: _Optional[str] = ...) -> None: ...

class GetUnreadSummaryRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetUnreadSummaryResponse(_message.Message):
    __slots__ = ("unseen_count", "unread_count", "version")
    UNSEEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    UNREAD_COUNT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    unseen_count: int
    unread_count: int
    version: int
    def __init__(self, unseen_count: _Optional[int] = ..., unread_count: _Optional[int] = ..., version: _Optional[int] = ...) -> None: ...

class MarkNotificationSeenRequest(_message.Message):
    __slots__ = ("id", "include")
    ID_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_FIELD_NUMBER: _ClassVar[int]
    id: str
    include: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[str] = ..., include: _Optional[_Iterable[str]] = ...) -> None: ...

class MarkNotificationSeenResponse(_message.Message):
    __slots__ = ("notification",)
    NOTIFICATION_FIELD_NUMBER: _ClassVar[int]
    notification: Notification
    def __init__(self, notification: _Optional[_Union[Notification, _Mapping]] = ...) -> None: ...

class MarkNotificationReadRequest(_message.Message):
    __slots__ = ("id", "include")
    ID_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_FIELD_NUMBER: _ClassVar[int]
    id: str
    include: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[str] = ..., include: _Optional[_Iterable[str]] = ...) -> None: ...

class MarkNotificationReadResponse(_message.Message):
    __slots__ = ("notification",)
    NOTIFICATION_FIELD_NUMBER: _ClassVar[int]
    notification: Notification
    def __init__(self, notification: _Optional[_Union[Notification, _Mapping]] = ...) -> None: ...

class DismissNotificationRequest(_message.Message):
    __slots__ = ("id", "include")
    ID_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_FIELD_NUMBER: _ClassVar[int]
    id: str
    include: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[str] = ..., include: _Optional[_Iterable[str]] = ...) -> None: ...

class DismissNotificationResponse(_message.Message):
    __slots__ = ("notification",)
    NOTIFICATION_FIELD_NUMBER: _ClassVar[int]
    notification: Notification
    def __init__(self, notification: _Optional[_Union[Notification, _Mapping]] = ...) -> None: ...

class MarkAllNotificationsSeenRequest(_message.Message):
    __slots__ = ("up_to",)
    UP_TO_FIELD_NUMBER: _ClassVar[int]
    up_to: str
    def __init__(self, up_to: _Optional[str] = ...) -> None: ...

class MarkAllNotificationsSeenResponse(_message.Message):
    __slots__ = ("changed_count",)
    CHANGED_COUNT_FIELD_NUMBER: _ClassVar[int]
    changed_count: int
    def __init__(self, changed_count: _Optional[int] = ...) -> None: ...

class MarkAllNotificationsReadRequest(_message.Message):
    __slots__ = ("up_to",)
    UP_TO_FIELD_NUMBER: _ClassVar[int]
    up_to: str
    def __init__(self, up_to: _Optional[str] = ...) -> None: ...

class MarkAllNotificationsReadResponse(_message.Message):
    __slots__ = ("changed_count",)
    CHANGED_COUNT_FIELD_NUMBER: _ClassVar[int]
    changed_count: int
    def __init__(self, changed_count: _Optional[int] = ...) -> None: ...
