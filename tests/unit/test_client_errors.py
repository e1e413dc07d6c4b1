"""What `readstate.client` exports is all that a caller has to import."""

from readstate import client, errors


def test_every_error_that_a_server_sends_is_exported() -> None:
    sent = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.ReadStateError)
    }
    assert sent <= set(client.__all__)
    assert all(getattr(client, name) is getattr(errors, name) for name in sent)
