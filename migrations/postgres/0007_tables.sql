-- Decision tables that workflows refer to by their file's name.

create table decision_tables (
    tenant text collate "C" not null references tenants (id) on delete cascade,
    name text collate "C" not null,
    -- As CSV with commas, whatever was brought.
    csv text collate "C" not null,
    updated_at bigint not null,
    primary key (tenant, name)
);
