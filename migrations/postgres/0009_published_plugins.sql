-- Versions of plugins that were published and that nobody has installed yet; `installed_at` is then when that was.

alter table plugin_versions add column installed boolean not null default true;
