-- The first schema (SQLite). Times are seconds since 1970, digests "algorithm:hex", enumerations
-- the numbers of their C names. Names compare by bytes. AUTOINCREMENT where an id is remembered
-- outside the row (in tokens, caches, page links) and so must not come back for something else.

-- Accounts and groups: one set of names, one set of ids.
CREATE TABLE owner (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    kind                INTEGER NOT NULL,
    name                TEXT    NOT NULL UNIQUE,
    display             TEXT    NOT NULL,
    default_visibility  INTEGER NOT NULL,
    quota_private_repos INTEGER NOT NULL,
    quota_bytes         INTEGER NOT NULL,
    created_at          INTEGER NOT NULL
) STRICT;
CREATE INDEX owner_kind ON owner (kind, name);

CREATE TABLE account (
    id               INTEGER PRIMARY KEY REFERENCES owner (id) ON DELETE CASCADE,
    kind             INTEGER NOT NULL,
    email            TEXT    NOT NULL,
    is_admin         INTEGER NOT NULL,
    is_disabled      INTEGER NOT NULL,
    robot_of         INTEGER REFERENCES owner (id) ON DELETE CASCADE,
    password_hash    TEXT    NOT NULL,
    password_version INTEGER NOT NULL
) STRICT;
CREATE INDEX account_robot ON account (robot_of) WHERE robot_of IS NOT NULL;

