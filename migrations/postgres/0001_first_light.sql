-- The whole first schema. Ids are UUIDs as text, times are milliseconds since 1970, JSON is text.

create table tenants (
    id text collate "C" not null primary key,
    slug text collate "C" not null unique,
    name text collate "C" not null,
    created_at bigint not null
);

create table users (
    tenant text collate "C" not null references tenants (id) on delete cascade,
    id text collate "C" not null,
    name text collate "C" not null,
    -- Signing in asks for an e-mail and nothing else, so it is unique in the whole installation.
    email text collate "C" unique,
    password_hash text collate "C",
    role text collate "C" not null,
    created_at bigint not null,
    primary key (tenant, id)
);

create table sessions (
    token_hash text collate "C" not null primary key,
    tenant text collate "C" not null,
    user_id text collate "C" not null,
    created_at bigint not null,
    expires_at bigint not null,
    foreign key (tenant, user_id) references users (tenant, id) on delete cascade
);
create index sessions_by_user on sessions (tenant, user_id);

create table setup_tokens (
    hash text collate "C" not null primary key,
    tenant text collate "C" not null references tenants (id) on delete cascade,
    expires_at bigint not null
);
create index setup_tokens_by_tenant on setup_tokens (tenant);

create table api_keys (
    tenant text collate "C" not null references tenants (id) on delete cascade,
    id text collate "C" not null,
    name text collate "C" not null,
    hash text collate "C" not null unique,
    prefix text collate "C" not null,
    scopes text collate "C" not null,
    assistant text collate "C",
    created_at bigint not null,
    expires_at bigint,
    last_used_at bigint,
    primary key (tenant, id)
);

create table definitions (
    tenant text collate "C" not null references tenants (id) on delete cascade,
    -- The id of its first version.
    id text collate "C" not null,
    kind text collate "C" not null,
    name text collate "C" not null,
    current_version text collate "C",
    -- A deleted definition keeps its versions for the runs that used them; its name is free again.
    deleted boolean not null,
    created_at bigint not null,
    primary key (tenant, id)
);
create unique index definitions_by_name on definitions (tenant, kind, name) where not deleted;

create table versions (
    tenant text collate "C" not null,
    id text collate "C" not null,
    definition text collate "C" not null,
    number bigint not null,
    yaml text collate "C" not null,
    title text collate "C",
    description text collate "C",
    author text collate "C",
    created_at bigint not null,
    primary key (tenant, id),
    foreign key (tenant, definition) references definitions (tenant, id) on delete cascade
);
create unique index versions_by_number on versions (tenant, definition, number);
alter table definitions add foreign key (tenant, current_version) references versions (tenant, id);

create table conversations (
    tenant text collate "C" not null references tenants (id) on delete cascade,
    id text collate "C" not null,
    assistant text collate "C" not null,
    user_id text collate "C",
    title text collate "C" not null,
    state text collate "C" not null,
    created_at bigint not null,
    updated_at bigint not null,
    primary key (tenant, id),
    foreign key (tenant, user_id) references users (tenant, id) on delete cascade
);
create index conversations_by_time on conversations (tenant, updated_at, id);
create index conversations_by_user on conversations (tenant, user_id, updated_at, id);

create table messages (
    tenant text collate "C" not null,
    id text collate "C" not null,
    conversation text collate "C" not null,
    -- 1, 2, 3, ... within the conversation: two messages of one turn may have the same time.
    position bigint not null,
    role text collate "C" not null,
    content text collate "C" not null,
    status text collate "C" not null,
    error text collate "C",
    -- No foreign key: a message outlives its run, which is pruned.
    run text collate "C",
    created_at bigint not null,
    finished_at bigint,
    primary key (tenant, id),
    foreign key (tenant, conversation) references conversations (tenant, id) on delete cascade
);
create unique index messages_by_position on messages (tenant, conversation, position);

create table runs (
    tenant text collate "C" not null references tenants (id) on delete cascade,
    id text collate "C" not null,
    kind text collate "C" not null,
    name text collate "C" not null,
    version text collate "C",
    -- Whoever deletes a conversation deletes what its runs recorded of it.
    conversation text collate "C",
    message text collate "C",
    parent_run text collate "C",
    parent_node text collate "C",
    status text collate "C" not null,
    inputs text collate "C" not null,
    outputs text collate "C",
    answer text collate "C",
    error text collate "C",
    started_at bigint not null,
    finished_at bigint,
    primary key (tenant, id),
    foreign key (tenant, version) references versions (tenant, id),
    foreign key (tenant, conversation) references conversations (tenant, id) on delete cascade,
    foreign key (tenant, parent_run) references runs (tenant, id) on delete cascade
);
create index runs_by_time on runs (tenant, started_at, id);
create index runs_by_name on runs (tenant, name, started_at, id);
create index runs_by_conversation on runs (tenant, conversation, started_at, id) where conversation is not null;
create index runs_by_parent on runs (tenant, parent_run) where parent_run is not null;
create index runs_unfinished on runs (started_at) where status in ('queued', 'running', 'waiting');
create index runs_to_prune on runs (finished_at) where parent_run is null and finished_at is not null;

