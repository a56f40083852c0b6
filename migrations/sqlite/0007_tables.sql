-- Decision tables that workflows refer to by their file's name.

create table decision_tables (
    tenant text not null references tenants (id) on delete cascade,
    name text not null,
    -- As CSV with commas, whatever was brought.
    csv text not null,
    updated_at bigint not null,
    primary key (tenant, name)
);
