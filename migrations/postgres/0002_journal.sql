-- A run's journal, what runs wait for, and who drives them.

-- One row per step of the engine: what went in, and what came of it. Running the causes through the engine again gives
-- the run again, so nothing that grows with the run is written at every step.
create table run_steps (
    tenant text collate "C" not null,
    run text collate "C" not null,
    step bigint not null,
    -- Numbers of the step's events; a step without any has a last one below its first.
    first_seq bigint not null,
    last_seq bigint not null,
    -- What went into the engine: a JSON object with one key.
    cause text collate "C" not null,
    -- A JSON array of [name, data].
    events text collate "C" not null,
    at bigint not null,
    primary key (tenant, run, step),
    foreign key (tenant, run) references runs (tenant, id) on delete cascade
);

-- Nobody had run anything on Postgres before there was a journal.
drop table run_events;

-- Where a run stood after a step. The journal after it leads to where it stands.
alter table run_snapshots add column step bigint not null default 0;

-- How long the run has been driven; waiting costs nothing of its time.
alter table runs add column active_ms bigint not null default 0;
-- Bytes of the run's answer that stand in earlier messages than `message`.
alter table runs add column message_from bigint not null default 0;
-- The process that drives the run, and until when it may without saying so again.
alter table runs add column lease_owner text collate "C";
alter table runs add column lease_until bigint;
alter table runs add column parked_at bigint;
create index runs_by_lease on runs (lease_owner) where lease_owner is not null;

-- Effects that nobody works on: questions to people, and moments. Gone when their outcome has gone into the engine.
create table waits (
    tenant text collate "C" not null,
    run text collate "C" not null,
    effect bigint not null,
    -- The run at the top, by which a nested one is woken.
    root_run text collate "C" not null,
    -- ask, approve, timer
    kind text collate "C" not null,
    node text collate "C" not null,
    title text collate "C" not null,
    -- Text, options, fields: a JSON object.
    body text collate "C" not null,
    conversation text collate "C",
    -- Whose conversation it is; none for an API key's.
    assignee text collate "C",
    -- The least role that may answer; none is whoever the conversation is with.
    who text collate "C",
    created_at bigint not null,
    due_at bigint,
    -- The outcome when nobody answered in time, as JSON.
    at_due text collate "C" not null,
    outcome text collate "C",
    answered_at bigint,
    answered_by text collate "C",
    primary key (tenant, run, effect),
    foreign key (tenant, run) references runs (tenant, id) on delete cascade
);
create index waits_due on waits (due_at) where outcome is null and due_at is not null;
create index waits_by_root on waits (tenant, root_run);
create index waits_answered on waits (answered_at) where outcome is not null;
create index waits_of_people on waits (tenant, created_at, run, effect) where outcome is null and kind <> 'timer';
create index waits_of_conversation on waits (tenant, conversation) where conversation is not null;
