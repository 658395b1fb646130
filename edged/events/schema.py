"""The tables of the events' file."""

from __future__ import annotations

V1 = """
    CREATE TABLE events (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,  -- a number is never given twice
        id TEXT NOT NULL,
        type TEXT NOT NULL,
        time TEXT NOT NULL,
        clock TEXT NOT NULL,
        data TEXT NOT NULL
    ) STRICT;
    -- counting a million rows takes seconds, and every append asks
    CREATE TABLE depth (events INTEGER NOT NULL) STRICT;
    INSERT INTO depth VALUES (0);
    CREATE TRIGGER event_in AFTER INSERT ON events
        BEGIN UPDATE depth SET events = events + 1; END;
    CREATE TRIGGER event_out AFTER DELETE ON events
        BEGIN UPDATE depth SET events = events - 1; END;
    CREATE TABLE nonces (nonce TEXT PRIMARY KEY, expires REAL NOT NULL) STRICT, WITHOUT ROWID;
    CREATE INDEX nonces_by_end ON nonces (expires);
    """

# `old_events` is moved by `edged.events.migrate`, since SQLite cannot hash; then it is dropped
V2 = """
    DROP TRIGGER event_in;
    DROP TRIGGER event_out;
    DROP TABLE depth;
    ALTER TABLE events RENAME TO old_events;
    CREATE TABLE log (
        id BLOB NOT NULL,
        seq INTEGER NOT NULL,  -- of the newest event
        hash BLOB NOT NULL,  -- of the newest event; nothing before the first
        time INTEGER NOT NULL,  -- ms since 1970, of the newest event
        waiting INTEGER NOT NULL  -- counting a million rows takes seconds, and every append asks
    ) STRICT;
    CREATE TABLE kinds (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE events (
        seq INTEGER PRIMARY KEY,
        id BLOB NOT NULL,
        kind INTEGER NOT NULL,
        time INTEGER NOT NULL,  -- ms since 1970
        synced INTEGER NOT NULL,
        data BLOB,  -- as `rows.pack` makes it; nothing once it was redacted
        prev BLOB NOT NULL
    ) STRICT;
    CREATE INDEX events_by_id ON events (substr(id, 1, 8));
    -- who is named where: as long as the event says it
    CREATE TABLE mentions (
        person TEXT NOT NULL, time INTEGER NOT NULL, seq INTEGER NOT NULL,
        PRIMARY KEY (person, time, seq)
    ) STRICT, WITHOUT ROWID;
    -- never delivered; `forget`: whom it names was erased meanwhile
    CREATE TABLE waiting (
        seq INTEGER PRIMARY KEY, forget INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    -- delivered, and asked for once more
    CREATE TABLE again (seq INTEGER PRIMARY KEY) STRICT;
    CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
    """

SCHEMA = (V1, V2)