create table run_events (
    tenant text collate "C" not null,
    run text collate "C" not null,
    seq bigint not null,
    name text collate "C" not null,
    data text collate "C" not null,
    at bigint not null,
    primary key (tenant, run, seq),
    foreign key (tenant, run) references runs (tenant, id) on delete cascade
);

-- Apart from runs, because it is rewritten at every step and gone when the run is over.
create table run_snapshots (
    tenant text collate "C" not null,
    run text collate "C" not null,
    snapshot text collate "C" not null,
    primary key (tenant, run),
    foreign key (tenant, run) references runs (tenant, id) on delete cascade
);

create table knowledge_bases (
    tenant text collate "C" not null references tenants (id) on delete cascade,
    id text collate "C" not null,
    name text collate "C" not null,
    title text collate "C",
    description text collate "C",
    spec text collate "C" not null,
    created_at bigint not null,
    updated_at bigint not null,
    primary key (tenant, id)
);
create unique index knowledge_bases_by_name on knowledge_bases (tenant, name);

create table documents (
    tenant text collate "C" not null,
    id text collate "C" not null,
    base text collate "C" not null,
    name text collate "C" not null,
    -- The version of its chunks that counts; others are on their way in or out.
    version bigint not null,
    state text collate "C" not null,
    done bigint not null,
    total bigint not null,
    reason text collate "C",
    records bigint not null,
    size_bytes bigint not null,
    -- Of the file that the records came from; the same file again changes nothing.
    content_hash text collate "C",
    created_at bigint not null,
    updated_at bigint not null,
    primary key (tenant, id),
    foreign key (tenant, base) references knowledge_bases (tenant, id) on delete cascade
);
create unique index documents_by_name on documents (tenant, base, name);
create index documents_by_time on documents (tenant, base, created_at, id);
create index documents_in_progress on documents (created_at) where state in ('queued', 'parsing', 'embedding', 'indexing');

-- No foreign key: a large document is written and removed in small pieces, so that nobody else has to wait for it.
-- A chunk counts only through its document's row and version; `all_tenants_purge_chunks` removes the rest.
create table chunks (
    tenant text collate "C" not null,
    document text collate "C" not null,
    version bigint not null,
    ordinal bigint not null,
    text text collate "C" not null,
    fields text collate "C" not null,
    primary key (tenant, document, version, ordinal)
);

-- Stored once per content, for all tenants that have it.
create table plugin_code (
    sha256 text collate "C" not null primary key,
    bytes bytea not null
);

create table plugins (
    tenant text collate "C" not null references tenants (id) on delete cascade,
    id text collate "C" not null,
    plugin_id text collate "C" not null,
    version text collate "C" not null,
    manifest text collate "C" not null,
    -- No foreign key: the code of a shipped plugin is in the server's binary and not here.
    sha256 text collate "C" not null,
    system boolean not null,
    enabled boolean not null,
    installed_at bigint not null,
    primary key (tenant, id)
);
create unique index plugins_by_plugin_id on plugins (tenant, plugin_id);
create index plugins_by_code on plugins (sha256);

create table plugin_grants (
    tenant text collate "C" not null,
    plugin_id text collate "C" not null,
    grants text collate "C" not null,
    primary key (tenant, plugin_id),
    foreign key (tenant, plugin_id) references plugins (tenant, plugin_id) on delete cascade
);

create table settings (
    tenant text collate "C" not null references tenants (id) on delete cascade,
    key text collate "C" not null,
    value text collate "C" not null,
    updated_at bigint not null,
    primary key (tenant, key)
);

create table audit_log (
    tenant text collate "C" not null references tenants (id) on delete cascade,
    id text collate "C" not null,
    at bigint not null,
    actor text collate "C" not null,
    action text collate "C" not null,
    subject text collate "C" not null,
    detail text collate "C" not null,
    primary key (tenant, id)
);
create index audit_log_by_time on audit_log (tenant, at, id);
