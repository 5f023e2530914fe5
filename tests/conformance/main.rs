//! What every store and every queue must do, written against the traits and run against each adapter.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]
#![expect(unreachable_pub, reason = "a test has no outside")]

mod accept;
mod analytics;
mod audit;
mod backing;
mod batches;
mod broadcast;
mod campaign_audiences;
mod campaign_runs;
mod campaign_stats;
mod campaigns;
mod caps;
mod claim;
mod client_token_model;
mod client_tokens;
mod client_tokens_together;
mod dead_letters;
mod erase;
mod keys;
mod kit;
#[path = "../memory/mod.rs"]
mod memory;
mod model;
mod naming;
mod numbers;
mod ownership;
mod paced;
mod path;
mod pauses;
mod people;
mod postgres_database;
mod postgres_locks;
mod postgres_server;
mod queue;
mod queue_cluster;
mod queue_model;
mod queue_redis;
mod queue_redis_faults;
mod queue_redis_open;
mod queue_redis_shared;
mod queue_speed;
mod random;
mod recording;
mod registry;
mod reports;
mod restart;
mod retention;
mod runs;
mod schedule;
mod sealing;
mod segments;
#[expect(dead_code, reason = "shared with other test binaries")]
#[path = "../services/mod.rs"]
mod services;
mod speed;
mod sqlite_file;
mod stale;
mod takeover;
mod targets;
mod templates;
mod together;
mod tokens;
mod topics;
mod twin_campaigns;
mod twin_record;
mod twin_steps;
mod twins;
mod user_deliveries;
mod vault;
mod views;
mod webhook_claims;
mod webhook_items;
mod webhook_parts;
mod webhooks;
mod world;

/// The daemon's, so that what is measured is what runs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Cases in a world of their own each.
macro_rules! cases {
    ($open:path; $($module:ident: $($case:ident),+;)+) => {
        $($(
            #[tokio::test]
            async fn $case() {
                let mut world = $open().await;
                crate::$module::$case(&mut world).await;
                world.close().await;
            }
        )+)+
    };
}

/// Every case against one store.
macro_rules! one_store {
    ($open:path; $($cases:tt)+) => {
        cases! { $open; $($cases)+ }

        #[test]
        fn the_invariants_hold_after_every_step() {
            crate::random::the_invariants_hold_after_every_step($open);
        }

        #[test]
        fn tokens_are_exchanged_as_the_model_says() {
            crate::client_token_model::tokens_are_exchanged_as_the_model_says($open);
        }
    };
}

/// Every case against every store.
macro_rules! every_store {
    ($($cases:tt)+) => {
        mod in_memory {
            one_store! { crate::world::World::memory; $($cases)+ }
        }

        mod sqlite {
            one_store! { crate::world::World::sqlite; $($cases)+ }
        }

        mod postgres {
            one_store! { crate::world::World::postgres; $($cases)+ }
        }

        mod sqlite_sealed {
            cases! { crate::world::World::sealed_sqlite; $($cases)+ }
        }

        mod postgres_sealed {
            cases! { crate::world::World::sealed_postgres; $($cases)+ }
        }
    };
}

