-- What plugins keep, what their calls came to, and the versions that were installed before.

create table plugin_values (
    tenant text collate "C" not null,
    plugin_id text collate "C" not null,
    key text collate "C" not null,
    value text collate "C" not null,
    -- Counts the values that the key has had.
    version bigint not null,
    expires_at bigint,
    primary key (tenant, plugin_id, key),
    foreign key (tenant, plugin_id) references plugins (tenant, plugin_id) on delete cascade
);
create index plugin_values_by_expiry on plugin_values (expires_at) where expires_at is not null;

create table plugin_calls (
    tenant text collate "C" not null,
    id text collate "C" not null,
    plugin_id text collate "C" not null,
    version text collate "C" not null,
    tool text collate "C" not null,
    -- None when it was tried by hand.
    run text collate "C",
    node text collate "C",
    at bigint not null,
    duration_us bigint not null,
    cpu_us bigint not null,
    memory_bytes bigint not null,
    tokens bigint not null,
    -- JSON: {code, message}; none when it went well.
    error text collate "C",
    -- JSON array of {level, message}.
    logs text collate "C" not null,
    primary key (tenant, id),
    foreign key (tenant, plugin_id) references plugins (tenant, plugin_id) on delete cascade
);
create index plugin_calls_by_time on plugin_calls (tenant, plugin_id, at, id);
create index plugin_calls_to_prune on plugin_calls (at);

create table plugin_versions (
    tenant text collate "C" not null,
    plugin_id text collate "C" not null,
    sha256 text collate "C" not null,
    version text collate "C" not null,
    installed_at bigint not null,
    primary key (tenant, plugin_id, sha256),
    foreign key (tenant, plugin_id) references plugins (tenant, plugin_id) on delete cascade
);
create index plugin_versions_by_code on plugin_versions (sha256);
