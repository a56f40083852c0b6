//! What every kind of database must do. Each case is a function over a storage with nothing in it; another database
//! joins with one more line at the end, which says how to make such a storage.

mod accounts;
mod conversations;
mod definitions;
mod knowledge;
mod plugins;
mod runs;
mod secrets;
mod settings;
mod tenants;
mod triggers;
mod waits;

macro_rules! conformance {
    ($database:ident: $($noun:ident { $($case:ident),+ $(,)? })+) => {
        mod $database {
            $(mod $noun {
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let fixture = crate::support::Fixture::$database().await;
                    crate::conformance::$noun::$case(&fixture.storage).await;
                })+
            })+
        }
    };
}

macro_rules! every_case {
    ($database:ident) => {
        conformance! { $database:
            accounts { tenants_are_found_by_slug, users_and_owners, setup_links_work_once, sessions_end, api_keys_expire }
            definitions { versions_are_numbered_and_never_change, a_deleted_name_is_free_again }
            conversations { turns_are_stored_whole, lists_go_on_where_they_stopped, deleting_takes_everything_along }
            runs { steps_are_stored_whole, a_run_ends_once, a_run_may_be_over_with_its_first_step, lists_are_filtered, nested_runs_and_pruning, runs_that_nobody_drives_are_found }
            waits { one_answer_wins_and_the_run_takes_it, lists_show_what_one_may_answer, a_run_waits_unless_something_has_come_in, moments_come, runs_have_one_driver, nested_runs_are_not_forgotten, answers_are_messages }
            knowledge { bases_and_documents, lists_are_narrowed_by_a_text, records_are_replaced_whole, deleting_leaves_no_records, work_is_shared_and_can_be_stopped, files_stay_as_long_as_somebody_counts_them, single_records_are_changed, retrieval_tests_and_their_reports }
            plugins { values_have_versions_a_time_and_a_quota, versions_and_calls_are_kept_for_a_while, upgrading_keeps_grants, code_is_shared_and_goes_with_its_last_user }
            settings { settings_and_audit }
            secrets { secrets_are_replaced_and_listed_by_name }
            triggers { publishing_again_keeps_them, a_tick_has_one_claimer, a_delivery_keeps_its_first_run }
            tenants { foreign_ids_are_like_random_ones }
        }
    };
}

every_case!(sqlite);
every_case!(postgres);