every_store! {
    accept:
        a_key_replays_the_first_answer_for_a_day,
        a_key_can_be_looked_up_for_a_day,
        keys_are_apart_by_app_and_route,
        a_key_counts_within_its_own_batch,
        items_of_a_batch_have_keys_of_their_own,
        the_same_ids_sent_again_change_nothing,
        work_is_never_due_after_it_expires,
        keys_are_forgotten_after_their_day,
        what_was_accepted_is_read_as_it_was_written,
        many_at_once_are_answered_in_order;
    schedule:
        what_is_due_is_ready_once_per_guard,
        what_is_not_due_waits,
        a_stream_gets_no_more_than_it_has_room_for,
        the_longest_due_comes_first,
        what_is_held_is_looked_at_when_its_lease_lapses,
        a_guard_never_moves_work_past_its_end,
        fan_outs_are_not_scheduled,
        what_accept_publishes_is_not_published_beside_it,
        a_deferral_keeps_its_reason_until_it_is_taken,
        what_lapsed_can_be_held_back;
    claim:
        a_row_has_one_live_lease,
        what_is_unknown_or_over_is_not_claimed,
        a_renewal_needs_the_epoch,
        what_is_handed_back_is_due_at_once,
        a_single_that_was_taken_in_vain_is_dead_until_it_expires,
        a_dead_one_that_is_cancelled_is_taken_to_be_recorded,
        what_was_taken_in_vain_twice_is_taken_a_few_at_a_time,
        a_chunk_is_never_dead,
        takes_begin_anew_with_what_follows,
        a_thousand_keys_are_claimed_in_one_go;
    retention:
        what_is_over_is_forgotten,
        without_a_retention_all_is_kept,
        what_waits_is_not_forgotten,
        what_was_done_is_known_while_the_rest_waits;
    tokens:
        a_device_has_one_address_of_a_kind,
        an_address_needs_its_device,
        an_address_belongs_to_one_device,
        a_device_keeps_the_latest_live_activities,
        addresses_go_with_their_device_and_its_user,
        work_is_read_with_the_address_it_is_for,
        a_device_of_another_provider_has_no_other_addresses,
        a_dead_address_goes_and_its_device_stays,
        an_address_registered_since_survives_the_verdict,
        an_address_is_moved_to_the_service_that_knows_it,
        ordinary_and_other_addresses_are_judged_together;
    client_tokens:
        a_refresh_token_is_exchanged_for_its_successor,
        a_lost_answer_is_given_again_for_a_minute,
        a_successor_that_was_seen_ends_the_grace,
        an_older_token_is_no_lost_answer,
        a_token_of_another_chain_revokes,
        a_token_that_the_store_lost_is_exchanged,
        a_family_ends_and_is_forgotten,
        a_family_has_the_end_that_it_was_given,
        a_family_can_be_revoked,
        all_families_of_a_user_are_revoked,
        a_family_is_its_apps,
        families_go_with_their_device,
        families_go_with_their_user,
        families_go_with_the_user_of_their_device,
        a_device_keeps_a_few_families_of_a_user,
        nobody_crowds_another_off_their_device,
        a_user_keeps_some_families;
    client_tokens_together:
        of_many_who_exchange_a_token_one_renews,
        a_use_beside_exchanges_ends_the_grace_for_those_after_it,
        a_theft_beside_exchanges_revokes_once,
        families_that_begin_at_once_are_counted_one_by_one,
        families_that_begin_beside_the_end_of_their_device_go_with_it;
    targets:
        a_user_is_all_their_active_devices,
        a_locale_is_the_device_s_else_the_person_s,
        the_latest_seen_device_stands_for_a_user_where_that_is_asked,
        a_user_without_a_device_is_a_target_too,
        an_unknown_device_gets_a_row_that_readers_do_not_see,
        a_named_device_is_read_as_it_is_now,
        a_pair_keeps_its_person_and_shows_the_present_owner,
        preferences_come_with_the_device,
        a_device_on_which_nobody_is_signed_in_comes_with_its_own_preferences,
        deliveries_are_marked_where_that_is_asked,
        a_named_device_that_changed_hands_has_moved,
        a_user_is_not_reached_again_under_another_device,
        the_newest_under_a_collapse_key_is_read,
        a_batch_is_answered_in_order,
        many_pairs_are_read_at_once;
    recording:
        a_fact_is_written_once,
        a_late_holder_leaves_facts_but_no_plans,
        what_follows_takes_the_place_of_what_ended,
        what_follows_is_never_due_after_its_end,
        of_many_that_end_the_fence_holds_back_the_late,
        a_dead_token_deactivates_its_device,
        a_token_registered_since_survives_the_verdict,
        a_verdict_that_spares_the_device_is_a_fact_only,
        a_verdict_over_an_older_token_is_no_outcome,
        a_device_is_moved_to_the_service_that_knows_its_token,
        corrections_and_verdicts_go_together,
        a_device_that_is_gone_can_die,
        two_claims_of_a_row_end_it_once;
    runs:
        an_audience_is_taken_page_by_page,
        a_page_needs_the_epoch,
        progress_forgives_takes,
        an_empty_audience_is_done,
        a_run_begins_and_ends,
        nothing_of_a_run_is_taken_before_it_begins,
        runs_take_turns,
        released_work_is_guarded_and_held,
        a_cancel_empties_what_waits,
        what_follows_a_cancel_is_due_at_once,
        hastening_needs_a_cancel,
        a_cancelled_audience_grows_no_more,
        a_fan_out_is_counted_as_it_is_recorded,
        what_is_unknown_cannot_be_cancelled,
        a_paused_run_is_not_taken,
        what_was_published_of_a_paused_run_is_due_when_it_goes_on,
        only_a_run_can_be_paused;
    caps:
        so_many_are_admitted_in_a_window_that_slides,
        what_comes_back_has_its_place,
        places_are_apart_by_holder_and_category,
        of_several_that_ask_at_once_the_first_goes_first,
        to_look_takes_no_place,
        another_cap_judges_what_is_there,
        places_that_are_over_are_forgotten,
        many_are_asked_for_in_one_go,
        many_callers_get_no_more_places_than_there_are;
    dead_letters:
        what_died_is_listed_and_named,
        the_last_to_die_is_listed_first,
        a_dead_letter_that_is_retried_lives,
        what_ended_is_no_dead_letter;
    webhooks:
        a_webhook_is_its_apps_and_there_are_not_too_many,
        no_more_webhooks_are_made_at_the_same_time_than_allowed,
        a_webhook_is_changed_and_switched,
        items_wait_for_others_and_go_together,
        a_message_has_500_items_at_most,
        lists_are_cut_where_a_message_is_full,
        a_message_is_one_callers_until_its_lease_is_over,
        a_webhook_has_so_many_under_way_whoever_holds_them,
        messages_are_claimed_and_items_gathered_by_many_at_once,
        who_is_slow_keeps_nobody_else_waiting,
        what_failed_is_due_again_then,
        what_is_given_up_comes_no_more,
        a_disabled_webhook_is_told_nothing_until_it_is_enabled,
        an_attempt_without_a_lease_is_noted_and_changes_nothing,
        attempts_are_listed_page_by_page,
        both_secrets_sign_while_one_is_rotated,
        a_span_of_time_is_replayed,
        what_is_over_is_pruned,
        what_a_disabled_webhook_was_not_told_is_forgotten_in_the_end,
        a_deleted_webhook_leaves_nothing,
        nodes_share_what_is_to_be_told;
    webhook_claims:
        an_app_has_so_many_under_way_whoever_holds_them,
        who_has_enough_under_way_keeps_nobody_from_their_turn,
        who_is_behind_gets_fewer_and_fuller_messages,
        what_waits_for_its_next_attempt_is_not_behind,
        what_the_old_place_answered_is_not_the_new_ones,
        failures_of_the_old_place_are_not_the_new_ones,
        a_webhook_is_disabled_that_fails_still,
        what_is_replayed_while_it_is_under_way_is_not_given_up,
        who_is_too_late_settles_nothing_of_the_next,
        what_was_replayed_since_is_sent_again_although_it_arrived;
    webhook_items:
        every_end_of_a_delivery_is_told_once,
        what_is_not_there_is_null_and_tests_are_not_told,
        receipts_that_count_are_told,
        devices_that_come_and_go_are_told,
        devices_that_nobody_sees_or_that_are_too_many_are_told,
        imports_are_told_like_registrations,
        preferences_are_told_where_they_changed,
        steps_of_campaigns_are_told,
        a_campaign_with_too_many_targets_is_told_as_paused_once,
        a_pause_of_a_lane_is_told_once,
        nobody_else_is_told,
        whoever_is_erased_is_named_no_more,
        whoever_is_erased_with_many_devices_is_named_no_more,
        whoever_is_erased_while_others_write_is_named_no_more;
    erase:
        nothing_is_left_of_a_person,
        no_version_comes_again,
        an_erasure_is_the_apps_own,
        many_devices_and_topics_are_forgotten,
        deliveries_stay_counted_and_name_nobody,
        places_under_caps_go_with_their_holder;
    vault:
        a_secret_is_kept_once_and_forgotten_once,
        secrets_are_listed_by_how_their_names_begin,
        of_those_who_keep_a_name_at_the_same_time_all_are_answered_one_value;
    pauses:
        what_is_paused_is_known_until_it_is_resumed,
        a_pause_keeps_its_first_reason_and_each_credential_its_own;
    registry:
        a_registration_creates_and_updates,
        a_new_device_needs_user_platform_and_token,
        a_token_fits_its_provider,
        a_token_moves_to_the_device_that_registers_it,
        a_registration_refreshes_the_token,
        a_device_whose_user_changes_starts_clean,
        a_patch_without_a_token_wakes_nothing,
        a_user_keeps_fifty_devices,
        a_change_can_name_the_version_it_is_for,
        a_number_is_never_used_again,
        a_phone_that_calls_is_seen_once_an_hour,
        an_import_takes_over_what_was_known_elsewhere,
        an_import_wakes_only_what_an_import_put_to_sleep,
        an_older_list_does_not_overrule_the_phone,
        an_older_list_takes_no_token_from_the_phone_that_has_it,
        many_are_registered_in_one_go,
        many_at_once_are_as_one_after_the_other,
        devices_are_listed_newest_first;
    takeover:
        a_device_is_taken_with_its_token_only;
    ownership:
        a_backend_may_do_all_with_a_device,
        what_a_phone_says_of_the_user_is_of_no_account,
        a_version_is_no_way_to_find_out_of_anothers_device,
        many_at_once_are_asked_for_as_each_alone,
        who_signs_out_leaves_nothing_behind,
        who_takes_a_device_ends_the_tokens_of_the_last_on_it,
        a_device_is_deleted_by_its_own,
        addresses_are_given_to_a_device_by_its_own,
        of_two_who_register_a_name_one_has_it,
        a_token_that_was_renewed_is_no_proof;
    batches:
        a_batch_is_as_one_after_the_other_whatever_it_holds;
    together:
        a_token_has_one_holder_whoever_brings_it,
        a_device_that_many_register_is_one,
        a_user_has_no_more_devices_than_allowed,
        two_devices_can_swap_their_tokens,
        the_same_list_can_be_imported_from_several_places,
        phones_can_register_while_they_are_imported,
        apps_are_made_once,
        of_those_who_name_a_version_one_writes,
        those_who_name_no_version_write_one_after_the_other,
        a_receipt_that_many_bring_counts_once,
        receipts_of_a_fan_out_count_once_whoever_brings_them;
    people:
        preferences_have_versions,
        a_device_has_preferences_until_somebody_signs_in,
        contacts_are_apart_from_preferences,
        a_profile_is_apart_from_preferences,
        categories_are_declared_by_app,
        a_category_has_versions_that_never_come_again,
        the_newest_category_is_listed_first,
        a_refused_write_leaves_its_neighbours_alone,
        apps_keep_their_numbers;
    keys:
        keys_are_found_by_their_id_and_their_hash,
        a_key_belongs_to_its_app,
        a_use_is_noted_unless_a_later_one_is_known,
        a_key_that_is_rotated_goes_on_for_a_while,
        a_key_is_rotated_once,
        a_key_that_many_rotate_has_one_successor,
        hashes_are_made_with_the_secret_of_the_store;
    views:
        unresolved_names_count_as_they_would_resolve,
        only_targets_are_counted_and_listed_while_they_wait,
        a_scheduled_one_says_so,
        a_reason_that_nobody_waits_for_is_not_told,
        targets_are_listed_waiting_first,
        unresolved_targets_are_listed_by_name,
        a_deleted_device_is_listed_without_its_name,
        notifications_are_listed_newest_first;
    naming:
        a_user_is_known_by_name_number_and_devices,
        work_is_found_by_whom_it_names,
        many_rows_are_walked_through_part_by_part,
        a_row_can_be_replaced_while_nobody_holds_it,
        what_a_worker_has_is_told_as_held,
        rows_are_seized_whatever_their_run;
    user_deliveries:
        a_users_deliveries_are_listed_newest_first,
        a_users_deliveries_are_those_of_their_app,
        what_waits_for_a_user_is_listed_first,
        a_cursor_of_nobody_is_foreign;
    reports:
        receipts_count_once_and_imply_delivery,
        an_impossible_instant_is_that_of_the_arrival,
        only_what_was_sent_has_receipts,
        nothing_is_early_before_a_notification_begins,
        a_receipt_is_early_only_while_something_waits,
        an_early_receipt_waits_for_its_send,
        an_early_receipt_is_forgotten_after_an_hour,
        receipts_of_a_fan_out_are_counted;
    analytics:
        outcomes_are_counted_by_what_they_were,
        what_is_recorded_again_is_counted_once,
        receipts_are_counted_in_the_bucket_of_their_send,
        early_receipts_are_counted_once_their_send_is,
        groups_are_put_together_and_paged,
        each_resolution_is_kept_for_its_time;
    audit:
        an_act_is_written_before_it_is_done,
        acts_belong_to_their_app,
        the_latest_act_is_listed_first,
        acts_are_found_by_act_key_and_time,
        acts_are_forgotten_after_their_time;
    restart:
        a_restart_does_not_wake_the_dead,
        what_was_committed_is_there_after_a_restart;
    broadcast:
        a_broadcast_is_one_target_that_waits_and_is_sent,
        a_broadcast_that_was_sent_is_known_when_its_work_comes_back,
        a_channel_is_told_by_the_id_it_was_given;
    paced:
        rows_have_spans_of_their_own,
        rows_are_released_as_their_run_is_fed,
        what_is_claimed_too_early_is_due_in_time,
        claims_of_many_never_share_an_instant,
        time_without_work_is_lost,
        what_comes_again_has_another_span,
        a_run_that_is_paused_spends_no_time,
        a_clock_that_is_set_back_stalls_no_run,
        what_was_taken_in_vain_has_its_takes_in_a_paced_run_too,
        what_is_cancelled_has_no_pace,
        what_has_expired_has_no_pace,
        others_are_served_meanwhile,
        an_expansion_takes_none_of_the_time;
    stale:
        a_page_tells_when_each_device_was_seen,
        what_an_audience_left_out_is_told_and_is_no_target,
        the_longest_unseen_are_deactivated_part_by_part,
        a_stale_device_that_registers_is_active_again;
    templates:
        a_template_is_stored_read_and_deleted,
        the_newest_template_is_listed_first,
        of_many_who_store_a_template_none_has_the_version_of_another,
        what_templates_show_of_people_is_read_where_it_is_asked_for;
    segments:
        a_segment_takes_those_that_it_means,
        a_segment_is_the_same_in_parts,
        large_segments_are_taken,
        an_expansion_takes_a_segment,
        of_those_named_only_the_meant_are_targets;
    topics:
        a_topic_is_there_from_its_first_follower,
        a_topic_goes_with_its_subscriptions,
        topics_are_listed_newest_first,
        a_topic_takes_its_followers_devices,
        a_device_whose_user_changes_follows_nothing_of_its_own;
    campaigns:
        a_campaign_is_kept_as_it_was_given,
        campaigns_are_listed_newest_first,
        a_campaign_is_its_apps,
        each_step_is_taken_from_some_statuses_only,
        a_key_makes_one_campaign,
        only_a_draft_is_deleted,
        a_campaign_changes_only_in_the_version_that_is_named,
        a_scheduled_one_that_is_edited_is_due_when_that_says,
        those_that_wait_longest_are_due_first;
    campaign_runs:
        an_instant_has_one_run_whoever_sees_it,
        what_was_edited_since_is_not_begun,
        runs_are_listed_newest_first,
        a_campaign_is_held_with_all_of_its_runs,
        a_campaign_is_held_with_a_run_that_lies_ahead,
        a_campaign_and_its_runs_agree_whoever_turns_them,
        a_campaign_that_is_given_up_takes_its_runs_along,
        a_campaign_that_never_ran_goes_back_to_waiting,
        a_campaign_that_cannot_begin_is_held_for_a_reason,
        a_campaign_is_done_with_its_last_run,
        notifications_are_listed_by_campaign;
    campaign_audiences:
        an_audience_within_its_bound_is_released_once_it_is_all_there,
        the_expansion_of_what_is_held_is_released_again,
        an_audience_that_is_too_large_at_once_is_held,
        an_audience_that_is_too_large_at_last_is_held,
        an_audience_that_is_too_large_holds_a_campaign_that_somebody_holds,
        an_audience_that_is_too_large_is_held_whoever_turns_its_campaign,
        a_run_that_is_too_large_holds_the_others,
        a_run_that_is_held_can_be_cancelled,
        a_run_that_is_held_ends_with_its_time,
        what_has_no_bound_is_released_as_it_is_taken;
    campaign_stats:
        stats_are_a_recount_of_what_was_recorded,
        stats_are_of_all_runs_or_of_one;
    path:
        a_notification_goes_all_the_way;
}

