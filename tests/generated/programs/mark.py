"""Marks events and reads back, with the package that openapi-generator makes: `mark.py URL TOKEN`."""

import sys

import readstate_rest as rest

_, url, token = sys.argv
with rest.ApiClient(rest.Configuration(host=url, access_token=token)) as client:
    events = rest.SystemEventsApi(client)
    marked = events.mark_system_event_as_read(rest.EventIds(id=1))
    counted = events.mark_system_events_read(rest.EventIds(ids=[1, 2]))
    page = events.list_system_events(limit=3, types=["demo"])
    print(marked.success, counted.changed_count, counted.matched_count, [event.id for event in page.data])
    (notification,) = rest.NotificationsApi(client).list_notifications(include=["sender"]).data
    print(notification.status, notification.sender.name, notification.resource, notification.sender.role)
with rest.ApiClient(rest.Configuration(host=url, access_token="none")) as client:
    try:
        rest.SystemEventsApi(client).mark_system_event_as_read(rest.EventIds(ids=[1]))
    except rest.exceptions.UnauthorizedException as error:
        print(error.data.error)
