-- What starts workflows by itself: schedules and webhooks of published workflows.

create table triggers (
    tenant text collate "C" not null references tenants (id) on delete cascade,
    id text collate "C" not null,
    workflow text collate "C" not null,
    kind text collate "C" not null,
    -- Within the workflow's triggers of this kind: published again, a workflow keeps its triggers by it.
    position bigint not null,
    spec text collate "C" not null,
    -- The secret part of a webhook's address. Not hashed: whoever may manage the tenant can read the address again.
    token text collate "C" unique,
    enabled boolean not null,
    next_at bigint,
    last_at bigint,
    last_run text collate "C",
    last_error text collate "C",
    created_at bigint not null,
    updated_at bigint not null,
    primary key (tenant, id)
);
create unique index triggers_by_place on triggers (tenant, workflow, kind, position);
create index triggers_due on triggers (next_at) where enabled and next_at is not null;

-- Whoever inserts a tick has it: its primary key is what keeps several servers from starting it twice.
create table trigger_ticks (
    tenant text collate "C" not null,
    trigger_id text collate "C" not null,
    due_at bigint not null,
    -- Decided when the tick is claimed, before the run exists.
    run text collate "C" not null,
    state text collate "C" not null,
    claimed_at bigint not null,
    primary key (tenant, trigger_id, due_at),
    foreign key (tenant, trigger_id) references triggers (tenant, id) on delete cascade
);
create index trigger_ticks_open on trigger_ticks (claimed_at) where state = 'claimed';
create index trigger_ticks_by_time on trigger_ticks (claimed_at);

-- Requests that senders gave a name, so that one that comes again finds its run.
create table trigger_deliveries (
    tenant text collate "C" not null,
    trigger_id text collate "C" not null,
    -- A hash of the name.
    delivery text collate "C" not null,
    run text collate "C" not null,
    at bigint not null,
    primary key (tenant, trigger_id, delivery),
    foreign key (tenant, trigger_id) references triggers (tenant, id) on delete cascade
);
create index trigger_deliveries_by_time on trigger_deliveries (at);