#[test]
fn sqlite_answers_as_the_store_in_memory() {
    twins::answer_the_same(world::World::memory, world::World::sqlite);
}

#[test]
fn postgres_answers_as_the_store_in_memory() {
    twins::answer_the_same(world::World::memory, world::World::postgres);
}

/// Cases of a store that one process has to itself.
mod embedded {
    cases! { crate::world::World::sqlite;
    restart:
        after_a_restart_nobody_holds_anything,
        a_caller_that_goes_away_does_not_undo_its_write;
    retention:
        what_is_over_goes_in_steps;
    sqlite_file:
        one_process_at_a_time,
        a_newer_schema_is_refused,
        the_schema_can_be_made_without_a_daemon,
        what_is_no_database_is_refused,
        an_unreadable_row_is_named,
        versions_that_were_there_before_get_their_keys,
        hashes_that_were_there_before_are_keyed,
        the_log_stays_short;
    }
}

/// Cases of a store that many processes share.
macro_rules! shared_stores {
    ($($cases:tt)+) => {
        mod shared_in_memory {
            cases! { crate::world::World::memory; $($cases)+ }
        }
    };
}

shared_stores! {
    restart:
        a_process_that_comes_voids_nothing;
}

/// What keys do to the stores that lie somewhere.
macro_rules! stores_at_rest {
    ($($cases:tt)+) => {
        mod sqlite_at_rest {
            cases! { crate::world::World::sqlite; $($cases)+ }
        }

        mod postgres_at_rest {
            cases! { crate::world::World::postgres; $($cases)+ }
            cases! { crate::world::World::postgres; sealing: nodes_with_older_keys_are_caught_up_with, nodes_that_sealed_nothing_are_caught_up_with; }
        }
    };
}

