-- Outputs of nodes with `cache`, under a hash of everything that makes two calls equal.

create table kept_outputs (
    tenant text collate "C" not null references tenants (id) on delete cascade,
    key text collate "C" not null,
    -- JSON: {ports, output}
    kept text collate "C" not null,
    created_at bigint not null,
    expires_at bigint not null,
    primary key (tenant, key)
);
create index kept_outputs_by_expiry on kept_outputs (expires_at);
