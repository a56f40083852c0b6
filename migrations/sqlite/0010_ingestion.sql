-- Documents are read, embedded and indexed in the background, from a file that is kept.

drop index documents_in_progress;
alter table documents drop column state;
alter table documents drop column done;
alter table documents drop column total;
alter table documents add column media_type text;
-- The address that the file came from.
alter table documents add column source text;
-- Which column of the file is which field, as a JSON object.
alter table documents add column columns text not null default '{}';
-- Whose visitors may see it, as a JSON list; nobody is shut out by an empty one.
alter table documents add column groups text not null default '[]';
alter table documents add column metadata text not null default '{}';
alter table documents add column warnings text not null default '[]';
-- Grows with each change of a single chunk of this version.
alter table documents add column edits bigint not null default 0;

alter table chunks add column position text not null default '{}';
alter table chunks add column answer text;
alter table chunks add column tokens bigint not null default 0;
alter table chunks add column enabled boolean not null default true;
alter table chunks add column edited boolean not null default false;

-- What is being made of a document, or could not be made: one for each at most. It is gone when the document answers.
create table ingestions (
    tenant text not null,
    document text not null,
    -- Of the chunks that will count.
    version bigint not null,
    state text not null,
    done bigint not null,
    total bigint not null,
    unit text not null,
    reason text,
    -- All that is wrong with the file, and what to do: a JSON object of `errors` and `hint`.
    problems text not null,
    warnings text not null,
    media_type text,
    columns text not null,
    source text,
    -- Of the file; none while it has not been fetched from its source.
    content_hash text,
    size_bytes bigint not null,
    attempts bigint not null,
    not_before bigint not null,
    lease_owner text,
    lease_until bigint,
    created_at bigint not null,
    updated_at bigint not null,
    primary key (tenant, document),
    foreign key (tenant, document) references documents (tenant, id) on delete cascade
);
create index ingestions_to_do on ingestions (not_before, created_at) where state in ('queued', 'parsing', 'embedding', 'indexing');

-- Once per content and tenant, in pieces: a large file is written and removed without anybody waiting for it. A file
-- counts only through a document or an ingestion with its hash; `purge_files` removes the rest.
create table file_pieces (
    tenant text not null,
    hash text not null,
    piece bigint not null,
    bytes blob not null,
    primary key (tenant, hash, piece),
    foreign key (tenant) references tenants (id) on delete cascade
);

-- The model whose vectors answer, and the one that the base is on its way to.
alter table knowledge_bases add column embedding_model text;
alter table knowledge_bases add column next_embedding_model text;
alter table knowledge_bases add column embedding_problem text;

create table retrieval_tests (
    tenant text not null,
    id text not null,
    base text not null,
    query text not null,
    filter text,
    expected text not null,
    created_at bigint not null,
    primary key (tenant, id),
    foreign key (tenant, base) references knowledge_bases (tenant, id) on delete cascade
);
create index retrieval_tests_by_base on retrieval_tests (tenant, base, created_at, id);

create table retrieval_reports (
    tenant text not null,
    base text not null,
    at bigint not null,
    report text not null,
    primary key (tenant, base, at),
    foreign key (tenant, base) references knowledge_bases (tenant, id) on delete cascade
);