stores_at_rest! {
    sealing:
        nothing_personal_or_secret_can_be_read_in_a_copy_of_a_sealed_store,
        what_was_written_before_there_was_a_key_is_sealed,
        a_key_is_replaced_while_the_store_is_in_use,
        what_is_sealed_can_be_opened_for_good,
        sealing_goes_on_where_it_was_and_loses_no_registration,
        a_sealed_value_opens_nowhere_else;
    webhooks:
        a_webhooks_secrets_are_sealed;
    webhook_claims:
        a_message_that_cannot_be_read_ends_and_the_others_go_on,
        a_webhook_whose_secret_cannot_be_read_keeps_nobody_from_their_turn,
        an_item_that_cannot_be_read_is_left_out_and_the_others_go_on,
        many_items_of_one_keep_nobody_from_their_turn;
}

/// Every case against one queue.
macro_rules! one_queue {
    ($new:path; $($case:ident),+) => {
        $(
            #[tokio::test]
            async fn $case() {
                crate::queue::$case(&$new(100)).await;
            }
        )+
    };
}

/// Every case against every queue.
macro_rules! every_queue {
    ($($case:ident),+ $(,)?) => {
        mod queue_in_memory {
            one_queue! { crate::memory::queue::MemoryQueue::new; $($case),+ }
        }

        mod in_process {
            one_queue! { herald::queue::in_process::InProcessQueue::new; $($case),+ }
        }

        mod redis {
            $(
                #[tokio::test]
                async fn $case() {
                    crate::queue::$case(&crate::queue_redis::open(100).await).await;
                }
            )+
        }
    };
}

every_queue! {
    entries_come_in_the_order_of_their_stream,
    streams_are_served_by_weight,
    chunks_count_by_their_targets,
    an_unused_share_is_passed_on,
    publishers_that_look_at_the_same_time_both_fit,
    what_does_not_fit_is_dropped,
    every_entry_goes_to_one_taker,
    a_take_waits_for_the_first,
    every_waiting_taker_is_served,
    a_take_ends_without_entries,
    what_was_ended_is_not_found_again,
    an_entry_can_be_ended_twice,
    an_entry_that_is_published_twice_is_harmless,
    a_taker_that_goes_away_takes_nothing_with_it,
    an_idle_stream_saves_nothing_up,
    many_are_published_and_taken_at_once,
    a_queue_that_is_well_says_so,
}
