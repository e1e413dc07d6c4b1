"""Histories of calls at the same time on the read state, and what is wrong with them, if anything is.

`run` makes a history: clients of several servers act on a few members. `check` replays it in the order of versions
against sets, and says where the store told something else. `audit` compares counts, ranges and rows in one snapshot.
"""