CREATE TABLE member (
    group_id   INTEGER NOT NULL REFERENCES owner (id) ON DELETE CASCADE,
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    role       INTEGER NOT NULL,
    PRIMARY KEY (group_id, account_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX member_account ON member (account_id, group_id);

CREATE TABLE secret (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id       INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    kind             INTEGER NOT NULL,
    hash             BLOB    NOT NULL UNIQUE,
    name             TEXT    NOT NULL,
    scope            TEXT    NOT NULL,
    password_version INTEGER NOT NULL,
    created_by       INTEGER NOT NULL,
    created_at       INTEGER NOT NULL,
    expires_at       INTEGER NOT NULL,
    last_used_at     INTEGER NOT NULL
) STRICT;
CREATE INDEX secret_account ON secret (account_id, id);
CREATE INDEX secret_expiry ON secret (expires_at) WHERE expires_at > 0;

CREATE TABLE repository (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    owner_id    INTEGER REFERENCES owner (id), -- NULL: administrators only
    name        TEXT    NOT NULL UNIQUE,
    visibility  INTEGER NOT NULL,
    description TEXT    NOT NULL DEFAULT '',
    created_at  INTEGER NOT NULL,
    pushed_at   INTEGER NOT NULL DEFAULT 0,
    pull_count  INTEGER NOT NULL DEFAULT 0,
    star_count  INTEGER NOT NULL DEFAULT 0,
    bytes       INTEGER NOT NULL DEFAULT 0     -- linked blobs and manifests
) STRICT;
CREATE INDEX repository_owner ON repository (owner_id, name);
CREATE INDEX repository_public ON repository (name) WHERE visibility = 1;

CREATE TABLE star (
    repo_id    INTEGER NOT NULL REFERENCES repository (id) ON DELETE CASCADE,
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    PRIMARY KEY (repo_id, account_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX star_account ON star (account_id);

-- A pattern matches the names in [low, high): see meta_grant.c.
CREATE TABLE repo_grant (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    pattern    TEXT    NOT NULL,
    low        TEXT    NOT NULL,
    high       TEXT    NOT NULL,
    subject_id INTEGER NOT NULL REFERENCES owner (id) ON DELETE CASCADE,
    actions    INTEGER NOT NULL,
    UNIQUE (pattern, subject_id)
) STRICT;
CREATE INDEX repo_grant_subject ON repo_grant (subject_id, low);

-- The bytes come last, so that reading a row without them touches none of their pages.
CREATE TABLE manifest (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    repo_id       INTEGER NOT NULL REFERENCES repository (id) ON DELETE CASCADE,
    digest        TEXT    NOT NULL,
    media_type    TEXT    NOT NULL,
    artifact_type TEXT    NOT NULL,
    size          INTEGER NOT NULL,
    subject       TEXT,
    config        TEXT,
    created_at    INTEGER NOT NULL,
    created_by    INTEGER NOT NULL,
    annotations   TEXT    NOT NULL,
    bytes         BLOB    NOT NULL,
    UNIQUE (repo_id, digest)
) STRICT;
CREATE INDEX manifest_subject ON manifest (repo_id, subject, id) WHERE subject IS NOT NULL;

-- What a manifest points to: kind 0 a blob, 1 a manifest, 2 a blob that need not be there.
CREATE TABLE edge (
    repo_id     INTEGER NOT NULL,
    kind        INTEGER NOT NULL,
    digest      TEXT    NOT NULL,
    manifest_id INTEGER NOT NULL REFERENCES manifest (id) ON DELETE CASCADE,
    PRIMARY KEY (repo_id, kind, digest, manifest_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX edge_manifest ON edge (manifest_id);

CREATE TABLE tag (
    repo_id     INTEGER NOT NULL,
    name        TEXT    NOT NULL,
    manifest_id INTEGER NOT NULL REFERENCES manifest (id) ON DELETE CASCADE,
    updated_at  INTEGER NOT NULL,
    PRIMARY KEY (repo_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX tag_manifest ON tag (manifest_id, name);

CREATE TABLE tag_history (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    repo_id    INTEGER NOT NULL REFERENCES repository (id) ON DELETE CASCADE,
    name       TEXT    NOT NULL,
    old_digest TEXT    NOT NULL,
    new_digest TEXT    NOT NULL,
    account_id INTEGER NOT NULL,
    at         INTEGER NOT NULL
) STRICT;
CREATE INDEX tag_history_repo ON tag_history (repo_id, id);
CREATE INDEX tag_history_tag ON tag_history (repo_id, name, id);

CREATE TABLE blob (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    digest     TEXT    NOT NULL UNIQUE,
    size       INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    state      INTEGER NOT NULL,
    state_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX blob_state ON blob (state, id) WHERE state <> 0;

CREATE TABLE repo_blob (
    repo_id     INTEGER NOT NULL REFERENCES repository (id) ON DELETE CASCADE,
    blob_id     INTEGER NOT NULL REFERENCES blob (id),
    lease_until INTEGER NOT NULL,
    PRIMARY KEY (repo_id, blob_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX repo_blob_blob ON repo_blob (blob_id, repo_id);

CREATE TABLE upload (
    id         TEXT    PRIMARY KEY,
    repo       TEXT    NOT NULL,
    account_id INTEGER NOT NULL,
    alg        INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    touched_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX upload_touched ON upload (touched_at);
CREATE INDEX upload_repo ON upload (repo);
CREATE INDEX upload_account ON upload (account_id);

CREATE TABLE gc_queue (
    kind    INTEGER NOT NULL,
    repo_id INTEGER NOT NULL,
    digest  TEXT    NOT NULL,
    due_at  INTEGER NOT NULL,
    since   INTEGER NOT NULL,
    PRIMARY KEY (kind, repo_id, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX gc_queue_due ON gc_queue (due_at);
CREATE INDEX gc_queue_repo ON gc_queue (repo_id);

CREATE TABLE signing_key (
    kid         TEXT    PRIMARY KEY,
    private_key BLOB    NOT NULL,
    created_at  INTEGER NOT NULL,
    retired_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    account TEXT    NOT NULL,
    action  TEXT    NOT NULL,
    target  TEXT    NOT NULL,
    address TEXT    NOT NULL,
    outcome TEXT    NOT NULL
) STRICT;
CREATE INDEX audit_at ON audit (at);

-- rowid is the repository's id.
CREATE VIRTUAL TABLE search USING fts5 (
    name, description, text,
    tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3'
);
