-- Secrets of a tenant. `sealed` is encrypted under the server's master key, bound to the tenant and the name.
create table secrets (
    tenant text not null references tenants (id) on delete cascade,
    name text not null,
    sealed blob not null,
    created_at bigint not null,
    updated_at bigint not null,
    primary key (tenant, name)
);
