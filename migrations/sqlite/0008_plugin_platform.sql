-- What plugins keep, what their calls came to, and the versions that were installed before.

create table plugin_values (
    tenant text not null,
    plugin_id text not null,
    key text not null,
    value text not null,
    -- Counts the values that the key has had.
    version bigint not null,
    expires_at bigint,
    primary key (tenant, plugin_id, key),
    foreign key (tenant, plugin_id) references plugins (tenant, plugin_id) on delete cascade
);
create index plugin_values_by_expiry on plugin_values (expires_at) where expires_at is not null;

create table plugin_calls (
    tenant text not null,
    id text not null,
    plugin_id text not null,
    version text not null,
    tool text not null,
    -- None when it was tried by hand.
    run text,
    node text,
    at bigint not null,
    duration_us bigint not null,
    cpu_us bigint not null,
    memory_bytes bigint not null,
    tokens bigint not null,
    -- JSON: {code, message}; none when it went well.
    error text,
    -- JSON array of {level, message}.
    logs text not null,
    primary key (tenant, id),
    foreign key (tenant, plugin_id) references plugins (tenant, plugin_id) on delete cascade
);
create index plugin_calls_by_time on plugin_calls (tenant, plugin_id, at, id);
create index plugin_calls_to_prune on plugin_calls (at);

create table plugin_versions (
    tenant text not null,
    plugin_id text not null,
    sha256 text not null,
    version text not null,
    installed_at bigint not null,
    primary key (tenant, plugin_id, sha256),
    foreign key (tenant, plugin_id) references plugins (tenant, plugin_id) on delete cascade
);
create index plugin_versions_by_code on plugin_versions (sha256);
