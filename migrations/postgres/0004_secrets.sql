-- Secrets of a tenant. `sealed` is encrypted under the server's master key, bound to the tenant and the name.
create table secrets (
    tenant text collate "C" not null references tenants (id) on delete cascade,
    name text collate "C" not null,
    sealed bytea not null,
    created_at bigint not null,
    updated_at bigint not null,
    primary key (tenant, name)
);
